"""What kinds of judgements the comparisons are: rows by K, by judge, by complete or partial order."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.votes import count_votes
from pipelines.schemas import DatasetSchema


def _column(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, False, {"meaning": meaning})


RANK_TABLE = DatasetSchema(
    "rank_table",
    1,
    pa.schema(
        [
            _column("k", pa.int64(), "answers of the judgement"),
            _column("judge_kind", pa.string(), "human or model"),
            _column("order", pa.string(), "complete: every answer is ranked; partial: not every one"),
            _column("judgements", pa.int64(), "rows of comparisons"),
            _column("prompts", pa.int64(), "different prompts among them"),
            _column("with_ties", pa.int64(), "judgements in which two different answers tie"),
            _column("pairs", pa.int64(), "pairs of different ranks, of which the loss is made"),
        ]
    ),
)


def rank_table(comparisons: pa.Table) -> pa.Table:
    """RANK_TABLE of the dataset `comparisons`, ordered by its first three columns."""
    n = comparisons.num_rows
    pairs = count_votes(comparisons).pairs
    tied = np.bincount(pairs.judgement[pairs.steps == 0], minlength=n) > 0
    decided = np.bincount(pairs.judgement[pairs.steps != 0], minlength=n)
    table = pa.table(
        {
            "k": pc.list_value_length(comparisons["completions"]).cast(pa.int64()),
            "judge_kind": comparisons["judge_kind"],
            "order": pc.if_else(comparisons["partial"], "partial", "complete"),
            "prompt_id": comparisons["prompt_id"],
            "tied": pa.array(tied.astype(np.int64)),
            "pairs": pa.array(decided.astype(np.int64)),
        }
    )
    keys = ["k", "judge_kind", "order"]
    counted = table.group_by(keys).aggregate(
        [("prompt_id", "count"), ("prompt_id", "count_distinct"), ("tied", "sum"), ("pairs", "sum")]
    )
    counted = counted.rename_columns(
        {
            "prompt_id_count": "judgements",
            "prompt_id_count_distinct": "prompts",
            "tied_sum": "with_ties",
            "pairs_sum": "pairs",
        }
    )
    return RANK_TABLE.conform(counted.sort_by([(key, "ascending") for key in keys]), RANK_TABLE.name)
