"""The pages of fine-tuning show configs that load, and every setting as the code has it."""

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from model.config_files import load_config
from model.reward_config import RewardConfig
from model.select_sft_config import SelectSFTConfig
from model.sft_config import SFTConfig

DOCS = Path(__file__).parents[2] / "docs"


def rows(config: type[Any], prefix: str = "", defaults: Any = None) -> Iterator[str]:
    """A row a setting; sampling has a page of its own."""
    hints = get_type_hints(config)
    for item in fields(config):
        default = item.default if defaults is None else getattr(defaults, item.name)
        inner = next(
            (part for part in (hints[item.name], *get_args(hints[item.name])) if is_dataclass(part)), None
        )
        if inner is None or default is None:
            shown = "" if default is MISSING else f"`{json.dumps(default)}`"
            yield f"| `{prefix}{item.name}` | {shown} | {item.metadata['description']} |"
        if inner is not None and item.name != "sampling":
            yield from rows(inner, f"{prefix}{item.name}.", None if default in (None, MISSING) else default)


def table(config: type[Any]) -> str:
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *rows(config)])


@pytest.mark.parametrize(
    ("page", "heading", "config"),
    [
        ("sft.md", "## Settings of `model.sft`", SFTConfig),
        ("sft.md", "## Settings of `model.select_sft`", SelectSFTConfig),
        ("reward-model.md", "## Settings", RewardConfig),
    ],
)
def test_the_page_lists_every_setting(page: str, heading: str, config: type[Any]) -> None:
    section = (DOCS / page).read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
    assert "\n".join(line for line in section.splitlines() if line.startswith("|")) == table(config)


def shown(page: str) -> list[dict[str, Any]]:
    text = (DOCS / page).read_text()
    return [json.loads(code) for code in re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


def test_the_configs_on_the_pages_are_the_papers() -> None:
    candidates, rl_init, select = shown("sft.md")
    sft = load_config(SFTConfig, candidates)
    assert (sft.epochs, sft.batch.rows, sft.rate.peak, sft.resid_dropout) == (16, 32, 9.65e-6, 0.2)
    assert (sft.rate.warmup_steps, sft.rate.final_fraction) == (0, 0.1)
    start = load_config(SFTConfig, rl_init)
    assert start.pretraining is not None
    assert (start.epochs, start.pretraining.share) == (2, 0.1)
    assert load_config(SelectSFTConfig, select).split == "validation"
    (reward,) = shown("reward-model.md")
    model = load_config(RewardConfig, reward)
    assert (model.epochs, model.batch.prompts, model.rate.peak, model.folds) == (1, 64, 9e-6, 5)
