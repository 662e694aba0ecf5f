"""An index of survivors by LSH band: what a later snapshot meets, and how the index grows by it.

A band of the index is a set of (key, order) rows sorted by key: `order` is a survivor's number. A survivor
stands under its own key, and under the keys of the documents that were removed for it, so that a new document
that is like a removed one still finds the survivor. A bucket holds at most `bucket_limit` survivors, the
first by policy; pages from one template therefore cost no more than that each (dedup.online).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from dedup.lsh import NO_KEY
from dedup.minhash import MinHashConfig

Int64s = npt.NDArray[np.int64]

SCHEME = 1
"""Version of what stored hashes depend on: words, shingles, permutations, band keys, exact hashes."""

LaterCriterion = Literal["source_rank", "quality", "length"]


class IndexMismatchError(ValueError):
    """The index was made with other settings than the documents that are held against it."""


class IndexHeader(BaseModel):
    """What two sets of documents must share to be held against each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: int = Field(default=SCHEME, description="version of the hash scheme")
    num_perm: int = Field(description="components of a signature (permutations)")
    ngram: int = Field(description="words of a shingle")
    bands: int = Field(description="LSH bands")
    rows: int = Field(description="signature components of a band")
    seed: int = Field(description="seed of the permutations")
    threshold: float = Field(description="Jaccard similarity, 0..1, from which a document is removed")
    bucket_limit: int = Field(description="survivors of a bucket that a document is compared with")
    order: list[LaterCriterion] = Field(description="criteria for the survivor among documents of one age")


def index_header(
    minhash: MinHashConfig, threshold: float, bucket_limit: int, order: list[LaterCriterion]
) -> IndexHeader:
    """The header of an index of documents that were sketched with `minhash`."""
    told = {name: getattr(minhash, name) for name in ("num_perm", "ngram", "bands", "rows", "seed")}
    return IndexHeader(**told, threshold=threshold, bucket_limit=bucket_limit, order=order)


def check_header(found: Mapping[str, Any], expected: IndexHeader, where: str) -> None:
    """IndexMismatchError that names the file `where` and every setting that differs."""
    wanted = expected.model_dump(mode="json")
    differences = [
        f"{name} = {found.get(name, 'missing')} (expected {wanted.get(name, 'no such setting')})"
        for name in sorted(wanted.keys() | found.keys())
        if name not in found or name not in wanted or found[name] != wanted[name]
    ]
    if differences:
        raise IndexMismatchError(
            f"{where}: the index was made with {', '.join(differences)}; use the settings of the index, or "
            "another index path"
        )


class BandRows(NamedTuple):
    """One band of an index: int64[n] each, sorted by key, then order."""

    key: Int64s
    order: Int64s


class Meetings(NamedTuple):
    """Who stands in buckets that are not one new document's alone, sorted by key; int64[n] each.

    row: the document of the batch, -1 where it is an indexed one. order: the indexed document's number,
    -1 where it is a new one.
    """

    key: Int64s
    row: Int64s
    order: Int64s


def empty_band() -> BandRows:
    """A band of an index without documents."""
    return BandRows(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def meet(keys: Int64s, band: BandRows) -> Meetings:
    """The shared buckets of one band: keys[i] is that of document i of the batch."""
    rows, values, first, counts = _by_key(keys)
    low, high = np.searchsorted(band.key, values), np.searchsorted(band.key, values, side="right")
    shared = (counts > 1) | (high > low)
    news = ranges(first[shared], counts[shared])
    indexed = ranges(low[shared], (high - low)[shared])
    key = np.concatenate([keys[rows[news]], band.key[indexed]])
    row = np.concatenate([rows[news], np.full(len(indexed), -1)])
    order = np.concatenate([np.full(len(news), -1), band.order[indexed]])
    by_key = np.lexsort((order, row, key))
    return Meetings(key[by_key], row[by_key], order[by_key])


def grow(band: BandRows, keys: Int64s, survivor: Int64s, shared: BandRows) -> BandRows:
    """The band with a batch added: document i, of key keys[i], is represented by number survivor[i].

    `shared` holds what the batch adds to the buckets of `meet`; the other keys are one document's alone.
    """
    rows, values, first, counts = _by_key(keys)
    at = np.searchsorted(band.key, values)
    known = np.zeros(len(values), dtype=np.bool_)
    inside = at < len(band.key)
    known[inside] = band.key[at[inside]] == values[inside]
    alone = (counts == 1) & ~known
    key = np.concatenate([band.key, values[alone], shared.key])
    order = np.concatenate([band.order, survivor[rows[first[alone]]], shared.order])
    by_key = np.lexsort((order, key))
    return BandRows(key[by_key], order[by_key])


class Standing(NamedTuple):
    """What the oldest-wins policy looks at, one row a document.

    batch: number of the addition to the index. day: of the snapshot, days since 1970. source_rank: 0 is the
    best source. quality: NaN counts as the worst. length: words. doc_id: hex.
    """

    batch: Int64s
    day: Int64s
    source_rank: Int64s
    quality: npt.NDArray[np.float64]
    length: Int64s
    doc_id: Any

    def take(self, rows: Int64s) -> "Standing":
        """The documents at `rows`, in that order."""
        figures = (self.batch[rows], self.day[rows], self.source_rank[rows], self.quality[rows])
        return Standing(*figures, self.length[rows], self.doc_id.take(pa.array(rows)))

    def followed_by(self, other: "Standing") -> "Standing":
        """These documents, then those of `other`."""
        figures = [np.concatenate(pair) for pair in zip(self[:5], other[:5], strict=True)]
        batch, day, source_rank, quality, length = figures
        ids = pa.concat_arrays([self.doc_id, other.doc_id])
        return Standing(batch, day, source_rank, quality, length, ids)


def oldest_first(standing: Standing, order: list[LaterCriterion]) -> Int64s:
    """Rows from the one that stays to the one that goes: earlier batch, earlier day, `order`, smaller id."""
    quality = np.where(np.isnan(standing.quality), -np.inf, standing.quality)
    criteria = {"source_rank": standing.source_rank, "quality": -quality, "length": -standing.length}
    ids = np.asarray(pc.rank(_one_array(standing.doc_id), tiebreaker="dense"))
    keys = [standing.batch, standing.day, *(criteria[name] for name in order), ids]
    return np.lexsort(keys[::-1]).astype(np.int64)


def _one_array(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _by_key(keys: Int64s) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """Rows that have a key, in its order; the distinct keys; their first place among these; how many each."""
    with_key = np.flatnonzero(keys != NO_KEY)
    rows = with_key[np.argsort(keys[with_key], kind="stable")]
    values, first, counts = np.unique(keys[rows], return_index=True, return_counts=True)
    return rows, values, first.astype(np.int64), counts.astype(np.int64)


def ranges(starts: Int64s, lengths: Int64s) -> Int64s:
    """For each i the numbers from starts[i] on, lengths[i] of them, one range after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
