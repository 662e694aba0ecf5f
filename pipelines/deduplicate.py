"""signals + sketches (+ texts near the threshold) -> duplicates, among the documents that pass the selection.

    1  one task a shard: (key, order, location) of each eligible document, one row a band and one for its
    exact hash 2  shuffled by key and sorted: candidate pairs out of each bucket (dedup.lsh), equal pairs
    fall together 3  grouped by where the documents lie: a worker reads signatures and, near the threshold,
    texts of both 4  on the driver: components, then survivors; similarities that these ask for go through 3
    again

Nothing but int64 columns and a similarity passes through Spark, never text; the driver holds pairs, and ids
and signatures of clustered documents alone. `duplicates_in_memory` is the same flow without an engine: the
two differ in who sorts the keys and who calls `compare`.
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
from dedup.minhash import MinHashConfig
from dedup.survivors import Links
from pipelines.deduplicate_spark import compare_on_spark, similar_pairs_on_spark
from pipelines.deduplicate_steps import Eligible, Keys, compare, resolve, shard_keys
from pipelines.document_rows import RowsInMemory, StoredRows

log = logging.getLogger(__name__)

Int64s = npt.NDArray[np.int64]


def deduplicate(
    spark: Any,
    rows: StoredRows,
    eligible: Eligible,
    source_ranks: Mapping[str, int],
    minhash: MinHashConfig,
    config: DedupConfig,
    counts: Counter[str] | None = None,
) -> pa.Table:
    """The dataset `duplicates` (schemas.DUPLICATES), sorted by doc_id: removed documents and their survivors.

    `eligible(shard name, documents without text)` says for each row of a shard whether the document takes
    part; it runs in the workers. `source_ranks`: 0 is the source that wins. `minhash` is the configuration
    of the sketches. `counts`, if given, is filled with candidate_pairs, measured_pairs, similar_pairs and
    hub_buckets.
    """
    links, found = similar_pairs_on_spark(spark, rows, eligible, minhash, config)

    def compare_again(left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        return compare_on_spark(spark, rows, left, right, minhash, config.threshold)

    _report(found, counts)
    return resolve(rows, links, compare_again, source_ranks, config)


def duplicates_in_memory(
    rows: RowsInMemory,
    eligible: Eligible,
    source_ranks: Mapping[str, int],
    minhash: MinHashConfig,
    config: DedupConfig,
    counts: Counter[str] | None = None,
) -> pa.Table:
    """`deduplicate` without an engine, for data that fits in memory: the same table, row for row."""
    parts = [shard_keys(rows, shard, eligible) for shard in range(len(rows.shards))]
    keys = Keys(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    pairs = candidate_pairs(keys.key, keys.order, keys.place, config.max_pairs_bucket)
    found = compare(rows, pairs.left, pairs.right, minhash, config.threshold)
    similar = found.jaccard >= config.threshold

    def compare_again(left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        return compare(rows, left, right, minhash, config.threshold).jaccard

    told = {
        "candidate_pairs": len(pairs.left),
        "measured_pairs": int(found.measured.sum()),
        "similar_pairs": int(similar.sum()),
        "hub_buckets": pairs.hubs,
    }
    _report(told, counts)
    links = Links(pairs.left[similar], pairs.right[similar], found.jaccard[similar])
    return resolve(rows, links, compare_again, source_ranks, config)


def _report(found: Mapping[str, int], counts: Counter[str] | None) -> None:
    log.info("deduplicate: %s", ", ".join(f"{name} {n}" for name, n in found.items()))
    if counts is not None:
        counts.update(found)
