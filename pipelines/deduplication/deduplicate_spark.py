"""The shuffles of pipelines.deduplication.deduplicate on Spark, DataFrame API alone: it runs over Connect as well."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.config import DedupConfig, Scope
from dedup.lsh import BucketPairs
from dedup.survivors import Links
from pipelines.deduplication.components_spark import components_on_spark
from pipelines.deduplication.deduplicate_steps import Eligible, Judged, compare, judge, shard_keys
from pipelines.deduplication.document_rows import StoredRows
from pipelines.engine.runner import StageError, worker_errors

Int64s = npt.NDArray[np.int64]
Batches = Iterator[pa.RecordBatch]

KEYS = "key long, order long, place long"
PAIRS = "left long, right long"
FOUND = "left long, right long, jaccard double"
JUDGED = "removed long, survivor long, jaccard double, exact boolean, cluster_size long"
BATCH_ROWS = 1 << 16
# Documents of so many pairs are in a worker's memory at once: at 5 kB a text some 160 MB.
CHUNK_PAIRS = 1 << 14
# Pairs whose left documents lie within 2**12 rows of a shard go to one worker, which reads them together.
BLOCK_BITS = 12
# Rows that carry a count instead of a pair have a negative left side.
HUBS, CANDIDATES, MEASURED = -1, -2, -3


class SimilarPairs(NamedTuple):
    """Pairs that reach the threshold, as a frame FOUND that the executors keep; how many; all counts."""

    frame: Any
    edges: int
    counts: dict[str, int]

    def links(self) -> Links:
        """The pairs on the driver, 24 bytes each."""
        return _links(_table_of(self.frame.filter("left >= 0")))


def similar_pairs_on_spark(
    spark: Any, rows: StoredRows, eligible: Eligible, config: DedupConfig
) -> SimilarPairs:
    """Pairs of packed locations that reach the threshold."""
    n = len(rows.shards)

    def keys_of(batches: Batches) -> Batches:
        for batch in batches:
            for shard in batch.column(0).to_pylist():
                yield from _batches(["key", "order", "place"], *_named(rows, shard, eligible, config.scope))

    def pairs_of(batches: Batches) -> Batches:
        stream = BucketPairs(config.max_pairs_bucket)
        for batch in batches:
            yield from _batches(["left", "right"], *stream.feed(*_columns(batch, "key", "place")))
        yield from _batches(["left", "right"], *stream.finish())
        yield from _batches(["left", "right"], np.array([HUBS]), np.array([stream.hubs]))

    keys = spark.range(0, n, 1, n).mapInArrow(keys_of, KEYS)
    sorted_keys = keys.repartition(_partitions(spark, n), "key").sortWithinPartitions("key", "order", "place")
    pairs = sorted_keys.mapInArrow(pairs_of, PAIRS).groupBy("left", "right").count()
    with worker_errors():
        # Comparing reads texts: it must not be done once for the count and again for the pairs.
        found = _compared(pairs, _partitions(spark, n), rows, config.threshold, False).localCheckpoint()
        edges = found.filter("left >= 0").count()
    told = _table_of(found.filter("left < 0"))
    counts = {
        "candidate_pairs": _told(told, CANDIDATES),
        "measured_pairs": _told(told, MEASURED),
        "similar_pairs": edges,
        "hub_buckets": _told(told, HUBS),
    }
    return SimilarPairs(found, edges, counts)


def judge_on_spark(
    spark: Any, rows: StoredRows, found: SimilarPairs, source_ranks: Mapping[str, int], config: DedupConfig
) -> Judged:
    """`judge` by the workers, each for whole components: the driver holds the removed documents alone."""
    from pyspark.sql import functions as F

    ranks = dict(source_ranks)

    def measure(left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        return compare(rows, left, right, config.threshold).jaccard

    def judged(batches: Batches) -> Batches:
        for links in _whole_components(batches):
            verdicts = judge(rows, links, measure, ranks, config)
            yield from _batches(list(Judged._fields), *verdicts)

    edges = found.frame.filter("left >= 0")
    labels = components_on_spark(edges.select("left", "right"))
    component = F.coalesce("component", "left").alias("component")
    linked = edges.join(labels, edges["left"] == labels["node"], "left")
    grouped = linked.select(component, "left", "right", "jaccard").repartition(
        _partitions(spark, len(rows.shards)), "component"
    )
    table = _table_of(grouped.sortWithinPartitions("component", "left", "right").mapInArrow(judged, JUDGED))
    return Judged(*(table.column(name).to_numpy() for name in Judged._fields))


def _whole_components(batches: Batches) -> Iterator[Links]:
    """Links in the order of their components, cut only between two of them, CHUNK_PAIRS or more at once."""
    held: list[npt.NDArray[Any]] = []
    for batch in batches:
        held.append(np.rec.fromarrays(_columns(batch, "component", "left", "right", "jaccard")))
        if sum(len(part) for part in held) < CHUNK_PAIRS:
            continue
        rows = np.concatenate(held)
        cut = int(np.searchsorted(rows["f0"], rows["f0"][-1]))
        if cut:
            yield Links(*(np.ascontiguousarray(rows[name][:cut]) for name in ("f1", "f2", "f3")))
        held = [rows[cut:]]
    if held:
        rows = np.concatenate(held)
        yield Links(*(np.ascontiguousarray(rows[name]) for name in ("f1", "f2", "f3")))


def compare_on_spark(
    spark: Any, rows: StoredRows, left: Int64s, right: Int64s, threshold: float
) -> npt.NDArray[np.float64]:
    """`compare` of distinct pairs of packed locations, done by the workers."""
    table = pa.table({"left": left, "right": right, "count": np.ones(len(left), dtype=np.int64)})
    pairs = spark.createDataFrame(table)
    partitions = _partitions(spark, len(rows.shards))
    found = _links(_table_of(_compared(pairs, partitions, rows, threshold, keep_all=True)))
    jaccard = np.empty(len(left), dtype=np.float64)
    jaccard[np.lexsort((right, left))] = found.jaccard[np.lexsort((found.right, found.left))]
    return jaccard


def _compared(pairs: Any, partitions: int, rows: StoredRows, threshold: float, keep_all: bool) -> Any:
    """A frame FOUND: pairs that reach the threshold (or all), and rows that carry counts."""
    from pyspark.sql import functions as F

    def similar(left: Int64s, right: Int64s) -> Batches:
        similarity = compare(rows, left, right, threshold)
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


def _named(rows: StoredRows, shard: int, eligible: Eligible, scope: Scope) -> tuple[Int64s, Int64s, Int64s]:
    """`shard_keys`, with the shard's name in any error."""
    try:
        return shard_keys(rows, shard, eligible, scope)
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


def _table_of(frame: Any) -> pa.Table:
    """The frame's rows on the driver."""
    with worker_errors():
        return frame.toArrow()


def _links(found: pa.Table) -> Links:
    pairs = found.filter(pc.greater_equal(found.column("left"), 0))
    return Links(*(np.asarray(pairs.column(name)) for name in ("left", "right", "jaccard")))


def _told(found: pa.Table, what: int) -> int:
    rows = found.filter(pc.equal(found.column("left"), what))
    return int(pc.sum(rows.column("right")).as_py() or 0)
