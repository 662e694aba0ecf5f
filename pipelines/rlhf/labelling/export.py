"""Candidates to Label Studio tasks: shuffled answers under opaque ids, one project's files for each K."""

import json
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.engine import storage
from pipelines.rlhf.labelling.interface import (
    COMPLETIONS,
    PROMPT,
    InterfaceConfig,
    labelling_config,
    text_of,
    title_of,
)
from pipelines.rlhf.labelling.tables import LABEL_TASKS
from text.hashing import uniform

TASK_KEY = "task_key"


class ExportConfig(BaseModel):
    """How tasks are shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interface: InterfaceConfig = Field(default=InterfaceConfig(), description="what is asked")
    seed: int = Field(default=0, description="seed of the order in which a task's answers are shown")


class Project(NamedTuple):
    """What a Label Studio project is set up with: tasks of `k` answers, and the interface's XML."""

    k: int
    config: str
    tasks: list[dict[str, Any]]


def label_tasks(candidates: pa.Table, config: ExportConfig) -> pa.Table:
    """LABEL_TASKS of CANDIDATES: each task's answers in an order of its own, drawn by task, answer and seed."""
    lists = candidates["completion_ids"].combine_chunks()
    owner = lists.value_parent_indices()
    keys = candidates["record_id"].combine_chunks().take(owner)
    draws = uniform(pc.binary_join_element_wise(keys, lists.flatten(), "\x1f"), config.seed, "order shown")
    rows = np.asarray(owner)
    order = np.lexsort([draws, rows])
    starts = np.asarray(lists.offsets).astype(np.int64) - lists.offsets[0].as_py()
    places = (order - starts[rows[order]]).astype(np.int32)
    shown = pa.ListArray.from_arrays(pa.array(starts.astype(np.int32)), pa.array(places))
    return LABEL_TASKS.conform(candidates.append_column("shown", shown), LABEL_TASKS.name)


def projects(tasks: pa.Table, config: ExportConfig) -> list[Project]:
    """The projects of LABEL_TASKS, by K; neither an answer's author nor its policy is told."""
    by_k: dict[int, list[dict[str, Any]]] = {}
    columns = ["record_id", "round", "messages", "completions", "completion_ids", "shown"]
    for row in tasks.select(columns).to_pylist():
        by_k.setdefault(len(row["completions"]), []).append({"data": _data(row)})
    return [Project(k, labelling_config(k, config.interface), by_k[k]) for k in sorted(by_k)]


def write_projects(tasks: pa.Table, config: ExportConfig, folder: str) -> dict[str, int]:
    """Write <folder>/k<K>/config.xml and tasks.json, ready to be imported; tasks by file."""
    written = {}
    for project in projects(tasks, config):
        place = storage.join(folder, f"k{project.k}")
        storage.write_bytes(storage.join(place, "config.xml"), project.config.encode())
        path = storage.join(place, "tasks.json")
        storage.write_bytes(path, json.dumps(project.tasks, ensure_ascii=False, indent=1).encode())
        written[path] = len(project.tasks)
    return written


def _data(row: dict[str, Any]) -> dict[str, Any]:
    shown = [(row["completion_ids"][place], row["completions"][place]) for place in row["shown"]]
    return {
        TASK_KEY: row["record_id"],
        "round": row["round"],
        PROMPT: row["messages"],
        COMPLETIONS: [
            {"id": name, "title": title_of(place), "body": text} for place, (name, text) in enumerate(shown)
        ],
        **{text_of(place): text for place, (_, text) in enumerate(shown)},
    }
