"""Datasets on disk: versions that are never rewritten, a manifest that closes one, a pointer that publishes it.

<root>/<dataset>/v-<fingerprint>/shard-00000.parquet …   data
<root>/<dataset>/v-<fingerprint>/_receipts/shard-00000.json   what a finished shard holds
<root>/<dataset>/v-<fingerprint>/_manifest.json          written last: the version is complete
<root>/<dataset>/CURRENT.json                            names the version that readers should take
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine import storage
from pipelines.schemas import DatasetSchema

POINTER = "CURRENT.json"
MANIFEST = "_manifest.json"
RECEIPTS = "_receipts"


class DatasetError(ValueError):
    """A dataset is absent, incomplete or damaged."""


@dataclass(frozen=True)
class DatasetVersion:
    """One complete version of a dataset: its folder and the manifest that closed it."""

    folder: str
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return str(self.manifest["dataset"])

    @property
    def version(self) -> str:
        """Version folder's name, v-<fingerprint>."""
        return str(self.manifest["version"])

    @property
    def shards(self) -> list[str]:
        """Names of the shards, without suffix, in order."""
        return [shard["name"] for shard in self.manifest["shards"]]

    @property
    def rows(self) -> int:
        """Rows in all shards."""
        return int(self.manifest["rows"])

    @property
    def counts(self) -> dict[str, int]:
        """Counters of the stage that made it, summed over shards."""
        return dict(self.manifest["counts"])

    @property
    def row_hash(self) -> str:
        """Order-free fingerprint of all rows: equal for equal multisets of rows, however sharded."""
        return str(self.manifest["row_hash"])


def dataset_folder(root: str, name: str) -> str:
    """Folder of the dataset `name` under the data root."""
    return storage.join(root, name)


def current(root: str, name: str) -> DatasetVersion:
    """The published version of `name`; DatasetError where none is."""
    pointer = storage.join(root, name, POINTER)
    if not storage.exists(pointer):
        raise DatasetError(
            f"{pointer}: dataset '{name}' has not been made yet; run the asset that makes it first"
        )
    version = _read_json(pointer)["version"]
    opened = open_version(root, name, version)
    if opened is None:
        raise DatasetError(
            f"{pointer}: names version {version}, whose {MANIFEST} is missing; run the asset again"
        )
    return opened


def open_version(root: str, name: str, version: str) -> DatasetVersion | None:
    """A complete version, or None where it is absent or not finished."""
    folder = storage.join(root, name, version)
    path = storage.join(folder, MANIFEST)
    if not storage.exists(path):
        return None
    return DatasetVersion(folder, _read_json(path))


def _read_json(path: str) -> dict[str, Any]:
    """A pointer or a manifest; DatasetError where it is damaged."""
    try:
        found = json.loads(storage.read_bytes(path))
    except ValueError as error:
        raise DatasetError(f"{path}: not a whole JSON file ({error}); restore it") from error
    if not isinstance(found, dict) or "version" not in found:
        raise DatasetError(f"{path}: says nothing of 'version'; restore it")
    return found


def publish(root: str, version: DatasetVersion) -> None:
    """Point readers at `version` in one atomic step."""
    pointer = {"dataset": version.name, "version": version.version, "rows": version.rows}
    storage.write_bytes(storage.join(root, version.name, POINTER), _json(pointer))


def close_version(folder: str, manifest: dict[str, Any]) -> DatasetVersion:
    """Write the manifest that makes the version in `folder` complete."""
    storage.write_bytes(storage.join(folder, MANIFEST), _json(manifest))
    return DatasetVersion(folder, manifest)


def shard_path(folder: str, shard: str) -> str:
    """Parquet file of a shard in a version's folder."""
    return storage.join(folder, f"{shard}.parquet")


def read_shard(
    folder: str, shard: str, schema: DatasetSchema, columns: Sequence[str] | None = None
) -> pa.Table:
    """One shard as a table, its columns checked against `schema`; `columns` picks some of them."""
    path = shard_path(folder, shard)
    with storage.open_input(path) as stream:
        file = pq.ParquetFile(stream)
        schema.check(file.schema_arrow, path)
        return file.read(columns=None if columns is None else list(columns))


def iter_shard(
    folder: str, shard: str, schema: DatasetSchema, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The row groups of one shard in order, one table each, so that memory stays flat."""
    path = shard_path(folder, shard)
    with storage.open_input(path) as stream:
        file = pq.ParquetFile(stream)
        schema.check(file.schema_arrow, path)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=None if columns is None else list(columns))


def read_dataset(
    version: DatasetVersion, schema: DatasetSchema, columns: Sequence[str] | None = None
) -> pa.Table:
    """All shards of a version as one table: for narrow columns and small datasets."""
    names = list(columns) if columns is not None else schema.schema.names
    empty = pa.schema([schema.schema.field(name) for name in names]).empty_table()
    tables = [read_shard(version.folder, shard, schema, columns).select(names) for shard in version.shards]
    return pa.concat_tables([empty, *tables]) if tables else empty


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
