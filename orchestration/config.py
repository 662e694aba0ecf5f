"""Turns the config models that stand beside the code into Dagster's schema: one source for code, UI, YAML, docs.

The models are pydantic and do not know Dagster. `dagster_schema` builds a Dagster config schema of the same keys,
types, defaults and descriptions; `core` turns what a run gives back into the model, whose own ranges then hold.
"""

import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

M = TypeVar("M", bound=BaseModel)

_SCALARS: dict[type, Any] = {int: dg.Int, float: dg.Float, bool: dg.Bool, str: dg.String}


class ConfigError(ValueError):
    """A value in the run config is out of range; the message names its key."""


def dagster_schema(model: type[BaseModel]) -> dict[str, dg.Field]:
    """Dagster's schema for `model`, field for field; unknown keys become errors before a run starts."""
    return {name: _field(model, name, field) for name, field in model.model_fields.items()}


def core(model: type[M], values: dict[str, Any], key: str) -> M:
    """The model that holds `values`; ConfigError names the key below `key` whose value cannot be."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        told = error.errors()[0]
        path = ".".join([key, *(str(part) for part in told["loc"])])
        raise ConfigError(f"{path}: {told['msg']} (found {told.get('input')!r})") from None


def _field(model: type[BaseModel], name: str, field: FieldInfo) -> dg.Field:
    kind = _kind(field.annotation, f"{model.__name__}.{name}")
    description = field.description or ""
    if field.is_required():
        return dg.Field(kind, description=description)
    return dg.Field(
        kind,
        description=description,
        is_required=False,
        default_value=_plain(field.get_default(call_default_factory=True)),
    )


def _kind(annotation: Any, where: str) -> Any:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return dg.Shape(dagster_schema(annotation))  # type: ignore[no-untyped-call]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        name = "_".join(str(a) for a in arguments).replace(".", "_").replace("-", "_")
        return dg.Enum(f"one_of_{name}", [dg.EnumValue(str(a), a) for a in arguments])
    if origin is list:
        return dg.Array(_kind(arguments[0], where))
    if origin is dict:
        return dg.Map(str, _kind(arguments[1], where))  # type: ignore[no-untyped-call]
    if origin in (Union, types.UnionType) and type(None) in arguments:
        return dg.Noneable(_kind(next(a for a in arguments if a is not type(None)), where))
    raise TypeError(f"{where}: a config field of type {annotation} has no counterpart in a run config")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {k: _plain(v) for k, v in value}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value
