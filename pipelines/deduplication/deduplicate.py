"""signals + sketches (+ texts near the threshold) -> duplicates, among the documents that pass the selection.

1. One task a shard: (key, order, location) of each eligible document, one row a band and one for its exact
   hash.
2. Shuffled by key and sorted: candidate pairs out of each bucket (dedup.lsh), equal pairs fall together.
3. Every shard is read once for what the comparisons need of its documents: signatures and, near the threshold,
   shingle hashes, which meet the pairs in joins (pipelines.deduplication.verify_spark).
4. Components, then survivors; similarities that these ask for go through 3 again. On the driver up to
   `spark_components_above_edges` pairs, past that by the workers, each for whole components.

Keys, signatures and hashes pass through Spark, never text. `duplicates_in_memory` is the
same flow without an engine: the two differ in who sorts the keys and who calls `compare`.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.config import DedupConfig
from dedup.lsh import candidate_pairs
from dedup.survivors import Links
from pipelines.deduplication.deduplicate_spark import compare_on_spark, judge_on_spark, similar_pairs_on_spark
from pipelines.deduplication.deduplicate_steps import (
    Eligible,
    Keys,
    check_policy,
    compare,
    duplicates_table,
    judge,
    shard_keys,
)
from pipelines.deduplication.document_rows import RowsInMemory, StoredRows

log = logging.getLogger(__name__)

Int64s = npt.NDArray[np.int64]


def deduplicate(
    spark: Any,
    rows: StoredRows,
    eligible: Eligible,
    source_ranks: Mapping[str, int],
    config: DedupConfig,
    counts: Counter[str] | None = None,
) -> pa.Table:
    """The dataset `duplicates` (schemas.DUPLICATES), sorted by doc_id: removed documents and their survivors.

    `eligible(shard name, documents without text)` says for each row of a shard whether the document takes
    part; it runs in the workers. `source_ranks`: 0 is the source that wins. `counts`, if given, is filled
    with candidate_pairs, measured_pairs, similar_pairs and hub_buckets.
    """
    check_policy(source_ranks, config)
    found = similar_pairs_on_spark(spark, rows, eligible, config)
    _report(found.counts, counts)
    if found.edges > config.spark_components_above_edges:
        return duplicates_table(rows, judge_on_spark(spark, rows, found, source_ranks, config))

    def compare_again(left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        return compare_on_spark(spark, rows, left, right, config.threshold)

    return duplicates_table(rows, judge(rows, found.links(), compare_again, source_ranks, config))


def duplicates_in_memory(
    rows: RowsInMemory,
    eligible: Eligible,
    source_ranks: Mapping[str, int],
    config: DedupConfig,
    counts: Counter[str] | None = None,
) -> pa.Table:
    """`deduplicate` without an engine, for data that fits in memory: the same table, row for row."""
    check_policy(source_ranks, config)
    parts = [shard_keys(rows, shard, eligible, config.scope) for shard in range(len(rows.shards))]
    keys = Keys(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    pairs = candidate_pairs(keys.key, keys.order, keys.place, config.max_pairs_bucket)
    found = compare(rows, pairs.left, pairs.right, config.threshold)
    similar = found.jaccard >= config.threshold

    def compare_again(left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        return compare(rows, left, right, config.threshold).jaccard

    told = {
        "candidate_pairs": len(pairs.left),
        "measured_pairs": int(found.measured.sum()),
        "similar_pairs": int(similar.sum()),
        "hub_buckets": pairs.hubs,
    }
    _report(told, counts)
    links = Links(pairs.left[similar], pairs.right[similar], found.jaccard[similar])
    return duplicates_table(rows, judge(rows, links, compare_again, source_ranks, config))


def _report(found: Mapping[str, int], counts: Counter[str] | None) -> None:
    log.info("deduplicate: %s", ", ".join(f"{name} {n}" for name, n in found.items()))
    if counts is not None:
        counts.update(found)
