"""Turns the config dataclasses of model/ into Dagster's schema, and what a run gives back into the dataclass.

The counterpart of `config`, whose models are pydantic. An asset fills some keys in itself from its inputs (folders,
the vocabulary): those are hidden, so that no run config can contradict what is recorded as the asset's lineage.
"""

import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import dagster as dg

from model.config_files import load_config
from orchestration.config import ConfigError

T = TypeVar("T")

_SCALARS: dict[type, Any] = {int: dg.Int, float: dg.Float, bool: dg.Bool, str: dg.String}


def dataclass_schema(
    model: type, hidden: Collection[str] = (), defaults: Mapping[str, Any] | None = None
) -> dict[str, dg.Field]:
    """Dagster's schema for `model`, field for field, without the keys in `hidden` (dotted: "model.vocab_size").

    `defaults` are values, nested as the model is, that stand for the class's own. TypeError names a field whose type
    no run config can hold.
    """
    return _Section(model, frozenset(hidden), defaults or {}).schema()


def completed(
    model: type,
    given: Mapping[str, Any],
    hidden: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`given` with the defaults of all keys that are not hidden: what Dagster hands to a step.

    A section's defaults are those of its place: where `adam` stands with an epsilon of its own, a config that only
    sets `adam.clip` keeps it.
    """
    return _Section(model, frozenset(hidden), defaults or {}).completed(given)


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


class _Section:
    """A dataclass at its place in a config: what is hidden of it, and the defaults that its place gives."""

    def __init__(
        self,
        model: type,
        hidden: frozenset[str],
        defaults: Mapping[str, Any],
        instance: Any = None,
        prefix: str = "",
    ) -> None:
        self.model, self.hidden, self.defaults = model, hidden, defaults
        self.instance, self.prefix = instance, prefix
        self.hints = get_type_hints(model)
        self.fields = [item for item in fields(model) if f"{prefix}{item.name}" not in hidden]

    def schema(self) -> dict[str, dg.Field]:
        """A Dagster field for each field."""
        made = {}
        for item in self.fields:
            kind = _kind(
                self.hints[item.name], f"{self.model.__name__}.{item.name}", partial(self._shape, item)
            )
            description = str(item.metadata.get("description", ""))
            value = self._default(item)
            if value is MISSING:  # a section whose keys all have defaults may still be left out
                made[item.name] = dg.Field(kind, description=description)
            else:
                made[item.name] = dg.Field(
                    kind, description=description, is_required=False, default_value=value
                )
        return made

    def completed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Given values and defaults, of nested sections too."""
        made = {}
        for item in self.fields:
            section = _section(self.hints[item.name])
            value = given.get(item.name, MISSING)
            if section is not None and value is MISSING and self._default(item) is MISSING:
                value = {}
            if value is MISSING:
                value = self._default(item)
            elif section is not None and value is not None:
                value = self._inner(item, section).completed(value)
            if value is not MISSING:
                made[item.name] = value
        return made

    def _shape(self, item: Field[Any], model: type) -> Any:
        return dg.Shape(self._inner(item, model).schema())  # type: ignore[no-untyped-call]

    def _inner(self, item: Field[Any], section: type) -> "_Section":
        own = self.defaults.get(item.name)
        instance = self._declared(item)
        return _Section(
            section,
            self.hidden,
            own if isinstance(own, Mapping) else {},
            instance if isinstance(instance, section) else None,
            f"{self.prefix}{item.name}.",
        )

    def _default(self, item: Field[Any]) -> Any:
        """The default as JSON values; MISSING where there is none."""
        value = self.defaults.get(item.name, self._declared(item))
        section = _section(self.hints[item.name])
        if section is not None and value is not MISSING and value is not None:
            return self._inner(item, section).completed({})
        if isinstance(value, (list, tuple)):
            return [asdict(part) if is_dataclass(part) else part for part in value]  # type: ignore[arg-type]
        return value

    def _declared(self, item: Field[Any]) -> Any:
        if self.instance is not None:
            return getattr(self.instance, item.name)
        return item.default_factory() if item.default_factory is not MISSING else item.default


def _kind(hint: Any, where: str, shape: Callable[[type], Any]) -> Any:
    """Dagster's type for an annotation; `shape` makes that of a nested dataclass."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    if is_dataclass(hint):
        return shape(hint)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        name = "_".join(str(a) for a in arguments).replace(".", "_").replace("-", "_")
        return dg.Enum(f"one_of_{name}", [dg.EnumValue(str(a), a) for a in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return dg.Array(_kind(arguments[0], where, shape))
    if origin in (Union, types.UnionType) and type(None) in arguments:
        return dg.Noneable(_kind(next(a for a in arguments if a is not type(None)), where, shape))
    raise TypeError(f"{where}: a config field of type {hint} has no counterpart in a run config")


def _section(hint: Any) -> type | None:
    """The dataclass of a nested section, null or not; None for all else."""
    arguments = [a for a in get_args(hint) if a is not type(None)]
    optional = get_origin(hint) in (Union, types.UnionType) and len(arguments) == 1
    inner = arguments[0] if optional else hint
    return inner if isinstance(inner, type) and is_dataclass(inner) else None
