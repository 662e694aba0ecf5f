"""Outputs that the driver makes in one piece: a model, a tokenizer, a plan, a small table.

They are versioned like sharded datasets: made in a temporary folder, copied to a version folder of their own,
closed by a manifest, published by the pointer, and not made again while their inputs stay the same.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine import storage
from pipelines.engine.dataset import DatasetVersion, close_version, dataset_folder, open_version
from pipelines.engine.provenance import code_commit
from pipelines.engine.rowhash import RowHash
from pipelines.engine.runner import digest
from pipelines.schemas import DatasetSchema


def build_artifact(
    root: str,
    name: str,
    key: Mapping[str, Any],
    make: Callable[[Path], dict[str, Any]],
    inputs: Mapping[str, DatasetVersion] | None = None,
) -> DatasetVersion:
    """Make the artifact `name` unless a version for the same `key` and `inputs` is complete; the caller publishes it.

    `key` holds what the result depends on besides `inputs` (config and code version). `make` writes files into
    the empty folder that it gets and returns details for the manifest.
    """
    upstream = {k: v.version for k, v in (inputs or {}).items()}
    fingerprint = digest({"artifact": name, "key": dict(key), "inputs": upstream})
    version = f"v-{fingerprint[:16]}"
    done = open_version(root, name, version)
    return done or _make(root, name, version, fingerprint, dict(key), upstream, make)


def build_table(
    root: str,
    schema: DatasetSchema,
    key: Mapping[str, Any],
    make: Callable[[], tuple[dict[str, pa.Table], dict[str, Any]]],
    inputs: Mapping[str, DatasetVersion] | None = None,
) -> DatasetVersion:
    """Like build_artifact for a dataset whose shards (tables by shard name) the driver holds in memory."""

    def write(folder: Path) -> dict[str, Any]:
        tables, details = make()
        rows = RowHash()
        shards = []
        for shard, table in tables.items():
            checked = schema.conform(table, f"{schema.name}/{shard}")
            pq.write_table(checked, folder / f"{shard}.parquet", compression="zstd")
            rows.update(checked)
            shards.append({"name": shard, "rows": checked.num_rows, "bytes": checked.nbytes})
        return details | {"_shards": shards, "_row_hash": rows.hexdigest()}

    return build_artifact(root, schema.name, {**key, "schema_version": schema.version}, write, inputs)


def _make(
    root: str,
    name: str,
    version: str,
    fingerprint: str,
    key: dict[str, Any],
    upstream: dict[str, str],
    make: Callable[[Path], dict[str, Any]],
) -> DatasetVersion:
    started = time.monotonic()
    folder = storage.join(dataset_folder(root, name), version)
    with tempfile.TemporaryDirectory(prefix="gristmill-") as temporary:
        work = Path(temporary)
        details = make(work)
        shards = details.pop("_shards", [])
        row_hash = details.pop("_row_hash", "")
        for file in sorted(p for p in work.rglob("*") if p.is_file()):
            _copy(file, storage.join(folder, file.relative_to(work).as_posix()))
    return close_version(
        folder,
        {
            "dataset": name,
            "version": version,
            "fingerprint": fingerprint,
            "config": key,
            "code_commit": code_commit(),
            "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "inputs": upstream,
            "rows": sum(shard["rows"] for shard in shards),
            "bytes": sum(shard["bytes"] for shard in shards),
            "dead_letters": 0,
            "counts": details.get("counts", {}),
            "row_hash": row_hash,
            "seconds": round(time.monotonic() - started, 3),
            "shards": shards,
            "details": details,
        },
    )


def _copy(source: Path, target: str) -> None:
    with storage.AtomicOutput(target) as output, source.open("rb") as stream:
        shutil.copyfileobj(stream, output.stream, 1 << 20)
