"""What docs/deduplication.md shows runs and is true."""

import re
from pathlib import Path

import pytest
import yaml

from dedup.bands import hit_curve
from dedup.presets import GPT3_DEDUP, GPT3_MINHASH
from pipelines.build.scoring import SketchesConfig
from pipelines.build.selecting import DuplicatesConfig

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deduplication.md").read_text(encoding="utf-8")
CONFIGS = {"sketches": SketchesConfig, "duplicates": DuplicatesConfig}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def read(block: str) -> dict:
    return {
        op: CONFIGS[op].model_validate(given["config"]) for op, given in yaml.safe_load(block)["ops"].items()
    }


def test_the_python_runs_from_top_to_bottom() -> None:
    assert len(blocks("python")) == 4
    exec("\n".join(blocks("python")), {})


@pytest.mark.parametrize("block", blocks("yaml"))
def test_every_run_config_is_valid(block: str) -> None:
    assert read(block)


def test_the_order_shown_as_the_default_is_the_default() -> None:
    shown = [block for block in blocks("yaml") if "survivor_order" in block]
    assert [read(block)["duplicates"] for block in shown] == [DuplicatesConfig()]


def test_the_literal_run_config_is_the_preset() -> None:
    literal = read(PAGE.split("<!-- gpt3 -->\n```yaml\n")[1].split("```")[0])
    assert literal["sketches"].minhash == GPT3_MINHASH
    assert literal["duplicates"].dedup == GPT3_DEDUP


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (20, 5), (10, 1)])
def test_the_table_of_hits_is_the_curve(bands: int, rows: int) -> None:
    (line,) = re.findall(rf"^\| {bands} bands of {rows}\b(?: \(default\))? \|(.*)\|$", PAGE, re.MULTILINE)
    assert [cell.strip() for cell in line.split("|")] == [f"{p:.3f}" for _, p in hit_curve(bands, rows)]
