"""The two shuffles of pipelines.deduplicate on Spark, DataFrame API alone: it runs over Connect as well."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.config import DedupConfig
from dedup.lsh import BucketPairs
from dedup.minhash import MinHashConfig
from dedup.survivors import Links
from pipelines.deduplicate_steps import Eligible, compare, shard_keys
from pipelines.document_rows import StoredRows
from pipelines.runner import StageError

Int64s = npt.NDArray[np.int64]
Batches = Iterator[pa.RecordBatch]

KEYS = "key long, order long, place long"
PAIRS = "left long, right long"
FOUND = "left long, right long, jaccard double"
BATCH_ROWS = 1 << 16
# Documents of so many pairs are in a worker's memory at once: at 5 kB a text some 160 MB.
CHUNK_PAIRS = 1 << 14
# Pairs whose left documents lie within 2**12 rows of a shard go to one worker, which reads them together.
BLOCK_BITS = 12
# Rows that carry a count instead of a pair have a negative left side.
HUBS, CANDIDATES, MEASURED = -1, -2, -3


def similar_pairs_on_spark(
    spark: Any, rows: StoredRows, eligible: Eligible, minhash: MinHashConfig, config: DedupConfig
) -> tuple[Links, dict[str, int]]:
    """Pairs of packed locations that reach the threshold, and the counts behind them."""
    n = len(rows.shards)

    def keys_of(batches: Batches) -> Batches:
        for batch in batches:
            for shard in batch.column(0).to_pylist():
                yield from _batches(["key", "order", "place"], *_named(rows, shard, eligible))

    def pairs_of(batches: Batches) -> Batches:
        stream = BucketPairs(config.max_pairs_bucket)
        for batch in batches:
            yield from _batches(["left", "right"], *stream.feed(*_columns(batch, "key", "place")))
        yield from _batches(["left", "right"], *stream.finish())
        yield from _batches(["left", "right"], np.array([HUBS]), np.array([stream.hubs]))

    keys = spark.range(0, n, 1, n).mapInArrow(keys_of, KEYS)
    sorted_keys = keys.repartition(_partitions(spark, n), "key").sortWithinPartitions("key", "order", "place")
    pairs = sorted_keys.mapInArrow(pairs_of, PAIRS).groupBy("left", "right").count()
    found = _collect(_compared(pairs, _partitions(spark, n), rows, minhash, config.threshold, keep_all=False))
    told = {
        "candidate_pairs": _told(found, CANDIDATES),
        "measured_pairs": _told(found, MEASURED),
        "similar_pairs": int(pc.sum(pc.greater_equal(found.column("left"), 0)).as_py() or 0),
        "hub_buckets": _told(found, HUBS),
    }
    return _links(found), told


def compare_on_spark(
    spark: Any, rows: StoredRows, left: Int64s, right: Int64s, minhash: MinHashConfig, threshold: float
) -> npt.NDArray[np.float64]:
    """`compare` of distinct pairs of packed locations, done by the workers."""
    table = pa.table({"left": left, "right": right, "count": np.ones(len(left), dtype=np.int64)})
    pairs = spark.createDataFrame(table)
    partitions = _partitions(spark, len(rows.shards))
    found = _links(_collect(_compared(pairs, partitions, rows, minhash, threshold, keep_all=True)))
    jaccard = np.empty(len(left), dtype=np.float64)
    jaccard[np.lexsort((right, left))] = found.jaccard[np.lexsort((found.right, found.left))]
    return jaccard


def _compared(
    pairs: Any, partitions: int, rows: StoredRows, minhash: MinHashConfig, threshold: float, keep_all: bool
) -> Any:
    """A frame FOUND: pairs that reach the threshold (or all), and rows that carry counts."""
    from pyspark.sql import functions as F

    def similar(left: Int64s, right: Int64s) -> Batches:
        similarity = compare(rows, left, right, minhash, threshold)
        kept = np.flatnonzero(keep_all | (similarity.jaccard >= threshold))
        counts = np.array([len(left), int(similarity.measured.sum())])
        names = ["left", "right", "jaccard"]
        yield from _batches(names, left[kept], right[kept], similarity.jaccard[kept])
        yield from _batches(names, np.array([CANDIDATES, MEASURED]), counts, np.zeros(2))

    def compared(batches: Batches) -> Batches:
        held: list[Int64s] = []
        for batch in batches:
            left, right, count = _columns(batch, "left", "right", "count")
            told = left < 0
            # Equal count rows of several tasks have fallen together too: `count` says how many they were.
            yield from _batches(
                ["left", "right", "jaccard"], left[told], right[told] * count[told], np.zeros(int(told.sum()))
            )
            held.append(np.stack([left[~told], right[~told]]))
            if sum(part.shape[1] for part in held) >= CHUNK_PAIRS:
                yield from similar(*np.concatenate(held, axis=1))
                held = []
        if held:
            yield from similar(*np.concatenate(held, axis=1))

    block = F.shiftright("left", BLOCK_BITS)
    ordered = pairs.repartition(partitions, block).sortWithinPartitions(
        block, F.shiftright("right", BLOCK_BITS), "left", "right"
    )
    return ordered.mapInArrow(compared, FOUND)


def _named(rows: StoredRows, shard: int, eligible: Eligible) -> tuple[Int64s, Int64s, Int64s]:
    """`shard_keys`, with the shard's name in any error."""
    try:
        return shard_keys(rows, shard, eligible)
    except Exception as error:
        raise StageError(f"deduplicate, {rows.shards[shard]}: {type(error).__name__}: {error}") from error


def _partitions(spark: Any, shards: int) -> int:
    """As many as shards, which bring about equally many keys; at least what the session sets."""
    return max(shards, int(spark.conf.get("spark.sql.shuffle.partitions")))


def _columns(batch: pa.RecordBatch, *names: str) -> tuple[Int64s, ...]:
    return tuple(np.asarray(batch.column(name)) for name in names)


def _batches(names: list[str], *columns: npt.NDArray[Any]) -> Batches:
    """Arrow batches of bounded size out of NumPy columns of equal length."""
    for start in range(0, len(columns[0]), BATCH_ROWS):
        yield pa.RecordBatch.from_arrays([pa.array(c[start : start + BATCH_ROWS]) for c in columns], names)


def _collect(frame: Any) -> pa.Table:
    """The frame's rows on the driver; a worker's failure in its own last words."""
    from pyspark.errors import PySparkException

    try:
        return frame.toArrow()
    except PySparkException as error:
        lines = [line.strip() for line in str(error).splitlines() if "Error: " in line]
        raise StageError(lines[-1] if lines else str(error)[:2000]) from error


def _links(found: pa.Table) -> Links:
    pairs = found.filter(pc.greater_equal(found.column("left"), 0))
    return Links(*(np.asarray(pairs.column(name)) for name in ("left", "right", "jaccard")))


def _told(found: pa.Table, what: int) -> int:
    rows = found.filter(pc.equal(found.column("left"), what))
    return int(pc.sum(rows.column("right")).as_py() or 0)
