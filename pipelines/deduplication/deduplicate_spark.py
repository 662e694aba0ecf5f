"""The shuffles of pipelines.deduplication.deduplicate on Spark, DataFrame API alone: it runs over Connect as well."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.config import DedupConfig, Scope
from dedup.lsh import BucketPairs
from dedup.survivors import Links
from pipelines.deduplication.components_spark import components_on_spark
from pipelines.deduplication.deduplicate_steps import Eligible, Judged, compare, judge, shard_keys
from pipelines.deduplication.document_rows import StoredRows
from pipelines.deduplication.verify_spark import compared_on_spark
from pipelines.engine.runner import StageError, worker_errors

Int64s = npt.NDArray[np.int64]
Batches = Iterator[pa.RecordBatch]

KEYS = "key long, order long, place long"
PAIRS = "left long, right long"
JUDGED = "removed long, survivor long, jaccard double, exact boolean, cluster_size long"
BATCH_ROWS = 1 << 16
# Links of whole components that a worker judges at once.
CHUNK_PAIRS = 1 << 14
# A row that carries the number of hub buckets instead of a pair has this left side.
HUBS = -1


class SimilarPairs(NamedTuple):
    """Pairs that reach the threshold, as a frame (left, right, jaccard) that the executors keep; all counts."""

    frame: Any
    counts: dict[str, int]

    @property
    def edges(self) -> int:
        """How many they are."""
        return self.counts["similar_pairs"]

    def links(self) -> Links:
        """The pairs on the driver, 24 bytes each."""
        return _links(_table_of(self.frame))


def similar_pairs_on_spark(
    spark: Any, rows: StoredRows, eligible: Eligible, config: DedupConfig
) -> SimilarPairs:
    """Pairs of packed locations that reach the threshold."""
    from pyspark.sql import functions as F

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

    partitions = _partitions(spark, n)
    keys = spark.range(0, n, 1, n).mapInArrow(keys_of, KEYS)
    sorted_keys = keys.repartition(partitions, "key").sortWithinPartitions("key", "order", "place")
    pairs = sorted_keys.mapInArrow(pairs_of, PAIRS).groupBy("left", "right").count()
    with worker_errors():
        pairs = pairs.localCheckpoint()
        candidates = pairs.filter("left >= 0").select("left", "right")
        compared = compared_on_spark(candidates, partitions, rows, config.threshold)
        counts = _counted(compared, pairs.filter("left < 0"), config.threshold)
    return SimilarPairs(compared.filter(F.col("jaccard") >= config.threshold), counts)


def _counted(compared: Any, hubs: Any, threshold: float) -> dict[str, int]:
    from pyspark.sql import functions as F

    columns = {
        "candidate_pairs": F.count("*"),
        "measured_pairs": F.count_if("measured"),
        "similar_pairs": F.count_if(F.col("jaccard") >= threshold),
    }
    found = compared.agg(*(column.alias(name) for name, column in columns.items())).toArrow().to_pylist()[0]
    # Equal rows of several tasks have fallen together: `count` says how many they were.
    told = hubs.agg(F.sum(F.col("right") * F.col("count")).alias("hubs")).toArrow().to_pylist()[0]
    return found | {"hub_buckets": told["hubs"] or 0}


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

    edges = found.frame
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
    pairs = spark.createDataFrame(pa.table({"left": left, "right": right}))
    with worker_errors():
        found = _links(
            compared_on_spark(pairs, _partitions(spark, len(rows.shards)), rows, threshold).toArrow()
        )
    jaccard = np.empty(len(left), dtype=np.float64)
    jaccard[np.lexsort((right, left))] = found.jaccard[np.lexsort((found.right, found.left))]
    return jaccard


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
    return Links(*(np.asarray(found.column(name)) for name in ("left", "right", "jaccard")))
