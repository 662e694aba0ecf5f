"""Records that must not be in two splits: connected components over what they share.

Two records are linked by one user, one conversation, one prompt, one prefix group, or near-duplicate prompts,
whatever rule drops them later: the split of a record never hangs on a threshold that another record met. A
group is named after its smallest record_id; judgements of rounds come later than the prompts that they are of, and
name none, so that a group stays in its split when they are taken in.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from dedup.components import components
from pipelines.rlhf.duplicates import codes
from pipelines.rlhf.near_duplicates import Links

Ints = npt.NDArray[np.int64]


class GroupConfig(BaseModel):
    """What links two records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users_across_sources: bool = Field(
        default=False,
        description="whether equal user ids of two sources are one user; off: a source's ids are its own",
    )


def split_groups(
    records: pa.Table,
    prefix_keys: npt.NDArray[np.uint64],
    near: Links,
    config: GroupConfig,
    of_round: npt.NDArray[np.bool_] | None = None,
) -> pa.StringArray:
    """The group of each row of `records` (normalise.RECORDS), named by its smallest record_id.

    `prefix_keys` are row-aligned, 0 where a prompt is like no other; `near` links rows; rows `of_round` name a group
    only where it has no others.
    """
    n = records.num_rows
    users = records["user_id"]
    if config.users_across_sources:
        users = pc.replace_substring_regex(users, pattern="^[^:]*:", replacement="")
    chains = [_chain(codes(column)) for column in (users, records["root_id"], records["prompt_id"])]
    prefix = np.where(prefix_keys == 0, np.int64(-1), np.unique(prefix_keys, return_inverse=True)[1])
    chains += [_chain(prefix), (near.left, near.right)]
    component = components(
        np.concatenate([left for left, _ in chains]), np.concatenate([right for _, right in chains]), n
    )
    return _named(component, records["record_id"], np.zeros(n, np.bool_) if of_round is None else of_round)


def group_figures(groups: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """How many groups there are, and how many records the largest has: one that holds most cannot be split."""
    counts = pc.value_counts(groups)
    largest = pc.max(counts.field("counts")).as_py() if len(counts) else 0
    return {"groups": len(counts), "largest_group": int(largest), "records": len(groups)}


def _chain(codes: Ints) -> tuple[Ints, Ints]:
    """Edges that join all rows of one code, one fewer than rows; none for -1."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    same = codes[order][1:] == codes[order][:-1]
    return order[:-1][same], order[1:][same]


def _named(component: Ints, record_ids: pa.ChunkedArray, last: npt.NDArray[np.bool_]) -> pa.StringArray:
    ids = record_ids.combine_chunks()
    by_id = np.asarray(pc.array_sort_indices(ids)).astype(np.int64)
    by_id = by_id[np.argsort(last[by_id], kind="stable")]
    _, first, inverse = np.unique(component[by_id], return_index=True, return_inverse=True)
    smallest = np.empty(len(component), np.int64)
    smallest[by_id] = by_id[first[inverse]]
    return ids.take(pa.array(smallest))
