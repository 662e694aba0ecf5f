"""One document after the other, oldest first: it stays unless it is similar to one that stayed before.

A document is compared with the survivors in its buckets, at most `bucket_limit` of each, and goes in favour
of the first of them by policy whose similarity reaches the threshold; then its survivor takes its place in
the buckets. What becomes of a document depends on those before it alone. So the documents may come in any
number of batches, as long as no batch holds one that is older than those before it: the survivors are the
same, with LSH's misses and the limits of buckets in the same places.

Similarities within three standard errors of the threshold are measured on shingle sets (dedup.verify). Such
pairs are not known beforehand: each pass assumes what the estimate says, asks for what it assumed, and the
last pass has assumed nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.index import ranges
from dedup.verify import equal_share, margin
from text.jit import kernel

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Measure = Callable[[Int64s, Int64s], Float64s]


class Crowd(NamedTuple):
    """Documents of shared buckets, the one that stays first: rows 0 to n_indexed - 1 have stayed before.

    signatures: uint32[n, num_perm]. exact_codes: int64[n], equal for equal exact hashes. bucket, row: in any
    order, int64[e] each: the document `row` stands in `bucket` (0, 1, ... without gaps).
    """

    signatures: npt.NDArray[np.uint32]
    exact_codes: Int64s
    bucket: Int64s
    row: Int64s
    n_indexed: int


class Settled(NamedTuple):
    """For each row of a Crowd its survivor (its own row if it stays) and the similarity to it.

    added_bucket, added_row: survivors that the batch adds to buckets. measured: pairs of exact similarity.
    """

    survivor: Int64s
    jaccard: Float64s
    added_bucket: Int64s
    added_row: Int64s
    measured: int


def settle(crowd: Crowd, threshold: float, bucket_limit: int, measure: Measure) -> Settled:
    """Who stays; `measure(left, right)` gives exact similarities of pairs of rows, left before right."""
    n = len(crowd.signatures)
    signatures = np.ascontiguousarray(crowd.signatures)
    order = np.lexsort((crowd.bucket, crowd.row))
    buckets = crowd.bucket[order]
    offsets = np.searchsorted(crowd.row[order], np.arange(n + 1)).astype(np.int64)
    room = np.minimum(np.bincount(crowd.bucket), bucket_limit) if len(buckets) else np.empty(0, np.int64)
    slot_offsets = np.r_[0, np.cumsum(room)].astype(np.int64)
    known = _Known.none()
    while True:
        slots, fill, before, survivor, jaccard, asked = _settle(
            signatures,
            crowd.exact_codes,
            offsets,
            buckets,
            slot_offsets,
            crowd.n_indexed,
            threshold,
            margin(threshold, signatures.shape[1]),
            *known.by_row(n),
        )
        if not len(asked):
            added = ranges(slot_offsets[:-1] + before, fill - before)
            break
        known = known.more(asked, measure(asked[:, 0].copy(), asked[:, 1].copy()))
    bucket_of = np.repeat(np.arange(len(room)), room)
    return Settled(survivor, jaccard, bucket_of[added], slots[added], len(known.jaccard))


class _Known(NamedTuple):
    pairs: Int64s
    jaccard: Float64s

    @classmethod
    def none(cls) -> "_Known":
        return cls(np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.float64))

    def more(self, pairs: Int64s, jaccard: Float64s) -> "_Known":
        return _Known(np.concatenate([self.pairs, pairs]), np.concatenate([self.jaccard, jaccard]))

    def by_row(self, n: int) -> tuple[Int64s, Int64s, Float64s]:
        """Measured pairs of the later row i, from `offsets[i]` on: the earlier row and the similarity."""
        order = np.lexsort((self.pairs[:, 0], self.pairs[:, 1]))
        offsets = np.searchsorted(self.pairs[order, 1], np.arange(n + 1)).astype(np.int64)
        return offsets, self.pairs[order, 0].copy(), self.jaccard[order]


@kernel
def _settle(
    signatures: npt.NDArray[np.uint32],
    exact_codes: Int64s,
    offsets: Int64s,
    buckets: Int64s,
    slot_offsets: Int64s,
    n_indexed: int,
    threshold: float,
    doubt: float,
    known_offsets: Int64s,
    known_to: Int64s,
    known_jaccard: Float64s,
) -> tuple[Int64s, Int64s, Int64s, Int64s, Float64s, Int64s]:
    n = signatures.shape[0]
    slots = np.empty(slot_offsets[-1], dtype=np.int64)
    fill = np.zeros(slot_offsets.shape[0] - 1, dtype=np.int64)
    before = fill.copy()
    survivor = np.arange(n)
    jaccard = np.ones(n, dtype=np.float64)
    seen = np.full(n, -1, dtype=np.int64)
    met = np.empty(n, dtype=np.int64)
    asked = np.empty((64, 2), dtype=np.int64)
    n_asked = 0
    for row in range(n):
        if row == n_indexed:
            before = fill.copy()
        n_met = 0
        for i in range(offsets[row], offsets[row + 1]):
            first = slot_offsets[buckets[i]]
            for other in slots[first : first + fill[buckets[i]]]:
                if row >= n_indexed and seen[other] != row:
                    seen[other] = row
                    met[n_met] = other
                    n_met += 1
        for other in np.sort(met[:n_met]):
            share, settled = _similarity(
                signatures, exact_codes, other, row, threshold, doubt, known_offsets, known_to, known_jaccard
            )
            if not settled:
                if n_asked == asked.shape[0]:
                    asked = np.concatenate((asked, np.empty_like(asked)))
                asked[n_asked, 0], asked[n_asked, 1] = other, row
                n_asked += 1
            if share >= threshold:
                survivor[row] = other
                jaccard[row] = share
                break
        for i in range(offsets[row], offsets[row + 1]):
            _place(slots, slot_offsets, fill, buckets[i], survivor[row])
    if n == n_indexed:
        before = fill.copy()
    return slots, fill, before, survivor, jaccard, asked[:n_asked].copy()


@kernel
def _similarity(
    signatures: npt.NDArray[np.uint32],
    exact_codes: Int64s,
    other: int,
    row: int,
    threshold: float,
    doubt: float,
    known_offsets: Int64s,
    known_to: Int64s,
    known_jaccard: Float64s,
) -> tuple[float, bool]:
    """The similarity and whether it is more than an estimate in doubt."""
    if exact_codes[other] == exact_codes[row]:
        return 1.0, True
    share = equal_share(signatures[other], signatures[row])
    if abs(share - threshold) > doubt:
        return share, True
    low, high = known_offsets[row], known_offsets[row + 1]
    at = low + np.searchsorted(known_to[low:high], other)
    if at < high and known_to[at] == other:
        return known_jaccard[at], True
    return share, False


@kernel
def _place(slots: Int64s, slot_offsets: Int64s, fill: Int64s, bucket: int, row: int) -> None:
    """Put a survivor into a bucket that has room and does not hold it yet."""
    first = slot_offsets[bucket]
    end = first + fill[bucket]
    if end == slot_offsets[bucket + 1]:
        return
    for i in range(first, end):
        if slots[i] == row:
            return
    slots[end] = row
    fill[bucket] += 1
