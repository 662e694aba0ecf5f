"""Parquet files with a column of texts."""

import io
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.config import SourceConfig, SourceError
from pipelines.sources.fields import checked
from pipelines.sources.members import DamagedFileError, Member
from pipelines.sources.records import BadRecord, Entry
from pipelines.sources.watched import Watched

_BATCH_ROWS = 1024


def read_parquet(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """One record a row, by its number from 1, a thousand rows in memory at a time.

    SourceError where the schema has no text column of that name: every row would be lost.
    """
    with closing(member.open()) as stream:
        # Parquet is read from its end: a compressed or archived file must be in memory.
        stored = Watched(stream if isinstance(stream, pa.NativeFile) else io.BytesIO(stream.read()))
        try:
            file = pq.ParquetFile(stored)
        except (pa.ArrowException, OSError) as error:
            stored.raise_failure()
            yield BadRecord("1", "broken_parquet", str(error))
            return
        _check_column(file.schema_arrow, member, config)
        number = 0
        for batch in _batches(file, stored, config.text_field):
            for value in _values(batch, config.text_field):
                number += 1
                yield checked(value, config.text_field, str(number), "utf-8")


def _batches(file: pq.ParquetFile, stored: Watched, field: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(_BATCH_ROWS, columns=[field])
    except (pa.ArrowException, OSError) as error:
        stored.raise_failure()
        raise DamagedFileError(f"Parquet: {error}") from error


def _check_column(schema: pa.Schema, member: Member, config: SourceConfig) -> None:
    field = config.text_field
    kind: Any = schema
    for part in [field] if field in schema.names else field.split("."):
        names = [f.name for f in kind] if isinstance(kind, (pa.Schema, pa.StructType)) else []
        if part not in names:
            raise _unusable(f"no column '{field}'", schema, member, config)
        kind = kind.field(part).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    if not any(is_kind(kind) for is_kind in texts):
        raise _unusable(f"column '{field}' holds {kind}, not texts", schema, member, config)


def _unusable(problem: str, schema: pa.Schema, member: Member, config: SourceConfig) -> SourceError:
    return SourceError(
        f"source '{config.name}', {member.path}: {problem}; set text_field to one of its columns "
        f"({', '.join(schema.names) or 'none'}), or leave the file out by 'exclude'"
    )


def _values(batch: pa.RecordBatch, field: str) -> list[Any]:
    if field in batch.schema.names:
        return list(batch.column(field).to_pylist())
    values = batch.column(0).to_pylist()
    for part in field.split(".")[1:]:
        values = [None if value is None else value[part] for value in values]
    return values
