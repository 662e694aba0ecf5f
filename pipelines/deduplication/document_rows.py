"""Rows of the row-aligned datasets documents, signals and sketches by shard and row, from disk or memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dedup.lsh import locations, row_of, shard_of
from dedup.minhash import MinHashConfig
from pipelines.deduplication.sketch import schema_of
from pipelines.engine import storage
from pipelines.engine.dataset import read_shard, shard_path
from pipelines.schemas import DOCUMENTS, SIGNALS, DatasetSchema

Int64s = npt.NDArray[np.int64]

NARROW_DOCUMENTS = [name for name in DOCUMENTS.schema.names if name != "text"]


class AlignmentError(ValueError):
    """The shards of row-aligned datasets do not hold the same documents in the same order."""


class DocumentRows(Protocol):
    """Where the rows come from; shards are numbered in the order of `shards`."""

    @property
    def shards(self) -> Sequence[str]:
        """Names of the shards."""

    @property
    def minhash(self) -> MinHashConfig:
        """The configuration that the sketches were made with."""

    def read(self, dataset: str, shard: int, columns: list[str]) -> pa.Table:
        """All rows of a shard."""

    def take(self, dataset: str, shard: int, columns: list[str], rows: Int64s) -> pa.Table:
        """The given rows (ascending, each once) of a shard."""


@dataclass(frozen=True)
class StoredRows:
    """Rows in the version folders of the three datasets; `shards` are the names that they have in common."""

    documents: str
    signals: str
    sketches: str
    shards: tuple[str, ...]
    minhash: MinHashConfig

    def read(self, dataset: str, shard: int, columns: list[str]) -> pa.Table:
        """All rows of a shard."""
        schema = dataset_schema(dataset, self.minhash)
        return read_shard(self._folder(dataset), self.shards[shard], schema, columns)

    def take(self, dataset: str, shard: int, columns: list[str], rows: Int64s) -> pa.Table:
        """The given rows (ascending, each once) of a shard, read only the row groups that hold them."""
        path = shard_path(self._folder(dataset), self.shards[shard])
        schema = dataset_schema(dataset, self.minhash)
        parts, start = [], 0
        with storage.open_input(path) as stream:
            file = pq.ParquetFile(stream)
            schema.check(file.schema_arrow, path)
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                first, last = np.searchsorted(rows, [start, start + size])
                if first < last:
                    table = file.read_row_group(group, columns=columns)
                    parts.append(table.take(pa.array(rows[first:last] - start)))
                start += size
        if rows.size and rows[-1] >= start:
            raise AlignmentError(
                f"{path}: {start} rows, expected at least {rows[-1] + 1}; make it from the same documents"
            )
        return pa.concat_tables(parts) if parts else _empty(schema, columns)

    def _folder(self, dataset: str) -> str:
        return {"documents": self.documents, "signals": self.signals, "sketches": self.sketches}[dataset]


@dataclass(frozen=True)
class RowsInMemory:
    """Rows in tables: for each dataset one table a shard, in the order of `shards`."""

    tables: Mapping[str, Sequence[pa.Table]]
    shards: tuple[str, ...]
    minhash: MinHashConfig

    def read(self, dataset: str, shard: int, columns: list[str]) -> pa.Table:
        """All rows of a shard."""
        return self.tables[dataset][shard].select(columns)

    def take(self, dataset: str, shard: int, columns: list[str], rows: Int64s) -> pa.Table:
        """The given rows of a shard."""
        return self.read(dataset, shard, columns).take(pa.array(rows))


def dataset_schema(dataset: str, minhash: MinHashConfig) -> DatasetSchema:
    """The schema of documents, signals or sketches."""
    return {schema.name: schema for schema in (DOCUMENTS, SIGNALS, schema_of(minhash))}[dataset]


def gather(source: DocumentRows, dataset: str, columns: list[str], places: Int64s) -> pa.Table:
    """The rows at packed locations (dedup.lsh.locations), ascending and each once, in that order."""
    parts = [_empty(dataset_schema(dataset, source.minhash), columns)]
    shards = shard_of(places)
    for shard in np.unique(shards):
        rows = row_of(places[shards == shard])
        parts.append(source.take(dataset, int(shard), columns, rows).select(columns))
    return pa.concat_tables(parts)


def check_aligned(source: DocumentRows, shard: int, ids: Mapping[str, pa.ChunkedArray]) -> None:
    """Raise AlignmentError unless all datasets hold the ids of `documents`, in order."""
    expected = ids[DOCUMENTS.name]
    for dataset, found in ids.items():
        if not found.equals(expected):
            raise AlignmentError(
                f"{source.shards[shard]}: dataset '{dataset}' ({len(found)} rows) does not hold "
                f"the documents of '{DOCUMENTS.name}' ({len(expected)} rows) in order; make both again"
            )


def whole_shard(shard: int, n: int) -> Int64s:
    """Packed locations of all `n` rows of a shard."""
    return locations(shard, np.arange(n, dtype=np.int64))


def _empty(schema: DatasetSchema, columns: list[str]) -> pa.Table:
    return pa.schema([schema.schema.field(name) for name in columns]).empty_table()
