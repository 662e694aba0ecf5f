"""Files of instructions for tests, and what reading gives."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from pipelines.engine.runner import run_locally
from pipelines.rlhf.read_stage import RlhfReadStage, read_tasks
from pipelines.rlhf.source_config import RlhfSourceConfig


class Raw(NamedTuple):
    """Rows of the raw datasets, of the decisions of reading and of the dead letters, and the counts."""

    demonstrations: list[dict[str, Any]]
    judgements: list[dict[str, Any]]
    prompts: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    dead: list[dict[str, Any]]
    counts: dict[str, int]


def read_files(folder: Path, *sources: RlhfSourceConfig) -> Raw:
    """Read the sources' files into `folder`."""
    counts = run_locally(RlhfReadStage(), read_tasks(sources), str(folder))
    names = ("raw_demonstrations", "raw_judgements", "raw_prompts", "read_decisions", "dead_letters")
    return Raw(*(_rows(folder / name) for name in names), counts)


def read_rows_of(folder: Path, rows: list[Any], **config: Any) -> Raw:
    """Read `rows` from a JSON lines file by a source of this config."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_files(folder / "out", RlhfSourceConfig(name="test", files=[str(path)], **config))


def said(messages: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Messages as (first letter of the role, text)."""
    return [(message["role"][0], message["content"]) for message in messages]


def _rows(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    return [row for file in files for row in pq.read_table(file).to_pylist()]
