"""Candidates, and annotations as Label Studio's documented export has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipelines.rlhf.candidates import CANDIDATES, candidates
from pipelines.rlhf.records import prompt_id, record_id
from tests.pipelines.rlhf.rule_tables import turns


def candidate(row: Any, asked: str, completions: Sequence[str], **facts: Any) -> dict[str, Any]:
    origin = f"samples#{row}"
    messages = turns(asked)
    return {
        **dict.fromkeys(CANDIDATES.schema.names),
        "record_id": record_id("samples", origin),
        "source": "samples",
        "origin": origin,
        "messages": messages,
        "prompt_id": prompt_id(messages),
        "completions": list(completions),
        "completion_authors": ["model"] * len(completions),
        "finish_reasons": ["stop"] * len(completions),
        **facts,
    }


def candidate_table(*rows: dict[str, Any]) -> pa.Table:
    names = [name for name in CANDIDATES.schema.names if name != "completion_ids"]
    raw = pa.Table.from_pylist(list(rows), pa.schema([CANDIDATES.schema.field(name) for name in names]))
    return candidates(raw)[0]


def ranking(buckets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    value = {"ranker": {name: list(ids) for name, ids in buckets.items()}}
    return {"id": "r1", "from_name": "rank", "to_name": "completions", "type": "ranker", "value": value}


def rating(place: int, stars: Any) -> dict[str, Any]:
    name = f"likert_{place}"
    return {
        "id": f"l{place}", "from_name": name, "to_name": f"completion_{place}", "type": "rating",
        "value": {"rating": stars},
    }  # fmt: skip


def flags(place: int, *wordings: str) -> dict[str, Any]:
    return {
        "id": f"f{place}", "from_name": f"flags_{place}", "to_name": f"completion_{place}", "type": "choices",
        "value": {"choices": list(wordings)},
    }  # fmt: skip


def own_answer(*texts: str) -> dict[str, Any]:
    return {
        "id": "d1", "from_name": "demonstration", "to_name": "prompt", "type": "textarea",
        "value": {"text": list(texts)},
    }  # fmt: skip


def annotation(number: Any, *results: dict[str, Any], by: Any = 7, **rest: Any) -> dict[str, Any]:
    return {
        "id": number,
        "completed_by": by,
        "result": list(results),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2025-03-09T22:16:08.728353Z",
        "updated_at": "2025-03-09T22:16:08.728378Z",
        "lead_time": 4.25,
        **rest,
    }


def exported(number: int, task: Mapping[str, Any], *annotations: dict[str, Any]) -> dict[str, Any]:
    """A task of `projects(...)` as it comes back."""
    return {
        "id": number,
        "data": task["data"],
        "annotations": list(annotations),
        "predictions": [],
        "created_at": "2025-03-09T21:52:49.513742Z",
        "updated_at": "2025-03-09T22:16:08.746926Z",
        "project": 83,
    }
