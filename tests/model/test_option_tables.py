"""The pages of generation and evaluation list the keys that there are, with their defaults and meanings."""

import json
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from model.evaluate import EvaluateConfig, TaskConfig
from model.generate import GenerateConfig
from model.sampling import SamplingConfig
from model.source_losses import LossConfig

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def option_rows(config_class: Any) -> str:
    """A table with a row a field."""
    lines = ["| key | default | meaning |\n", "| --- | --- | --- |\n"]
    for item in fields(config_class):
        value = item.default
        if value is MISSING:
            shown = "required"
        elif is_dataclass(value):
            shown = "below"
        else:
            shown = f"`{json.dumps(value)}`"
        lines.append(f"| `{item.name}` | {shown} | {item.metadata['description']} |\n")
    return "".join(lines)


@pytest.mark.parametrize(
    ("page", "mark", "config_class"),
    [
        ("generation.md", "generate", GenerateConfig),
        ("generation.md", "sampling", SamplingConfig),
        ("evaluation.md", "evaluate", EvaluateConfig),
        ("evaluation.md", "task", TaskConfig),
        ("evaluation.md", "losses", LossConfig),
    ],
)
def test_the_table_is_the_config(page: str, mark: str, config_class: Any) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    (table,) = (part.split("<!-- end -->")[0] for part in text.split(f"<!-- {mark} -->\n")[1:])
    assert table == option_rows(config_class)
