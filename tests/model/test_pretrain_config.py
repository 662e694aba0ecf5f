"""The page shows settings that load, and every setting as the code has it."""

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from model.config_files import load_config
from model.gpt_config import PRESETS
from model.pretrain_config import PretrainConfig, SourceConfig, plan_step

PAGE = (Path(__file__).parents[2] / "docs" / "pretraining.md").read_text()


def table(config: type[Any], prefix: str = "") -> Iterator[str]:
    """Rows of the table of settings; the model has a page of its own."""
    hints = get_type_hints(config)
    for item in fields(config):
        if item.name == "model":
            continue
        if is_dataclass(hints[item.name]):
            yield from table(hints[item.name], f"{prefix}{item.name}.")
            continue
        default = "" if item.default is MISSING else f"`{json.dumps(item.default)}`"
        yield f"| `{prefix}{item.name}` | {default} | {item.metadata['description']} |"
        if item.name == "sources":
            yield from table(SourceConfig, "sources[].")


def test_the_page_lists_every_setting() -> None:
    shown = [line for line in PAGE.partition("## Settings")[2].splitlines() if line.startswith("| `")]
    assert shown == list(table(PretrainConfig))


def test_the_config_on_the_page_is_gpt3_small() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    config = load_config(PretrainConfig, json.loads(shown))
    paper = PRESETS["gpt3-small"]
    assert (config.model.n_layer, config.model.n_head, config.model.d_model) == (12, 12, 768)
    assert (config.model.context, config.model.band) == (paper.context, paper.band)
    first, full = (plan_step(config, seen, 2048, 1) for seen in (0, 10**10))
    assert (first.rows * 2048, full.rows * 2048) == (2**15, 2**19)
    assert plan_step(config, 280 * 10**9, 2048, 1).rate == pytest.approx(6e-5)
