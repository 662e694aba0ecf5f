from collections.abc import Iterator
from typing import Any

import pyarrow as pa


def test_workers_do_not_look_for_garbage_in_what_was_preloaded(spark: Any) -> None:
    def frozen(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import gc
        import sys

        for _ in batches:
            yield pa.RecordBatch.from_arrays(
                [pa.array([gc.get_freeze_count()]), pa.array(["numba" in sys.modules])], ["frozen", "loaded"]
            )

    (row,) = spark.range(0, 1, 1, 1).mapInArrow(frozen, "frozen long, loaded boolean").collect()
    assert row.loaded
    assert row.frozen > 100_000
