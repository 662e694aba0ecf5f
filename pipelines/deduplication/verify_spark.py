"""Similarities of many pairs on Spark, at a cost that grows with documents and pairs alone.

The two documents of a pair lie in any two shards: whoever reads them pair by pair reads row groups over and
over, the more often the larger the crawl. So every shard is read once, in its order, for all documents that
any pair needs, and what a comparison needs of them meets the pairs in two joins:

1. exact hash and signature of each document in a pair: 16 + 4 x num_perm bytes a document;
2. of the pairs that these leave open (dedup.verify) the distinct shingle hashes: 8 bytes a shingle.

Text stays in the Python worker that reads it.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.lsh import ROW_BITS, row_of, shard_of
from dedup.minhash import shingles, signature_matrix
from dedup.verify import estimate, set_jaccard, shingle_sets, undecided
from pipelines.deduplication.document_rows import StoredRows
from pipelines.engine.runner import StageError
from pipelines.schemas import DOCUMENTS, SKETCHES
from text.buffers import TextBuffer, text_buffer
from text.ngrams import Grams

Int64s = npt.NDArray[np.int64]
Batches = Iterator[pa.RecordBatch]
Pack = Callable[[pa.Table], pa.Array]

PACKED = "place long, packed binary"
ESTIMATED = "left long, right long, jaccard double, measured boolean, open boolean"
COMPARED = "left long, right long, jaccard double, measured boolean"
DIGEST_BYTES = 16
# Documents whose texts are in a worker's memory at once: at 5 kB a text some 20 MB.
CHUNK_ROWS = 1 << 12


def compared_on_spark(pairs: Any, partitions: int, rows: StoredRows, threshold: float) -> Any:
    """A frame COMPARED, held by the executors, for distinct pairs of packed locations (long columns left, right).

    `measured` is false where the signatures settled it, as in dedup.verify.verify_pairs, whose figures these are.
    """
    config = rows.minhash
    width = DIGEST_BYTES + 4 * config.num_perm

    def sketch(table: pa.Table) -> pa.Array:
        digests = bytes.fromhex("".join(table.column("exact_hash").to_pylist()))
        signatures = signature_matrix(table.column("signature")).view(np.uint8)
        digest_rows = np.frombuffer(digests, dtype=np.uint8).reshape(-1, DIGEST_BYTES)
        return _binary(np.hstack([digest_rows, signatures]))

    def shingle_set(table: pa.Table) -> pa.Array:
        sets = shingle_sets(shingles(table.column("text"), config))
        return _varying(sets.hashes.view(np.uint8), sets.offsets * 8)

    def estimated(batches: Batches) -> Batches:
        for batch in batches:
            left, right = (_matrix(batch.column(name), width) for name in ("left_packed", "right_packed"))
            identical = (left[:, :DIGEST_BYTES] == right[:, :DIGEST_BYTES]).all(axis=1)
            signatures = np.ascontiguousarray(np.vstack([left, right])[:, DIGEST_BYTES:]).view(np.uint32)
            n = np.arange(len(left), dtype=np.int64)
            jaccard = estimate(signatures, n, n + len(left))
            jaccard[identical] = 1.0
            unsettled = undecided(jaccard, threshold, config.num_perm) & ~identical
            yield _batch(ESTIMATED, batch, jaccard, identical | unsettled, unsettled)

    def measured(batches: Batches) -> Batches:
        for batch in batches:
            sides = [text_buffer(batch.column(name)) for name in ("left_packed", "right_packed")]
            jaccard = set_jaccard(*_stacked(sides))
            yield _batch(COMPARED, batch, jaccard, np.ones(len(jaccard), dtype=np.bool_))

    sketched = _beside(pairs, partitions, rows, SKETCHES, ["exact_hash", "signature"], sketch)
    first = sketched.mapInArrow(estimated, ESTIMATED).localCheckpoint()
    unsettled = first.filter("open").select("left", "right")
    texts = _beside(unsettled, partitions, rows, DOCUMENTS.name, ["text"], shingle_set)
    settled = first.filter("not open").select("left", "right", "jaccard", "measured")
    return settled.unionByName(texts.mapInArrow(measured, COMPARED)).localCheckpoint()


def _beside(
    pairs: Any, partitions: int, rows: StoredRows, dataset: str, columns: list[str], pack: Pack
) -> Any:
    """The pairs with `left_packed` and `right_packed`, what `pack` makes of the documents' rows of `dataset`."""
    from pyspark.sql import functions as F

    def packed(batches: Batches) -> Batches:
        for shard, places in _by_shard(batches):
            for start in range(0, len(places), CHUNK_ROWS):
                chunk = places[start : start + CHUNK_ROWS]
                try:
                    content = pack(rows.take(dataset, shard, columns, row_of(chunk)))
                except Exception as error:
                    name = rows.shards[shard]
                    raise StageError(f"deduplicate, {name}: {type(error).__name__}: {error}") from error
                yield pa.RecordBatch.from_arrays([pa.array(chunk), content], ["place", "packed"])

    places = pairs.select(F.col("left").alias("place")).union(pairs.select("right")).distinct()
    ordered = places.repartition(partitions, F.shiftright("place", ROW_BITS)).sortWithinPartitions("place")
    # Both joins use it: without this the shards would be read twice.
    content = ordered.mapInArrow(packed, PACKED).localCheckpoint()
    for side in ("left", "right"):
        named = content.select(F.col("place").alias(side), F.col("packed").alias(f"{side}_packed"))
        pairs = pairs.join(named, side)
    return pairs


def _by_shard(batches: Batches) -> Iterator[tuple[int, Int64s]]:
    """Each shard with its places, of ascending places in batches of any size."""
    held: list[Int64s] = []
    for batch in batches:
        places = np.asarray(batch.column(0))
        bounds = [0, *(np.flatnonzero(np.diff(shard_of(places))) + 1).tolist(), len(places)]
        for start, end in pairwise(bounds):
            if held and end > start and shard_of(held[0][:1])[0] != shard_of(places[start : start + 1])[0]:
                yield int(shard_of(held[0][:1])[0]), np.concatenate(held)
                held = []
            if end > start:
                held.append(places[start:end])
    if held:
        yield int(shard_of(held[0][:1])[0]), np.concatenate(held)


def _batch(schema: str, batch: pa.RecordBatch, *columns: npt.NDArray[Any]) -> pa.RecordBatch:
    """The pairs of `batch` with further columns, named as in `schema`."""
    names = [column.split()[0] for column in schema.split(", ")]
    arrays = [batch.column("left"), batch.column("right"), *map(pa.array, columns)]
    return pa.RecordBatch.from_arrays(arrays, names)


def _stacked(sides: list[TextBuffer]) -> tuple[Grams, Int64s, Int64s]:
    """The sets of both sides one after the other, and the numbers of the left and the right ones."""
    left, right = sides
    n = np.arange(len(left.offsets) - 1, dtype=np.int64)
    offsets = np.concatenate([left.offsets, right.offsets[1:] + left.offsets[-1]]) // 8
    return Grams(np.concatenate([left.data, right.data]).view(np.uint64), offsets), n, n + len(n)


def _matrix(column: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    """Binary values of `width` bytes as the rows of a matrix."""
    return text_buffer(column).data.reshape(len(column), width)


def _binary(matrix: npt.NDArray[np.uint8]) -> pa.Array:
    """The rows of a matrix as binary values."""
    n, width = matrix.shape
    return _varying(matrix.reshape(-1), np.arange(n + 1, dtype=np.int64) * width)


def _varying(data: npt.NDArray[np.uint8], offsets: Int64s) -> pa.Array:
    values = pa.Array.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    return values.cast(pa.binary())
