"""The files of one shard in the making: temporary until the shard is complete, then final with a receipt."""

import json
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine import storage
from pipelines.engine.dataset import shard_path
from pipelines.engine.encodings import writer_options
from pipelines.engine.rowhash import RowHash
from pipelines.engine.stage import Stage, StageError, Task
from pipelines.schemas import DEAD_LETTERS, DatasetSchema


@dataclass(frozen=True)
class Target:
    """Where a stage writes: one folder for each output dataset, and one for dead letters."""

    folders: dict[str, str]
    dead_letters: str
    receipts: str
    fingerprint: str


class ShardOutput:
    """The writers of one shard; nothing is visible under its final name before `commit`."""

    def __init__(self, stage: Stage, task: Task, target: Target) -> None:
        self._stage = stage
        self._task = task
        self._target = target
        self._files: dict[str, _ShardFile] = {}
        self._dead: list[dict[str, str]] = []
        self._counts: Counter[str] = Counter()
        for schema in stage.outputs:
            path = shard_path(target.folders[schema.name], task.name)
            self._files[schema.name] = _ShardFile(path, schema)

    def write(
        self, dataset: str, table: pa.Table | pa.RecordBatch, rows_per_group: int | None = None
    ) -> None:
        """Append rows to this task's shard of `dataset`; every call ends a row group, or one each so many rows."""
        if dataset not in self._files:
            raise StageError(
                f"stage '{self._stage.name}' writes to '{dataset}', which is not among its outputs"
            )
        self._files[dataset].write(table, rows_per_group)

    def dead(self, record: str, reason: str, detail: str) -> None:
        """Route a record that cannot be used to the dead letters."""
        self._dead.append(
            {
                "stage": self._stage.name,
                "shard": self._task.name,
                "record": _clean(record),
                "reason": reason,
                "detail": _clean(detail)[:2000],
            }
        )
        self._counts[f"dead:{reason}"] += 1

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of the manifest."""
        self._counts[name] += int(n)

    def commit(self, seconds: float) -> dict[str, Any]:
        """Give the shard's files their names and return the receipt, which makes the shard final."""
        outputs = {name: file.commit() for name, file in self._files.items()}
        path = shard_path(self._target.dead_letters, self._task.name)
        if not self._dead and storage.exists(path):
            storage.delete_file(path)  # of an attempt that was killed before its receipt
        if self._dead:
            file = _ShardFile(path, DEAD_LETTERS)
            file.write(pa.Table.from_pylist(self._dead, schema=DEAD_LETTERS.schema))
            file.commit()
        receipt = {
            "name": self._task.name,
            "fingerprint": self._target.fingerprint,
            "outputs": outputs,
            "dead_letters": len(self._dead),
            "counts": dict(sorted(self._counts.items())),
            "seconds": round(seconds, 3),
        }
        path = storage.join(self._target.receipts, f"{self._task.name}.json")
        storage.write_bytes(path, json.dumps(receipt, ensure_ascii=False).encode())
        return receipt

    def abort(self) -> None:
        """Leave no file behind."""
        for file in self._files.values():
            file.abort()

    def __enter__(self) -> "ShardOutput":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()


class _ShardFile:
    """One Parquet file being written, with its row count and row hash."""

    def __init__(self, path: str, schema: DatasetSchema) -> None:
        self._path = path
        self._schema = schema
        self._output = storage.AtomicOutput(path)
        options = writer_options(schema.schema)
        # Without checksums a spoilt page that still decompresses reads as other values.
        self._writer = pq.ParquetWriter(
            self._output.stream, schema.schema, compression="zstd", write_page_checksum=True, **options
        )
        self._hash = RowHash()
        self._rows = 0
        self._bytes = 0

    def write(self, table: pa.Table | pa.RecordBatch, rows_per_group: int | None = None) -> None:
        table = self._schema.conform(table, self._path)
        if table.num_rows == 0:
            return
        self._writer.write_table(table, row_group_size=rows_per_group or table.num_rows)
        self._hash.update(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes

    def commit(self) -> dict[str, Any]:
        self._writer.close()
        self._output.commit()
        return {"rows": self._rows, "bytes": self._bytes, "row_hash": self._hash.hexdigest()}

    def abort(self) -> None:
        self._writer.close()
        self._output.abort()


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
