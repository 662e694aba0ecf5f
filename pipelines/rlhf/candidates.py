"""Prompts with K answers that wait for a judge: samples of a policy, or answers made from real texts."""

import pyarrow as pa

from pipelines.rlhf.completions import kept_completions
from pipelines.rlhf.normalise import completion_ids
from pipelines.rlhf.schemas import RAW_PROMPTS
from pipelines.schemas import DatasetSchema


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


_TEXTS = pa.list_(pa.string())

CANDIDATES = DatasetSchema(
    "candidates",
    1,
    pa.schema(
        [
            *RAW_PROMPTS.schema,
            _column("prompt_id", pa.string(), "128-bit xxh3 of the prompt's normalised messages; hex"),
            _column("completions", _TEXTS, "different answers, none empty, at least two"),
            _column("completion_ids", _TEXTS, "128-bit xxh3 of prompt_id and answer; hex"),
            _column("completion_authors", _TEXTS, "who wrote each, model or human; items may be null"),
            _column("finish_reasons", _TEXTS, "why each ended, stop or length; items null where not sampled"),
            _column("round", pa.int32(), "round of sampling, null outside rounds", nullable=True),
            _column(
                "policy",
                pa.string(),
                "digest of the checkpoint that was sampled, null without",
                nullable=True,
            ),
        ]
    ),
)

_LISTS = ("completions", "completion_authors", "finish_reasons")


def candidates(rows: pa.Table) -> tuple[pa.Table, int]:
    """CANDIDATES of rows without completion_ids, and how many rows have fewer than two different answers.

    Empty answers and all but the first of equal ones (white space at the ends does not count) go; so do those
    rows. Ordered by record_id.
    """
    kept, short = [], 0
    for row in rows.to_pylist():
        places = kept_completions(row["completions"], [None] * len(row["completions"])).places
        if len(places) < 2:
            short += 1
            continue
        kept.append(row | {name: [row[name][place] for place in places] for name in _LISTS})
    names = [name for name in CANDIDATES.schema.names if name != "completion_ids"]
    table = pa.Table.from_pylist(kept, pa.schema([CANDIDATES.schema.field(name) for name in names]))
    table = table.append_column("completion_ids", _ids(table)).sort_by("record_id")
    return CANDIDATES.conform(table.select(CANDIDATES.schema.names), CANDIDATES.name), short


def _ids(table: pa.Table) -> pa.ListArray:
    lists = table["completions"].combine_chunks()
    prompts = table["prompt_id"].combine_chunks().take(lists.value_parent_indices())
    return pa.ListArray.from_arrays(lists.offsets, completion_ids(prompts, lists.flatten()))
