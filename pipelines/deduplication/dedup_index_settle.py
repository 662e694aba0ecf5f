"""Who of a batch stays, from the shared buckets of all bands: the one step of the index that the driver does.

It holds the documents that share a bucket with another, not the batch: some 2.5 kB each, and shingle
sets of the pairs that are measured at a time.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.index import IndexHeader, Standing, oldest_first
from dedup.minhash import signature_matrix
from dedup.online import Crowd, settle
from dedup.verify import set_jaccard
from pipelines.deduplication.dedup_index import StoredIndex, band_names, batch_schema, rows_of
from pipelines.deduplication.dedup_index_stages import ADDED, MEETINGS, REMOVED, survivor_numbers
from pipelines.engine.dataset import DatasetVersion, read_shard
from pipelines.schemas import DUPLICATES
from text.ngrams import Grams

Int64s = npt.NDArray[np.int64]
PAIRS_AT_ONCE = 1 << 14
_COLUMNS = [
    "doc_id",
    "source",
    "day",
    "source_rank",
    "quality_score",
    "n_words",
    "exact_hash",
    "signature",
]


class AlreadyIndexedError(ValueError):
    """A crawled document of the batch is in the index under its own id."""


@dataclass(frozen=True)
class Decided:
    """The outcome of a batch: `duplicates`, and what the index has to know of it (REMOVED, ADDED by band)."""

    duplicates: pa.Table
    removed: pa.Table
    added: dict[str, pa.Table]
    counts: dict[str, int]


class _Documents:
    """The indexed documents `orders`, then the rows `rows` of the batch, read as they are needed."""

    def __init__(
        self, index: StoredIndex | None, batch: DatasetVersion, orders: Int64s, rows: Int64s, num_perm: int
    ) -> None:
        self._index, self._batch, self._orders, self._rows = index, batch, orders, rows
        self._schema = batch_schema(num_perm)

    def take(self, columns: list[str], wanted: Int64s | None = None) -> pa.Table:
        """`columns` of all, or of the numbers `wanted` (ascending, each once)."""
        n = len(self._orders)
        chosen = np.arange(n + len(self._rows)) if wanted is None else wanted
        split = np.searchsorted(chosen, n)
        rows = rows_of(self._batch, self._schema, columns, self._rows[chosen[split:] - n])
        if self._index is None:
            return rows
        return pa.concat_tables([self._index.survivors(columns, self._orders[chosen[:split]]), rows])

    def measure(self, left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        """Exact similarities of pairs, so many at a time."""
        found = np.empty(len(left), dtype=np.float64)
        for start in range(0, len(left), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            wanted, at = np.unique(np.concatenate([left[part], right[part]]), return_inverse=True)
            lists = self.take(["shingles"], wanted)["shingles"].combine_chunks()
            sets = Grams(
                np.asarray(lists.flatten()).astype(np.uint64),
                np.r_[0, np.cumsum(np.asarray(pc.list_value_length(lists)), dtype=np.int64)],
            )
            found[part] = set_jaccard(sets, at[: len(at) // 2], at[len(at) // 2 :])
        return found


def decide_batch(
    batch: DatasetVersion,
    meetings: DatasetVersion,
    index: StoredIndex | None,
    header: IndexHeader,
    curated: Collection[str] = (),
) -> Decided:
    """Hold a batch against the index and itself.

    Documents of the sources `curated` come with every snapshot: those that the index holds under their own id
    stay, stand in the index once, and are counted as already_indexed. Of other sources they are an
    AlreadyIndexedError.
    """
    band, key, row, order = _met(meetings, header.bands)
    orders, rows = np.unique(order[order >= 0]), np.unique(row[row >= 0])
    documents = _Documents(index, batch, orders, rows, header.num_perm)
    table = documents.take(_COLUMNS)
    at = np.where(order >= 0, np.searchsorted(orders, order), len(orders) + np.searchsorted(rows, row))
    known = _already_indexed(table, len(orders), curated)
    again = known >= 0
    # They are settled: what came into their buckets since must not take their place.
    open_ = ~again[at]
    band, key, at = band[open_], key[open_], at[open_]
    bucket_keys, bucket = np.unique(np.stack([band, key], axis=1), axis=0, return_inverse=True)
    policy = oldest_first(_standing(table, index, orders), header.order)
    place = np.argsort(policy)
    crowd = Crowd(
        signature_matrix(table["signature"])[policy],
        _codes(table["exact_hash"])[policy],
        bucket.reshape(-1),
        place[at],
        len(orders),
    )
    settled = settle(
        crowd,
        header.threshold,
        header.bucket_limit,
        lambda left, right: documents.measure(policy[left], policy[right]),
    )
    survivor = np.where(again, known, policy[settled.survivor[place]])
    jaccard = settled.jaccard[place]
    removed, base = _removed(survivor, orders, rows), index.size if index else 0
    numbers = np.r_[orders, survivor_numbers(removed, base, batch.rows)[rows]]
    added = np.column_stack([bucket_keys[settled.added_bucket], numbers[policy[settled.added_row]]])
    duplicates = _duplicates(table, survivor, jaccard, again)
    counts = {
        "already_indexed": int(again.sum()),
        "measured_pairs": settled.measured,
        "matched_in_index": int((np.asarray(removed["order"]) >= 0).sum() - again.sum()),
        "older_than_index": _older(table, len(orders)),
    }
    return Decided(duplicates, removed, _by_band(added, header.bands), counts)


def _met(meetings: DatasetVersion, bands: int) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """band, key, row and order of the meetings of all bands."""
    tables = [read_shard(meetings.folder, name, MEETINGS) for name in band_names(bands)]
    band = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    met = pa.concat_tables(tables)
    return band, np.asarray(met["key"]), np.asarray(met["row"]), np.asarray(met["order"])


def _standing(table: pa.Table, index: StoredIndex | None, orders: Int64s) -> Standing:
    """The indexed documents `orders`, then those of the batch, whose number follows that of all before it."""
    number = len(index.details["batches"]) if index else 0
    batch = np.full(len(table), number, dtype=np.int64)
    if index:
        batch[: len(orders)] = np.asarray(index.survivors(["batch"], orders)["batch"])
    day, rank, quality, words = (
        np.asarray(table[name]) for name in ("day", "source_rank", "quality_score", "n_words")
    )
    return Standing(batch, day, rank, quality, words, table["doc_id"])


def _older(table: pa.Table, n_indexed: int) -> int:
    """Documents of the batch in shared buckets that are older than the youngest indexed one there."""
    days = np.asarray(table["day"])
    return int((days[n_indexed:] < days[:n_indexed].max(initial=-1)).sum()) if n_indexed else 0


def _removed(survivor: Int64s, orders: Int64s, rows: Int64s) -> pa.Table:
    n = len(orders)
    gone = n + np.flatnonzero(survivor[n:] != np.arange(n, len(survivor)))
    stays = survivor[gone]
    indexed = stays < n
    numbers, held = np.full(len(gone), -1, dtype=np.int64), np.full(len(gone), -1, dtype=np.int64)
    numbers[indexed] = orders[stays[indexed]]
    held[~indexed] = rows[stays[~indexed] - n]
    return pa.table([rows[gone - n], numbers, held], schema=REMOVED.schema)


def _already_indexed(table: pa.Table, n_indexed: int, curated: Collection[str]) -> Int64s:
    """For each document the row of the indexed one with its id, -1 where there is none or it is that one.

    AlreadyIndexedError where a document that is not of `curated` has one.
    """
    ids = table["doc_id"].combine_chunks()
    found = pc.fill_null(pc.index_in(ids[n_indexed:], value_set=ids[:n_indexed]), -1)
    known = np.r_[np.full(n_indexed, -1), np.asarray(found)].astype(np.int64)
    allowed = np.asarray(pc.is_in(table["source"], value_set=pa.array(sorted(curated), pa.string())))
    wrong = np.flatnonzero((known >= 0) & ~allowed)
    if wrong.size:
        raise AlreadyIndexedError(
            f"document {ids[int(wrong[0])]} of source '{table['source'][int(wrong[0])]}' is in the "
            f"index already ({wrong.size} such documents); deduplicate each snapshot once, or use another "
            "index path"
        )
    return known


def _duplicates(
    table: pa.Table, survivor: Int64s, jaccard: npt.NDArray[np.float64], again: npt.NDArray[np.bool_]
) -> pa.Table:
    gone = np.flatnonzero((survivor != np.arange(len(survivor))) & ~again)
    sizes = np.bincount(survivor[~again], minlength=len(survivor))
    removed, stays = table.take(pa.array(gone)), table.take(pa.array(survivor[gone]))
    exact = pc.equal(removed["exact_hash"], stays["exact_hash"])
    columns: dict[str, Any] = {
        "doc_id": removed["doc_id"],
        "source": removed["source"],
        "survivor_id": stays["doc_id"],
        "survivor_source": stays["source"],
        "kind": pc.if_else(exact, "exact", "near"),
        "jaccard": pa.array(jaccard[gone].astype(np.float32)),
        "cluster_size": pa.array(sizes[survivor[gone]]),
    }
    return DUPLICATES.conform(pa.table(columns).sort_by("doc_id"), DUPLICATES.name)


def _by_band(added: Int64s, bands: int) -> dict[str, pa.Table]:
    tables = {}
    for i, name in enumerate(band_names(bands)):
        mine = added[added[:, 0] == i]
        tables[name] = pa.table([mine[:, 1], mine[:, 2]], schema=ADDED.schema)
    return tables


def _codes(hashes: pa.ChunkedArray) -> Int64s:
    """Numbers that are equal where the hashes are."""
    return np.asarray(hashes.combine_chunks().dictionary_encode().indices).astype(np.int64)
