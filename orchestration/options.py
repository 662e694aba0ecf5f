"""Writes the option tables of docs/configuration.md from the config models, or checks that they are up to date.

python -m orchestration.options --write docs/configuration.md
python -m orchestration.options --check docs/configuration.md
"""

import argparse
import json
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestration import definitions
from orchestration.resources import CONFIGS, MillConfig
from orchestration.training_resource import TrainingConfig

BEGIN = "<!-- options: written by python -m orchestration.options -->"
END = "<!-- end of options -->"


def option_tables() -> str:
    """All option tables as markdown, a section for each resource and for each configurable asset."""
    made = [asset for asset in definitions.ASSETS if isinstance(asset, dg.AssetsDefinition)]
    step_of = {key: asset.node_def.name for asset in made for key in asset.keys}
    keys = definitions.defs.resolve_asset_graph().toposorted_asset_keys
    names = list(dict.fromkeys(step_of[key] for key in keys if key in step_of))
    sections = [
        _section("resources.mill.config", MillConfig),
        _section("resources.training.config", TrainingConfig),
    ]
    sections += [_section(f"ops.{name}.config", CONFIGS[name]) for name in names if name in CONFIGS]
    return "\n".join(sections)


def spliced(page: str) -> str:
    """`page` with the tables between its markers written anew; ValueError where a marker is missing."""
    if BEGIN not in page or END not in page:
        raise ValueError(f"the page lacks the lines '{BEGIN}' and '{END}' that the tables stand between")
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{option_tables()}\n{END}{rest.split(END, 1)[1]}"


def _section(title: str, model: type[BaseModel]) -> str:
    lines = [f"### `{title}`", "", (model.__doc__ or "").strip().splitlines()[0], ""]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    lines += list(_rows(model, ""))
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        kind, nested = _kind(field.annotation)
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{prefix}{name}` | {kind} | {_default(field, nested)} | {meaning} |")
        if nested is not None:
            rows += _rows(nested, f"{prefix}{name}[]." if kind.startswith("list") else f"{prefix}{name}.")
    return rows


def _kind(annotation: Any) -> tuple[str, type[BaseModel] | None]:
    """How a type is written in the table, and the nested model if it holds one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section", annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " \\| ".join(f"`{a}`" for a in arguments), None
    if origin is list:
        inner, nested = _kind(arguments[0])
        return f"list of {inner}" if nested is None else "list of sections", nested
    if origin in (Union, types.UnionType):
        inner, nested = _kind(next(a for a in arguments if a is not type(None)))
        return f"{inner} or null", nested
    return str(getattr(annotation, "__name__", annotation)), None


def _default(field: FieldInfo, nested: type[BaseModel] | None) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "`null`"
    if isinstance(value, BaseModel):
        return ""
    if nested is not None and not value:
        return "`[]`"
    return "" if nested is not None else f"`{json.dumps(value, ensure_ascii=False)}`"


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", metavar="PAGE", type=Path)
    action.add_argument("--check", metavar="PAGE", type=Path)
    arguments = parser.parse_args()
    page: Path = arguments.write or arguments.check
    found = page.read_text(encoding="utf-8")
    wanted = spliced(found)
    if arguments.write:
        page.write_text(wanted, encoding="utf-8")
    elif wanted != found:
        sys.stderr.write(f"{page}: the option tables are out of date; run 'make docs'\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
