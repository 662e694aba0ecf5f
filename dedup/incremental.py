"""An index in memory and what a batch of documents does to it: incremental search without an engine.

    index = empty_index(header)
    first = describe(texts, ids, minhash, day=19_000)
    outcome, index = deduplicate_into(index, first)

pipelines.deduplication.dedup_index_stages does the same band by band and shard by shard, on disk.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.exact import exact_hashes
from dedup.index import (
    BandRows,
    IndexHeader,
    Standing,
    check_header,
    empty_band,
    grow,
    index_header,
    meet,
    oldest_first,
)
from dedup.lsh import band_keys, exact_keys
from dedup.minhash import MinHashConfig, shingle_ints, shingles, signature_matrix_of
from dedup.online import Crowd, Measure, Settled, settle
from dedup.verify import set_jaccard, shingle_sets
from text.ngrams import Grams
from text.words import count_words

Int64s = npt.NDArray[np.int64]


class Described(NamedTuple):
    """What is kept of documents instead of their text, one row each.

    exact_hash: hex. signatures: uint32[n, num_perm]. keys: int64[n, bands + 1], the last is the exact hash's.
    shingles: the distinct shingle hashes, ascending, of which 32 bits count. minhash: what all of it was made
    with.
    """

    standing: Standing
    exact_hash: pa.Array
    signatures: npt.NDArray[np.uint32]
    keys: Int64s
    shingles: Grams
    minhash: MinHashConfig

    def take(self, rows: Int64s) -> "Described":
        """The documents at `rows`, in that order."""
        taken = pa.array(rows)
        return Described(
            self.standing.take(rows),
            self.exact_hash.take(taken),
            self.signatures[rows],
            self.keys[rows],
            take_sets(self.shingles, rows),
            self.minhash,
        )


@dataclass(frozen=True)
class MemoryIndex:
    """Header, survivors in the order of their numbers, and one BandRows a band, the last for exact hashes."""

    header: IndexHeader
    survivors: Described | None
    bands: tuple[BandRows, ...]
    batches: int


class Outcome(NamedTuple):
    """For each document of a batch its survivor's id (its own if it stays), similarity, whether a copy."""

    survivor_id: pa.Array
    jaccard: npt.NDArray[np.float64]
    exact: npt.NDArray[np.bool_]


def empty_index(header: IndexHeader) -> MemoryIndex:
    """An index without documents."""
    return MemoryIndex(header, None, tuple(empty_band() for _ in range(header.bands + 1)), 0)


def describe(
    texts: Any,
    doc_ids: Any,
    minhash: MinHashConfig,
    day: Any = 0,
    source_rank: Any = 0,
    quality: Any = np.nan,
) -> Described:
    """The documents in the form that `deduplicate_into` takes; a single number stands for all documents."""
    n = len(doc_ids)
    grams = shingles(texts, minhash)
    signatures = signature_matrix_of(grams, minhash)
    hashes = exact_hashes(texts)

    def column(values: Any, kind: Any) -> Any:
        return np.broadcast_to(np.asarray(values, dtype=kind), n).copy()

    standing = Standing(
        np.zeros(n, dtype=np.int64),
        column(day, np.int64),
        column(source_rank, np.int64),
        column(quality, np.float64),
        count_words(texts),
        pa.array(doc_ids, pa.string()),
    )
    keys = np.column_stack([band_keys(signatures, minhash), exact_keys(hashes)])
    return Described(standing, hashes, signatures, keys, short_sets(grams), minhash)


def deduplicate_into(index: MemoryIndex, batch: Described) -> tuple[Outcome, MemoryIndex]:
    """What stays of the batch, and the index with that added; the index that was given stays as it is.

    IndexMismatchError where the batch was described with another MinHashConfig than the index.
    """
    made = index.header
    expected = index_header(batch.minhash, made.threshold, made.bucket_limit, made.order)
    check_header(made.model_dump(mode="json"), expected, "index in memory")
    numbered = batch._replace(
        standing=batch.standing._replace(batch=np.full(len(batch.keys), index.batches, dtype=np.int64))
    )
    both = _joined(index.survivors, numbered)
    n_indexed = len(both.keys) - len(batch.keys)
    met = [meet(batch.keys[:, b], band) for b, band in enumerate(index.bands)]
    settled, bucket_keys = _settle(both, n_indexed, met, index.header)
    survivor = settled.survivor[n_indexed:]
    outcome = Outcome(
        both.standing.doc_id.take(pa.array(survivor)),
        settled.jaccard[n_indexed:],
        _codes(both.exact_hash)[n_indexed:] == _codes(both.exact_hash)[survivor],
    )
    stays = np.flatnonzero(settled.survivor == np.arange(len(both.keys)))
    number = np.full(len(both.keys), -1, dtype=np.int64)
    number[stays] = np.arange(len(stays))
    band_of, key_of = bucket_keys[settled.added_bucket].T
    grown = []
    for b, band in enumerate(index.bands):
        mine = band_of == b
        added = BandRows(key_of[mine], number[settled.added_row[mine]])
        grown.append(grow(band, batch.keys[:, b], number[survivor], added))
    return outcome, MemoryIndex(index.header, both.take(stays), tuple(grown), index.batches + 1)


def short_sets(grams: Grams) -> Grams:
    """The distinct lower 32 bits of every document's shingle hashes, ascending."""
    return shingle_sets(Grams(shingle_ints(grams.hashes).astype(np.uint64), grams.offsets))


def take_sets(sets: Grams, rows: Int64s) -> Grams:
    """The sets of the documents at `rows`, in that order."""
    lengths = np.diff(sets.offsets)
    values = pa.LargeListArray.from_arrays(pa.array(sets.offsets), pa.array(sets.hashes)).take(pa.array(rows))
    return Grams(np.asarray(values.flatten()), np.r_[0, np.cumsum(lengths[rows])].astype(np.int64))


def measure_on(sets: Grams) -> Measure:
    """Exact similarities of pairs of rows of `sets`."""
    return lambda left, right: set_jaccard(sets, left, right)


def _settle(
    both: Described, n_indexed: int, met: list[Any], header: IndexHeader
) -> tuple[Settled, npt.NDArray[np.int64]]:
    """`settle` for rows of `both`, and band and key of each bucket."""
    band = np.repeat(np.arange(len(met)), [len(m.key) for m in met])
    key = np.concatenate([m.key for m in met])
    row = np.concatenate([np.where(m.row >= 0, n_indexed + m.row, m.order) for m in met])
    bucket_keys, bucket = np.unique(np.stack([band, key], axis=1), axis=0, return_inverse=True)
    order = oldest_first(both.standing, header.order)
    rank = np.argsort(order)
    ordered = both.take(order)
    crowd = Crowd(ordered.signatures, _codes(ordered.exact_hash), bucket.reshape(-1), rank[row], n_indexed)
    settled = settle(crowd, header.threshold, header.bucket_limit, measure_on(ordered.shingles))
    return (
        settled._replace(
            survivor=order[settled.survivor[rank]],
            jaccard=settled.jaccard[rank],
            added_row=order[settled.added_row],
        ),
        bucket_keys,
    )


def _joined(survivors: Described | None, batch: Described) -> Described:
    if survivors is None:
        return batch
    shift = survivors.shingles.offsets[-1]
    return Described(
        survivors.standing.followed_by(batch.standing),
        pa.concat_arrays([survivors.exact_hash, batch.exact_hash]),
        np.concatenate([survivors.signatures, batch.signatures]),
        np.concatenate([survivors.keys, batch.keys]),
        Grams(
            np.concatenate([survivors.shingles.hashes, batch.shingles.hashes]),
            np.r_[survivors.shingles.offsets, shift + batch.shingles.offsets[1:]],
        ),
        batch.minhash,
    )


def _codes(hashes: Any) -> Int64s:
    """Numbers that are equal where the hashes are."""
    array = hashes.combine_chunks() if isinstance(hashes, pa.ChunkedArray) else hashes
    return np.asarray(array.dictionary_encode().indices).astype(np.int64)
