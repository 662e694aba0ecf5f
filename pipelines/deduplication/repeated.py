"""Finds ids that stand in the documents more than once: the same page under the same address, captured twice.

Equal ids mean equal content, so which copy stays cannot be seen in the corpus. Only 64-bit numbers go through
Spark: two for the id and one for shard and row.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.lsh import locations, row_of, shard_of
from pipelines.engine.dataset import DatasetVersion, iter_shard
from pipelines.engine.runner import collect
from pipelines.schemas import DOCUMENTS, DatasetSchema

REPEATED = DatasetSchema(
    "repeated",
    1,
    pa.schema(
        [
            pa.field("row", pa.int64(), False, {"meaning": "row of the documents shard of the same name"}),
        ]
    ),
)


def repeated_rows(spark: Any, documents: DatasetVersion) -> dict[str, pa.Table]:
    """By shard, the rows whose doc_id also stands at an earlier place (shard, row); tables in REPEATED form.

    `spark` is a session. Every shard of `documents` has a table, most of them empty.
    """
    from pyspark.sql import functions as F

    folder, shards = documents.folder, documents.shards

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                first = 0
                for table in iter_shard(folder, shards[number], DOCUMENTS, ["doc_id"]):
                    yield narrow_keys(table["doc_id"], number, first)
                    first += table.num_rows

    keys = spark.range(0, len(shards), 1, len(shards)).mapInArrow(read, "high long, low long, place long")
    copies = (
        keys.groupBy("high", "low")
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.min("place").alias("first"),
            F.collect_list("place").alias("places"),
        )
        .filter(F.col("n") > 1)
        .select("first", F.explode("places").alias("place"))
        .filter(F.col("place") != F.col("first"))
        .select("place")
    )
    places = np.sort(np.array([row["place"] for row in collect(copies)], np.int64))
    numbers, rows = shard_of(places), row_of(places)
    return {
        shard: pa.table({"row": rows[numbers == number]}, schema=REPEATED.schema)
        for number, shard in enumerate(shards)
    }


def narrow_keys(doc_ids: pa.ChunkedArray, shard: int, first_row: int) -> pa.RecordBatch:
    """(high, low) halves of the hex ids and their places, as int64 columns."""
    digits = np.array(doc_ids.to_pylist(), dtype="S32")
    raw = np.frombuffer(bytes.fromhex(digits.tobytes().decode()), ">i8").reshape(-1, 2)
    places = locations(shard, np.arange(first_row, first_row + len(digits), dtype=np.int64))
    return pa.RecordBatch.from_pydict(
        {
            "high": raw[:, 0].astype(np.int64),
            "low": raw[:, 1].astype(np.int64),
            "place": places,
        }
    )
