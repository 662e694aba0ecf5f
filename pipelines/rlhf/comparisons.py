"""Judgements as `comparisons`, one row each as it was made, and the `pairs` that follow from single judgements.

Nothing is concluded: a pairwise verdict stays K = 2, a star of pairs stays a star, an answer without a rank is in no
pair, and a tie gives none.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.lengths import Lengths
from pipelines.rlhf.normalise import completion_ids
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.schemas import COMPARISONS, MESSAGES, PAIRS
from pipelines.rlhf.votes import count_votes, majority_cycles

Ints = npt.NDArray[np.int64]

MAJORITY = 0.5


class ComparisonConfig(BaseModel):
    """What is made of judgements that contradict each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on_conflict: Literal["weight", "drop", "keep"] = Field(
        default="weight",
        description="weight: a judgement weighs the mean share of votes that agree with it; drop: judgements "
        "that no majority shares go; keep: all weigh 1",
    )


class Comparisons(NamedTuple):
    """Tables COMPARISONS and PAIRS, and the majority cycles (votes.CYCLES) among them."""

    comparisons: pa.Table
    pairs: pa.Table
    cycles: pa.Table


def identified(judgements: pa.Table) -> pa.Table:
    """Raw judgements with prompt_id, and with the column completion_ids (lists of ids) added."""
    lists = judgements["completions"].combine_chunks()
    sizes = np.asarray(pc.list_value_length(lists)).astype(np.int64)
    owner = pa.array(np.repeat(np.arange(len(lists)), sizes))
    ids = completion_ids(judgements["prompt_id"].combine_chunks().take(owner), lists.flatten())
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    return judgements.append_column("completion_ids", pa.ListArray.from_arrays(offsets, ids))


def contradicted(judgements: pa.Table, config: ComparisonConfig) -> Drops:
    """Under on_conflict "drop", judgements (`identified`) that at most half of the votes on their pairs share."""
    if config.on_conflict != "drop":
        return Drops.of(np.empty(0, np.int64), Reason.CONTRADICTED)
    agreement = count_votes(judgements).agreement
    rows = np.flatnonzero(agreement <= MAJORITY)
    prompts = judgements["prompt_id"].combine_chunks().take(pa.array(rows))
    return Drops.of(rows, Reason.CONTRADICTED, agreement[rows], MAJORITY, prompts)


def build(judgements: pa.Table, lengths: Lengths, config: ComparisonConfig) -> Comparisons:
    """The datasets of kept judgements: `identified` rows with split_group and split, and row-aligned lengths.

    Rows are ordered by judgement_id.
    """
    order = np.asarray(pc.sort_indices(judgements["record_id"])).astype(np.int64)
    judgements, lengths = judgements.take(pa.array(order)), lengths.take(order)
    votes = count_votes(judgements)
    weighted = config.on_conflict == "weight"
    weight = votes.agreement if weighted else np.ones(judgements.num_rows)
    tokens = pa.ListArray.from_arrays(
        pa.array(lengths.offsets.astype(np.int32)), pa.array(lengths.answers.astype(np.int32))
    )
    columns = {name: judgements[name] for name in judgements.column_names if name in COMPARISONS.schema.names}
    columns |= {
        "judgement_id": judgements["record_id"],
        "prompt": judgements["messages"],
        "weight": pa.array(weight.astype(np.float32)),
        "n_prompt_tokens": pa.array(lengths.prompt.astype(np.int32)),
        "n_completion_tokens": tokens,
    }
    comparisons = COMPARISONS.conform(pa.table(columns), COMPARISONS.name)
    share = votes.pairs.share if weighted else np.ones(len(votes.pairs.share))
    pairs = _pairs(
        comparisons, votes.pairs.judgement, votes.pairs.left, votes.pairs.right, votes.pairs.steps, share
    )
    return Comparisons(comparisons, pairs, majority_cycles(judgements, votes.pairs))


def _pairs(
    comparisons: pa.Table,
    judgement: Ints,
    left: Ints,
    right: Ints,
    steps: Ints,
    share: npt.NDArray[np.float64],
) -> pa.Table:
    """PAIRS of the judged pairs that are no ties: by judgement, then by place of the answers."""
    decided = steps != 0
    judgement, left, right, steps = judgement[decided], left[decided], right[decided], steps[decided]
    chosen = np.where(steps > 0, left, right)
    rejected = np.where(steps > 0, right, left)
    answers = comparisons["completions"].combine_chunks().flatten()
    ids = comparisons["completion_ids"].combine_chunks().flatten()
    rows = pa.array(judgement)
    table = pa.table(
        {
            "judgement_id": comparisons["judgement_id"].take(rows),
            "prompt_id": comparisons["prompt_id"].take(rows),
            "prompt": comparisons["prompt"].take(rows),
            "chosen": answer_messages(answers.take(pa.array(chosen))),
            "rejected": answer_messages(answers.take(pa.array(rejected))),
            "chosen_id": ids.take(pa.array(chosen)),
            "rejected_id": ids.take(pa.array(rejected)),
            "margin": pa.array(np.abs(steps).astype(np.float32)),
            "weight": pa.array(share[decided].astype(np.float32)),
            "split": comparisons["split"].take(rows),
        }
    )
    return PAIRS.conform(table, PAIRS.name)


def answer_messages(answers: pa.Array) -> pa.Array:
    """Each answer as one turn of the assistant, a column of MESSAGES."""
    n = len(answers)
    roles = pa.array(["assistant"], pa.string()).take(pa.array(np.zeros(n, np.int64)))
    turns = pa.StructArray.from_arrays([roles, answers.cast(pa.string())], fields=list(MESSAGES.value_type))
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32)), turns).cast(MESSAGES)
