"""The datasets in the layout of InstructGPT's Tables 1, 6, 8 and 9, beside what the paper has.

A prompt counts once in a dataset and split however many rows it has. A figure that the sources do not give, such as
prompts a user where nobody is named, is null: `shown` says "not available".
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf import paper_tables
from pipelines.rlhf.quotas import PAPER_MIX
from pipelines.rlhf.rank_table import rank_table
from pipelines.rlhf.splits import SPLITS, TRAIN
from pipelines.rlhf.user_limit import GIVEN
from pipelines.schemas import DatasetSchema

NOT_AVAILABLE = "not available"
DATASETS = ("sft", "comparisons", "prompts")
UNKNOWN = "unknown"


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


_KEY = [
    _column("dataset", pa.string(), "sft, comparisons or prompts"),
    _column("split", pa.string(), "train, validation or test"),
]

USE_CASES = DatasetSchema(
    "rlhf_use_cases",
    1,
    pa.schema(
        [
            *_KEY,
            _column("use_case", pa.string(), "category, unknown where a prompt has none"),
            _column("prompts", pa.int64(), "different prompts"),
            _column("share", pa.float64(), "their share of the split's prompts, 0..1"),
            _column("paper_share", pa.float64(), "Table 1 (RM prompts of the API), 0..1", True),
        ]
    ),
)

SIZES = DatasetSchema(
    "rlhf_sizes",
    1,
    pa.schema(
        [
            *_KEY,
            _column("rows", pa.int64(), "rows of the dataset"),
            _column("prompts", pa.int64(), "different prompts"),
            _column("given_users", pa.int64(), "of these, prompts of a user whom the source names"),
            _column("derived_users", pa.int64(), "prompts of a user who was derived"),
            _column("no_user", pa.int64(), "prompts of nobody known"),
            _column("paper_labeler", pa.int64(), "Table 6, prompts by labelers", True),
            _column("paper_customer", pa.int64(), "Table 6, prompts by customers", True),
            _column("paper_total", pa.int64(), "Table 6, both", True),
        ]
    ),
)

PER_USER = DatasetSchema(
    "rlhf_prompts_per_user",
    1,
    pa.schema(
        [
            *_KEY,
            _column("users", pa.int64(), "users whom sources name"),
            _column(
                "prompts_per_user", pa.float64(), "their different prompts a user; null without users", True
            ),
            _column("most_prompts", pa.int64(), "prompts of the user with the most", True),
            _column("paper_prompts_per_user", pa.float64(), "Table 8, prompts a customer", True),
        ]
    ),
)

LENGTHS = DatasetSchema(
    "rlhf_prompt_lengths",
    1,
    pa.schema(
        [
            *_KEY,
            _column("prompts", pa.int64(), "different prompts"),
            _column("mean", pa.float64(), "tokens of a prompt", True),
            _column("std", pa.float64(), "standard deviation of the population", True),
            _column("min", pa.float64(), "least tokens", True),
            _column("p25", pa.float64(), "quartile, between two prompts by linear interpolation", True),
            _column("p50", pa.float64(), "median", True),
            _column("p75", pa.float64(), "quartile", True),
            _column("max", pa.float64(), "most tokens", True),
            _column("paper_mean", pa.float64(), "Table 9", True),
            _column("paper_max", pa.float64(), "Table 9", True),
        ]
    ),
)


class Statistics(NamedTuple):
    """Tables 1, 6, 8 and 9 (USE_CASES, SIZES, PER_USER, LENGTHS) and rank_table.RANK_TABLE."""

    use_cases: pa.Table
    sizes: pa.Table
    per_user: pa.Table
    lengths: pa.Table
    ranks: pa.Table


def statistics(sft: pa.Table, comparisons: pa.Table, prompts: pa.Table) -> Statistics:
    """All tables of the three datasets (SFT, COMPARISONS, PROMPTS); each has rows for all splits, also empty ones."""
    tables = dict(zip(DATASETS, (sft, comparisons, prompts), strict=True))
    use_cases, sizes, per_user, lengths = [], [], [], []
    for dataset, table in tables.items():
        for split in SPLITS:
            rows = table.filter(pc.equal(table["split"], split))
            key = {"dataset": dataset, "split": split}
            asked = _prompts(rows)
            use_cases += [key | line for line in _use_cases(asked, split)]
            sizes.append(key | _sizes(rows.num_rows, asked, (dataset, split)))
            per_user.append(key | _per_user(rows, (dataset, split)))
            lengths.append(key | _lengths(asked, (dataset, split)))
    return Statistics(
        pa.Table.from_pylist(use_cases, schema=USE_CASES.schema),
        pa.Table.from_pylist(sizes, schema=SIZES.schema),
        pa.Table.from_pylist(per_user, schema=PER_USER.schema),
        pa.Table.from_pylist(lengths, schema=LENGTHS.schema),
        rank_table(comparisons),
    )


def shown(table: pa.Table) -> list[list[Any]]:
    """Header and rows for people: nulls are "not available"."""
    lines = [list(row.values()) for row in table.to_pylist()]
    return [
        list(table.column_names),
        *[[NOT_AVAILABLE if value is None else value for value in line] for line in lines],
    ]


def _prompts(rows: pa.Table) -> pa.Table:
    """One row a prompt: use_case (the least given one), user (given over derived over none), tokens."""
    tokens = rows["n_prompt_tokens" if "n_prompt_tokens" in rows.column_names else "n_tokens"]
    named = pc.fill_null(pc.and_(pc.is_valid(rows["user_id"]), pc.equal(rows["user_id_kind"], GIVEN)), False)
    standing = pc.if_else(named, 2, pc.if_else(pc.is_valid(rows["user_id"]), 1, 0))
    table = pa.table(
        {"prompt_id": rows["prompt_id"], "use_case": rows["use_case"], "user": standing, "tokens": tokens}
    )
    grouped = table.group_by("prompt_id").aggregate([("use_case", "min"), ("user", "max"), ("tokens", "min")])
    return grouped.rename_columns({"use_case_min": "use_case", "user_max": "user", "tokens_min": "tokens"})


def _use_cases(asked: pa.Table, split: str) -> list[dict[str, Any]]:
    """Every use case of the paper, then others that there are, then the unknown; the paper's share beside train's."""
    counts = dict(
        zip(*(part.to_pylist() for part in pc.value_counts(asked["use_case"]).flatten()), strict=True)
    )
    unknown = counts.pop(None, 0)
    names = [*PAPER_MIX, *sorted(set(counts) - set(PAPER_MIX))]
    total = asked.num_rows
    lines = [(name, counts.get(name, 0)) for name in names] + [(UNKNOWN, unknown)]
    return [
        {
            "use_case": name,
            "prompts": n,
            "share": n / total if total else 0.0,
            "paper_share": PAPER_MIX[name] / 100 if name in PAPER_MIX and split == TRAIN else None,
        }
        for name, n in lines
    ]


def _sizes(rows: int, asked: pa.Table, key: paper_tables.Key) -> dict[str, Any]:
    standing = np.bincount(np.asarray(asked["user"]).astype(np.int64), minlength=3).tolist()
    paper = paper_tables.SIZES.get(key)
    return {
        "rows": rows,
        "prompts": asked.num_rows,
        "given_users": standing[2],
        "derived_users": standing[1],
        "no_user": standing[0],
        "paper_labeler": paper.labeler if paper else None,
        "paper_customer": paper.customer if paper else None,
        "paper_total": (paper.labeler or 0) + paper.customer if paper else None,
    }


def _per_user(rows: pa.Table, key: paper_tables.Key) -> dict[str, Any]:
    given = rows.filter(pc.fill_null(pc.equal(rows["user_id_kind"], GIVEN), False))
    given = given.filter(pc.is_valid(given["user_id"]))
    counts = given.group_by("user_id").aggregate([("prompt_id", "count_distinct")])
    each = np.asarray(counts["prompt_id_count_distinct"])
    return {
        "users": len(each),
        "prompts_per_user": float(each.mean()) if len(each) else None,
        "most_prompts": int(each.max()) if len(each) else None,
        "paper_prompts_per_user": paper_tables.PROMPTS_PER_CUSTOMER.get(key),
    }


def _lengths(asked: pa.Table, key: paper_tables.Key) -> dict[str, Any]:
    tokens = np.asarray(asked["tokens"]).astype(np.float64)
    paper_mean, paper_max = paper_tables.PROMPT_TOKENS.get(key, (None, None))
    found: dict[str, Any] = {"prompts": len(tokens), "paper_mean": paper_mean, "paper_max": paper_max}
    if len(tokens):
        found |= {"mean": float(tokens.mean()), "std": float(tokens.std())}
        places = {"min": 0, "p25": 25, "p50": 50, "p75": 75, "max": 100}
        values = np.percentile(tokens, list(places.values()))
        found |= dict(zip(places, values.tolist(), strict=True))
    return found
