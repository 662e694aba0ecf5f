"""The dataset `prompts` of PPO: from prompt lists, and from groups whose answers are given up for it.

A prompt shares no split group with `sft` or `comparisons`, unless the config lets it: a reward model that has
seen a prompt judged, or a policy that has been shown its answer, is not trained on it but tested.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.lengths import Lengths
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.schemas import PROMPTS
from text.hashing import uniform

Ints = npt.NDArray[np.int64]


class PromptConfig(BaseModel):
    """Where prompts come from and what they may share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    held_out_share: float = Field(
        default=0.0,
        description="share of the split groups whose demonstrations and judgements give their prompts alone, 0..1",
        ge=0,
        le=1,
    )
    shared_groups: bool = Field(
        default=False, description="whether a prompt may be of a split group of sft or comparisons"
    )
    seed: int = Field(default=0, description="seed of the draw of the groups that are held out")


def held_out(
    groups: pa.Array, config: PromptConfig, of_round: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Whether each row's split group gives its prompts alone.

    A group with a judgement `of_round` does not: answers to its prompts were asked for after it was held out.
    """
    drawn = uniform(groups, config.seed, "prompts held out") < config.held_out_share
    if of_round is None or not of_round.any():
        return drawn
    judged = groups.filter(pa.array(of_round)).unique()
    return drawn & ~np.asarray(pc.is_in(groups, value_set=judged))


def shared_with_answered(groups: pa.Array, answered: pa.Array, config: PromptConfig) -> Drops:
    """Prompts whose split group is among those of rows that `sft` and `comparisons` hold."""
    shared = np.asarray(pc.is_in(groups, value_set=answered.unique())) & (not config.shared_groups)
    rows = np.flatnonzero(shared)
    return Drops.of(rows, Reason.SHARED_WITH_ANSWERED, evidence=groups.take(pa.array(rows)))


def build(records: pa.Table, lengths: Lengths) -> pa.Table:
    """The dataset PROMPTS of kept records (normalise.RECORDS, split_group, split), row-aligned with lengths.

    Rows are ordered by record_id.
    """
    order = np.asarray(pc.sort_indices(records["record_id"])).astype(np.int64)
    records, lengths = records.take(pa.array(order)), lengths.take(order)
    columns = {name: records[name] for name in records.column_names if name in PROMPTS.schema.names}
    columns |= {"messages": records["prompt"], "n_tokens": pa.array(lengths.prompt.astype(np.int32))}
    return PROMPTS.conform(pa.table(columns), PROMPTS.name)
