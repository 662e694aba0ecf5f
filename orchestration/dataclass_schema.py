"""Turns the config dataclasses of model/ into Dagster's schema, and what a run gives back into the dataclass.

The counterpart of `config`, whose models are pydantic. An asset fills some keys in itself from its inputs (folders,
the vocabulary): those are hidden, so that no run config can contradict what is recorded as the asset's lineage.
"""

import types
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import dagster as dg

from model.config_files import load_config
from orchestration.config import ConfigError

T = TypeVar("T")

_SCALARS: dict[type, Any] = {int: dg.Int, float: dg.Float, bool: dg.Bool, str: dg.String}


def dataclass_schema(model: type, hidden: Collection[str] = ()) -> dict[str, dg.Field]:
    """Dagster's schema for `model`, field for field, without the keys in `hidden` (dotted: "model.vocab_size").

    TypeError names a field whose type no run config can hold.
    """
    return _schema(model, None, frozenset(hidden), "")


def completed(model: type, given: Mapping[str, Any], hidden: Collection[str] = ()) -> dict[str, Any]:
    """`given` with the defaults of all keys that are not hidden: what Dagster hands to a step.

    A section's defaults are those of its place: where `adam` stands with an epsilon of its own, a config that only
    sets `adam.clip` keeps it.
    """
    return _completed(model, None, given, frozenset(hidden), "")


def merged(values: Mapping[str, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with the keys of `filled` put in; lists come after those of `filled`, a null section stays null."""
    made = dict(values)
    for name, value in filled.items():
        present = made.get(name)
        if isinstance(value, Mapping):
            if name not in made or present is not None:
                made[name] = merged(present or {}, value)
        elif isinstance(value, list):
            made[name] = [*value, *(present or [])]
        else:
            made[name] = value
    return made


def core_dataclass(model: type[T], values: Mapping[str, Any], key: str) -> T:
    """The dataclass that holds `values`; ConfigError begins with `key` and tells which value cannot be."""
    try:
        return load_config(model, values)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def _schema(model: type, instance: Any, hidden: frozenset[str], prefix: str) -> dict[str, dg.Field]:
    made = {}
    hints = get_type_hints(model)
    for item in fields(model):
        path = f"{prefix}{item.name}"
        if path in hidden:
            continue
        default = _default(item, instance)
        kind = _kind(hints[item.name], default, hidden, path, f"{model.__name__}.{item.name}")
        description = str(item.metadata.get("description", ""))
        if default is MISSING:
            made[item.name] = dg.Field(kind, description=description)
        else:
            plain = _plain(default, hidden, f"{path}.")
            made[item.name] = dg.Field(kind, description=description, is_required=False, default_value=plain)
    return made


def _kind(hint: Any, default: Any, hidden: frozenset[str], path: str, where: str) -> Any:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if is_dataclass(hint):
        instance = None if default is MISSING else default
        return dg.Shape(_schema(hint, instance, hidden, f"{path}."))  # type: ignore[arg-type, no-untyped-call]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        name = "_".join(str(a) for a in arguments).replace(".", "_").replace("-", "_")
        return dg.Enum(f"one_of_{name}", [dg.EnumValue(str(a), a) for a in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return dg.Array(_kind(arguments[0], MISSING, hidden, path, where))
    if origin in (Union, types.UnionType) and type(None) in arguments:
        inner = next(a for a in arguments if a is not type(None))
        return dg.Noneable(_kind(inner, default or MISSING, hidden, path, where))
    raise TypeError(f"{where}: a config field of type {hint} has no counterpart in a run config")


def _completed(
    model: type, instance: Any, given: Mapping[str, Any], hidden: frozenset[str], prefix: str
) -> dict[str, Any]:
    made = {}
    hints = get_type_hints(model)
    for item in fields(model):
        path = f"{prefix}{item.name}"
        if path in hidden:
            continue
        default = _default(item, instance)
        section = _section(hints[item.name])
        value = given.get(item.name, MISSING)
        if section is not None and value is not None and (value is not MISSING or default is not None):
            inner = None if default is MISSING else default
            made[item.name] = _completed(
                section, inner, {} if value is MISSING else value, hidden, f"{path}."
            )
        elif value is not MISSING:
            made[item.name] = value
        elif default is not MISSING:
            made[item.name] = _plain(default, hidden, f"{path}.")
    return made


def _section(hint: Any) -> type | None:
    """The dataclass of a nested section, null or not; None for all else."""
    arguments = [a for a in get_args(hint) if a is not type(None)]
    optional = get_origin(hint) in (Union, types.UnionType) and len(arguments) == 1
    inner = arguments[0] if optional else hint
    return inner if isinstance(inner, type) and is_dataclass(inner) else None


def _default(item: Any, instance: Any) -> Any:
    if instance is not None:
        return getattr(instance, item.name)
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _plain(value: Any, hidden: frozenset[str], prefix: str) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: _plain(getattr(value, item.name), hidden, f"{prefix}{item.name}.")
            for item in fields(value)
            if f"{prefix}{item.name}" not in hidden
        }
    if isinstance(value, (list, tuple)):
        return [asdict(v) if is_dataclass(v) and not isinstance(v, type) else v for v in value]
    return value
