"""Configs of the training programs: frozen dataclasses from JSON, strict about keys and types.

A wrong key would otherwise train for hours with a default in its place.
"""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def load_config(cls: type[T], source: str | Path | Mapping[str, Any], base: T | None = None) -> T:
    """A config from a JSON file or a mapping; what it leaves out is as in `base`, or else as the class has it.

    A nested object that leaves keys out keeps those of its place: of `base`, or of its field's default.
    A ValueError names the file, the key (`optimizer.beta2`), what was expected, and for an unknown key those known.
    """
    if isinstance(source, Mapping):
        return _build(cls, source, "", base)
    path = Path(source)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return _build(cls, values, "", base)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def to_json(config: Any) -> str:
    """A config as JSON that `load_config` reads back to an equal one."""
    return json.dumps(asdict(config), indent=2, ensure_ascii=False) + "\n"


def _build(cls: type[T], values: Any, where: str, base: T | None = None) -> T:
    """A config of the given values, and for the others those of `base`, or else the class's own defaults."""
    if not isinstance(values, Mapping):
        raise _wrong(where, "an object", values)
    declared = fields(cls)  # type: ignore[arg-type]
    known = [item.name for item in declared]
    prefix = f"{where}." if where else ""
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"unknown key {prefix}{unknown[0]}; known here: {', '.join(known)}")
    required = [item.name for item in declared if item.default is MISSING and item.default_factory is MISSING]
    missing = [name for name in required if name not in values and base is None]
    if missing:
        raise ValueError(f"missing key {prefix}{missing[0]}")
    hints = get_type_hints(cls)
    places = {item.name: item for item in declared}
    given = {
        name: _value(hints[name], value, f"{prefix}{name}", _default(places[name], base))
        for name, value in values.items()
    }
    try:
        return cls(**given) if base is None else replace(base, **given)  # type: ignore[type-var]
    except ValueError as error:
        raise ValueError(f"in {where}: {error}" if where else str(error)) from error


def _default(place: Field[Any], base: Any) -> Any:
    """What stands at a field where nothing is given: in `base`, or else in the class."""
    if base is not None:
        return getattr(base, place.name)
    return place.default if place.default_factory is MISSING else place.default_factory()


def _value(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    """The value as its annotation wants it; a ValueError where it is of another type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _value(inner, value, where, default)
    if origin is Literal:
        # True == 1 in Python, so the type is compared as well.
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            raise _wrong(where, "one of " + ", ".join(map(repr, arguments)), value)
        return value
    if origin is tuple:
        return _tuple(arguments, value, where)
    if is_dataclass(hint):
        return _build(hint, value, where, default if isinstance(default, hint) else None)  # type: ignore[arg-type]
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise _wrong(
            where, {str: "a string", bool: "true or false"}.get(hint, f"a number ({hint.__name__})"), value
        )
    return value


def _tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a list", value)
    if arguments[-1] is Ellipsis:
        arguments = arguments[:1] * len(value)
    if len(value) != len(arguments):
        raise _wrong(where, f"a list of {len(arguments)}", value)
    return tuple(
        _value(hint, item, f"{where}[{at}]")
        for at, (hint, item) in enumerate(zip(arguments, value, strict=True))
    )


def _wrong(where: str, expected: str, value: Any) -> ValueError:
    return ValueError(f"{where or 'the config'} must be {expected}, got {json.dumps(value, default=repr)}")
