import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine.encodings import writer_options

ROWS = np.random.default_rng(1).integers(0, 2**32, 40_000, dtype=np.uint32)


def written(schema: pa.Schema) -> pq.FileMetaData:
    hashes = pa.FixedSizeListArray.from_arrays(pa.array(ROWS), 10)
    lists = pa.ListArray.from_arrays(pa.array(np.arange(0, 40_001, 10), pa.int32()), pa.array(np.sort(ROWS)))
    name = pa.array(["a"] * 4_000)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, **writer_options(schema)) as writer:
        writer.write_table(pa.table([name, hashes, lists], schema=schema))
    assert pq.read_table(buffer).column("hashes").combine_chunks().flatten().equals(pa.array(ROWS))
    return pq.ParquetFile(buffer).metadata


def schema(*encodings: str) -> pa.Schema:
    kinds = {"name": pa.string(), "hashes": pa.list_(pa.uint32(), 10), "sorted": pa.list_(pa.uint32())}
    told = [{"encoding": encoding} if encoding else None for encoding in encodings]
    return pa.schema(
        [pa.field(name, kind, metadata=m) for (name, kind), m in zip(kinds.items(), told, strict=True)]
    )


def test_columns_have_the_encoding_that_their_fields_name() -> None:
    group = written(schema("", "PLAIN", "DELTA_BINARY_PACKED")).row_group(0)
    assert "RLE_DICTIONARY" in group.column(0).encodings
    assert "RLE_DICTIONARY" not in group.column(1).encodings
    assert "DELTA_BINARY_PACKED" in group.column(2).encodings


def test_without_a_named_encoding_nothing_is_asked_of_the_writer() -> None:
    assert writer_options(schema("", "", "")) == {}
