"""The pages keep their word: Python runs on a finished data root, YAML fits the job, links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from dedup.bands import hit_curve
from dedup.presets import GPT3_DEDUP, GPT3_MINHASH
from orchestration.resources import CONFIGS
from tests.orchestration.commands import REPOSITORY
from tests.orchestration.job_of import job_of

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def blocks(language: str) -> list[tuple[str, str]]:
    """(page and number, code) of all fenced blocks in a language."""
    found = []
    for page in PAGES:
        codes = [code for kind, code in BLOCK.findall(page.read_text()) if kind == language]
        found += [(f"{page.stem}-{number}", code) for number, code in enumerate(codes)]
    return found


PYTHON, YAML = blocks("python"), blocks("yaml")


@pytest.mark.parametrize("code", [code for _, code in PYTHON], ids=[name for name, _ in PYTHON])
def test_python_runs(code: str, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(finished)
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "cache"),
        "GRISTMILL_DATA": str(finished),
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("code", [code for _, code in YAML], ids=[name for name, _ in YAML])
def test_yaml_fits_the_job(code: str) -> None:
    config = yaml.safe_load(code)
    dg.validate_run_config(job_of(config), config)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


DEDUPLICATION = (REPOSITORY / "docs" / "deduplication.md").read_text()


def given(block: str) -> dict[str, Any]:
    """The models of the ops in a run config."""
    ops = yaml.safe_load(block)["ops"]
    return {op: CONFIGS[op].model_validate(ops[op]["config"]) for op in ops}


def test_the_order_shown_as_the_default_is_the_default() -> None:
    codes = [code for kind, code in BLOCK.findall(DEDUPLICATION) if kind == "yaml"]
    shown = [given(code)["duplicates"] for code in codes if "survivor_order" in code]
    assert shown == [CONFIGS["duplicates"]()]


def test_the_literal_run_config_is_the_preset() -> None:
    literal = given(DEDUPLICATION.split("<!-- gpt3 -->\n```yaml\n")[1].split("```")[0])
    assert (literal["sketches"].minhash, literal["duplicates"].dedup) == (GPT3_MINHASH, GPT3_DEDUP)


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (20, 5), (10, 1)])
def test_the_table_of_hits_is_the_curve(bands: int, rows: int) -> None:
    row = rf"^\| {bands} bands of {rows}\b(?: \(default\))? \|(.*)\|$"
    (line,) = re.findall(row, DEDUPLICATION, re.MULTILINE)
    assert [cell.strip() for cell in line.split("|")] == [f"{p:.3f}" for _, p in hit_curve(bands, rows)]
