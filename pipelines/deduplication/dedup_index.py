"""The deduplication index on disk: survivors of all snapshots so far, found by LSH band.

    <path>/index/CURRENT.json, v-…/_manifest.json      header, and the versions of the other two
    <path>/bands/v-…/band-00.parquet … band-14.parquet  (key, order) by key; the last: exact hashes
    <path>/survivors/v-…/shard-00000.parquet …          once a document: signature, shingle hashes, provenance

One file a band, sorted by key, because a batch is looked up by merging: a task reads one column of the batch
and one file, each once, and nothing is shuffled. Bands hold numbers, not ids: 16 bytes a row and band before
compression, where an id would add 32. Each batch adds a version of `survivors`, which later ones refer to
and never rewrite; the bands are rewritten. A version of the index names its parts and is closed last.

A survivor costs 112 x 4 bytes of signature, 4 bytes a distinct shingle before compression, and 15 band rows.
The 32-bit shingle hashes make an exact comparison possible without the old text; that two documents of
1,000 shingles differ by one shingle from the comparison on 64 bits has a probability of 2e-4.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dedup.index import BandRows, IndexHeader, check_header, empty_band
from pipelines.engine import storage
from pipelines.engine.dataset import (
    RECEIPTS,
    DatasetError,
    DatasetVersion,
    current,
    open_version,
    read_shard,
    shard_path,
)
from pipelines.engine.encodings import ENCODING
from pipelines.engine.rowhash import RowHash
from pipelines.schemas import DatasetSchema

Int64s = npt.NDArray[np.int64]
INDEX = "index"


class IndexDamagedError(DatasetError):
    """A file of the index is absent, cut short or not what its receipt says."""


def _column(name: str, kind: pa.DataType, meaning: str, encoding: str = "") -> pa.Field:
    metadata = {"meaning": meaning} | ({ENCODING.decode(): encoding} if encoding else {})
    return pa.field(name, kind, False, metadata)


_ORDER = _column("order", pa.int64(), "number of the survivor in the index, from 0 without gaps")
_BATCH = _column("batch", pa.int64(), "number of the addition that brought the document, from 0")
_BEFORE_SIGNATURE = [
    _column("doc_id", pa.string(), "128-bit xxh3 of source, snapshot, url and payload digest; hex"),
    _column("source", pa.string(), "name of the source in the run config"),
    _column("snapshot", pa.string(), "crawl snapshot, else the fetch date, else empty"),
    _column("url", pa.string(), "address of the page, or path of the file and the record in it"),
    _column("day", pa.int64(), "age: days from 1970 to the snapshot, 0 where there is none"),
    _column("source_rank", pa.int64(), "place of the source's role in the config, 0 is the best"),
    _column("quality_score", pa.float64(), "P(curated) of the quality classifier, 0..1"),
    _column("n_words", pa.int64(), "words of the text (text.words)"),
    _column("exact_hash", pa.string(), "128-bit xxh3 of the whitespace-normalised text; hex"),
]
_SHINGLES = _column(
    "shingles",
    pa.list_(pa.uint32()),
    "distinct lower 32 bits of the shingle hashes, ascending",
    "DELTA_BINARY_PACKED",
)

_KEY = _column("key", pa.int64(), "bucket key, ascending", "PLAIN")
BANDS = DatasetSchema("bands", 1, pa.schema([_KEY, _ORDER]))


def batch_schema(num_perm: int) -> DatasetSchema:
    """What the index keeps of a document, signatures of `num_perm` components."""
    return DatasetSchema("index_batch", 1, pa.schema(_described(num_perm)))


def survivors_schema(num_perm: int) -> DatasetSchema:
    """`batch_schema` with the document's number and batch."""
    return DatasetSchema("survivors", 1, pa.schema([_ORDER, _BATCH, *_described(num_perm)]))


def band_names(bands: int) -> list[str]:
    """Names of the bands' files: `bands` LSH bands and one for exact hashes."""
    return [f"band-{band:02d}" for band in range(bands + 1)]


def batch_keys_schema(bands: int) -> DatasetSchema:
    """The bucket keys of a batch, one column a band, so that a task reads its own alone."""
    names = band_names(bands)
    columns = [_column(name, pa.int64(), "bucket key of the document in this band") for name in names]
    return DatasetSchema("index_batch_keys", 1, pa.schema(columns))


def _described(num_perm: int) -> list[pa.Field]:
    kind = pa.list_(pa.uint32(), num_perm)
    signature = _column("signature", kind, "MinHash (datasketch affine32)", "PLAIN")
    return [*_BEFORE_SIGNATURE, signature, _SHINGLES]


@dataclass(frozen=True)
class StoredIndex:
    """One version of an index: its manifest, its bands and the parts that hold its survivors."""

    path: str
    version: DatasetVersion
    bands: DatasetVersion
    parts: tuple[DatasetVersion, ...]

    @property
    def details(self) -> dict[str, Any]:
        """header, bands, batches and parent of the manifest."""
        return dict(self.version.manifest["details"])

    @property
    def schema(self) -> DatasetSchema:
        """The schema of the survivors."""
        return survivors_schema(self.details["header"]["num_perm"])

    @property
    def size(self) -> int:
        """Survivors in the index."""
        return sum(part.rows for part in self.parts)

    def check_header(self, expected: IndexHeader) -> None:
        """IndexMismatchError unless the index was made with these settings."""
        check_header(self.details["header"], expected, f"{self.version.folder}/_manifest.json")

    def survivors(self, columns: list[str], orders: Int64s) -> pa.Table:
        """The survivors with these numbers (ascending, each once)."""
        tables, base = [_empty(self.schema, ["order", *columns])], 0
        for part in self.parts:
            low, high = np.searchsorted(orders, [base, base + part.rows])
            tables.append(rows_of(part, self.schema, ["order", *columns], orders[low:high] - base))
            base += part.rows
        found = pa.concat_tables(tables)
        wrong = np.flatnonzero(np.asarray(found["order"]) != orders[: len(found)])
        if wrong.size or len(found) != len(orders):
            number = orders[wrong[0] if wrong.size else len(found)]
            raise IndexDamagedError(
                f"{self.path}/survivors: survivor {number} is not in its place; restore the shard"
            )
        return found.drop_columns(["order"])


def open_index(path: str, version: str | None = None) -> StoredIndex:
    """The published (or the named) version; IndexDamagedError where a file is absent or cut short."""
    opened = current(path, INDEX) if version is None else open_version(path, INDEX, version)
    if opened is None:
        raise IndexDamagedError(f"{path}/{INDEX}/{version}: no complete version of the index stands there")
    details = opened.manifest["details"]
    header = details["header"]
    bands = _part(path, BANDS.name, details["bands"], opened)
    if bands.shards != band_names(header["bands"]):
        raise IndexDamagedError(
            f"{bands.folder}: holds {bands.shards}, expected {band_names(header['bands'])}"
        )
    name = survivors_schema(header["num_perm"]).name
    parts = tuple(_part(path, name, batch["survivors"], opened) for batch in details["batches"])
    return StoredIndex(path, opened, bands, parts)


def index_exists(path: str) -> bool:
    """Whether an index has been published at `path`."""
    return storage.exists(storage.join(path, INDEX, "CURRENT.json"))


def read_band(folder: str, band: str) -> BandRows:
    """One band of the version folder `folder`; IndexDamagedError where its rows are not those written."""
    if not folder:
        return empty_band()
    path = shard_path(folder, band)
    try:
        table = read_shard(folder, band, BANDS)
    except (OSError, pa.ArrowInvalid) as error:
        raise IndexDamagedError(f"{path}: cannot be read ({error}); restore it") from error
    rows = RowHash()
    rows.update(table)
    receipt = json.loads(storage.read_bytes(storage.join(folder, RECEIPTS, f"{band}.json")))
    written = receipt["outputs"][BANDS.name]["row_hash"]
    if rows.hexdigest() != written:
        raise IndexDamagedError(
            f"{path}: its rows hash to {rows.hexdigest()}, its receipt says {written}; restore the file"
        )
    return BandRows(np.asarray(table["key"]), np.asarray(table["order"]))


def rows_of(version: DatasetVersion, schema: DatasetSchema, columns: list[str], numbers: Int64s) -> pa.Table:
    """Rows by their number (ascending, each once) in all shards of `version`, read only where they stand."""
    tables, start = [_empty(schema, columns)], 0
    for shard in version.manifest["shards"]:
        low, high = np.searchsorted(numbers, [start, start + shard["rows"]])
        if low < high:
            path = shard_path(version.folder, shard["name"])
            tables.extend(_take(path, schema, columns, numbers[low:high] - start))
        start += shard["rows"]
    return pa.concat_tables(tables)


def snapshot_day(snapshot: str) -> int | None:
    """Days from 1970 to a snapshot's first day: CC-MAIN-YYYY-WW, CC-MAIN-YYYY…, YYYY-MM-DD; else None."""
    week = re.fullmatch(r"CC-MAIN-(\d{4})-(\d{2})", snapshot)
    year = re.fullmatch(r"CC-MAIN-(\d{4})(-\d{4})?", snapshot)
    try:
        if week:
            day = date.fromisocalendar(int(week[1]), int(week[2]), 1)
        else:
            day = date(int(year[1]), 1, 1) if year else date.fromisoformat(snapshot[:10])
    except ValueError:
        return None
    return (day - date(1970, 1, 1)).days


def _part(path: str, dataset: str, name: str, index: DatasetVersion) -> DatasetVersion:
    part = open_version(path, dataset, name)
    if part is None:
        raise IndexDamagedError(
            f"{storage.join(path, dataset, name)}: absent or unfinished, but {index.folder} refers to it; "
            "restore it"
        )
    for shard in part.manifest["shards"]:
        file = shard_path(part.folder, shard["name"])
        if not storage.exists(file):
            raise IndexDamagedError(f"{file}: the file is missing; restore it")
        try:
            with storage.open_input(file) as stream:
                rows = pq.ParquetFile(stream).metadata.num_rows
        except (OSError, pa.ArrowInvalid) as error:
            raise IndexDamagedError(f"{file}: not a whole Parquet file ({error}); restore it") from error
        if rows != shard["rows"]:
            raise IndexDamagedError(f"{file}: {rows} rows, the manifest says {shard['rows']}; restore it")
    return part


def _take(path: str, schema: DatasetSchema, columns: list[str], rows: Int64s) -> Sequence[pa.Table]:
    tables, start = [], 0
    with storage.open_input(path) as stream:
        file = pq.ParquetFile(stream, page_checksum_verification=True)
        schema.check(file.schema_arrow, path)
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            low, high = np.searchsorted(rows, [start, start + size])
            if low < high:
                try:
                    table = file.read_row_group(group, columns=columns).select(columns)
                except (OSError, pa.ArrowInvalid) as error:
                    raise IndexDamagedError(f"{path}: cannot be read ({error}); restore it") from error
                tables.append(table.take(pa.array(rows[low:high] - start)))
            start += size
    return tables


def _empty(schema: DatasetSchema, columns: list[str]) -> pa.Table:
    return pa.schema([schema.schema.field(name) for name in columns]).empty_table()
