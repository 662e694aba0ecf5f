"""Parquet files with a column of texts."""

import io
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.config import SourceConfig
from pipelines.sources.fields import checked
from pipelines.sources.members import Member
from pipelines.sources.records import BadRecord, Entry

_BATCH_ROWS = 1024


def read_parquet(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """One record a row, by its number from 1, a thousand rows in memory at a time."""
    with closing(member.open()) as stream:
        try:
            # Parquet is read from its end: a compressed or archived file must be in memory.
            file = pq.ParquetFile(stream if isinstance(stream, pa.NativeFile) else io.BytesIO(stream.read()))
        except pa.ArrowInvalid as error:
            yield BadRecord("1", "broken_parquet", str(error))
            return
        problem = _column_problem(file.schema_arrow, config.text_field)
        if problem:
            yield problem
            return
        number = 0
        for batch in file.iter_batches(_BATCH_ROWS, columns=[config.text_field]):
            for value in _values(batch, config.text_field):
                number += 1
                yield checked(value, config.text_field, str(number), "utf-8")


def _column_problem(schema: pa.Schema, field: str) -> BadRecord | None:
    """What is wrong with the text column, if anything; the file then has no usable row."""
    kind: Any = schema
    for part in [field] if field in schema.names else field.split("."):
        names = [f.name for f in kind] if isinstance(kind, (pa.Schema, pa.StructType)) else []
        if part not in names:
            return BadRecord("1", "missing_field", f"no column '{field}'; columns: {', '.join(schema.names)}")
        kind = kind.field(part).type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return None
    if pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type):
        return None
    return BadRecord("1", "not_a_text", f"column '{field}' holds {kind}, not texts")


def _values(batch: pa.RecordBatch, field: str) -> list[Any]:
    if field in batch.schema.names:
        return list(batch.column(field).to_pylist())
    values = batch.column(0).to_pylist()
    for part in field.split(".")[1:]:
        values = [None if value is None else value[part] for value in values]
    return values
