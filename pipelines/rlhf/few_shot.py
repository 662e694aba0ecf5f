"""Which worked examples each prompt gets: of its use case and language, short, and never of its own split group."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.rlhf.duplicates import codes
from text.hashing import uniform

Ints = npt.NDArray[np.int64]


def examples_of(rows: pa.Table, parents: Ints, pool: Ints, k: int, seed: int) -> dict[int, list[int]]:
    """For each of `parents` (rows of a table of SFT) `k` of `pool`; none for one that has no such k.

    Examples have the parent's use case and language, and all groups of one prompt differ. Those of a stratum
    stand in a circle drawn by record_id; a parent takes the next ones from a place that is drawn for it.
    """
    stratum = codes(rows["use_case"]) * (rows.num_rows + 1) + codes(rows["language"])
    group = codes(rows["split_group"])
    ids = rows["record_id"].combine_chunks()
    turn, start = uniform(ids, seed, "example's place"), uniform(ids, seed, "first example")
    by_id = np.empty(rows.num_rows, np.int64)
    by_id[np.argsort(np.asarray(ids.to_numpy(zero_copy_only=False)), kind="stable")] = np.arange(
        rows.num_rows
    )
    order = pool[np.lexsort([by_id[pool], turn[pool], stratum[pool]])]
    circles = {int(key): order[stratum[order] == key] for key in np.unique(stratum[order])}
    found: dict[int, list[int]] = {}
    for parent in parents.tolist():
        circle = circles.get(int(stratum[parent]), np.empty(0, np.int64))
        taken = _take(circle, int(start[parent] * len(circle)), k, group, int(group[parent]))
        if len(taken) == k:
            found[parent] = taken
    return found


def _take(circle: Ints, first: int, k: int, group: Ints, own: int) -> list[int]:
    """The next `k` of the circle from `first` on whose groups are neither `own` nor each other's."""
    taken: list[int] = []
    groups = {own}
    for step in range(len(circle)):
        row = int(circle[(first + step) % len(circle)])
        if group[row] not in groups:
            taken.append(row)
            groups.add(int(group[row]))
            if len(taken) == k:
                break
    return taken
