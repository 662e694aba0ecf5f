"""selection → duplicates by the index: a snapshot against all those before it, and added to them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from dedup.index import IndexHeader, LaterCriterion, index_header
from dedup.minhash import MinHashConfig
from pipelines import storage
from pipelines.artifact import build_artifact, build_table
from pipelines.build.built import Built, Check
from pipelines.build.selecting import RoleOrderError, by_shard
from pipelines.dataset import DatasetError, DatasetVersion, current, publish, read_dataset, read_shard
from pipelines.dedup_index import (
    BANDS,
    INDEX,
    StoredIndex,
    band_names,
    batch_keys_schema,
    batch_schema,
    index_exists,
    open_index,
    survivors_schema,
)
from pipelines.dedup_index_settle import Decided, decide_batch
from pipelines.dedup_index_stages import (
    ADDED,
    MEETINGS,
    REMOVED,
    REMOVED_SHARD,
    DescribeBatchStage,
    GrowBandsStage,
    KeepSurvivorsStage,
    MeetStage,
)
from pipelines.mill import Mill
from pipelines.runner import Task, run_stage, shard_tasks
from pipelines.schemas import DUPLICATES

_CODE_VERSION = 1


class IndexConfig(BaseModel):
    """The index of earlier snapshots, and what is a duplicate of what it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(
        default="dedup_index",
        description="folder of the index; a relative one stands under the data root",
        min_length=1,
    )
    update: bool = Field(default=True, description="add what stays to the index; off: look up alone")
    threshold: float = Field(
        default=0.75,
        description="Jaccard similarity of the shingle sets, 0..1, from which a document is removed",
        gt=0,
        le=1,
    )
    bucket_limit: int = Field(
        default=32, description="survivors of an LSH bucket that a document is compared with", ge=1, le=1024
    )
    order: list[LaterCriterion] = Field(
        default=["source_rank", "quality", "length"],
        description="criteria for the survivor among documents of one day; the older one wins before them, "
        "the smaller id decides last",
    )
    roles: list[str] = Field(
        default=["wikipedia", "books1", "books2", "webtext", "other", "crawl"],
        description="roles from the one whose copy stays to the one whose copy goes (source_rank)",
    )


class BatchError(ValueError):
    """This snapshot cannot be held against the index."""


def build_indexed_duplicates(mill: Mill, config: IndexConfig) -> Built:
    """Find the duplicates of the selected documents in the index and among themselves; add the rest to it.

    The index's new version is published here, once the checks hold; the caller publishes the duplicates.
    Run again for the same documents, it makes and adds nothing.
    """
    inputs = {name: current(mill.root, name) for name in ("documents", "signals", "sketches", "selection")}
    minhash = MinHashConfig.model_validate(inputs["sketches"].manifest["details"]["minhash"])
    header = index_header(minhash, config.threshold, config.bucket_limit, config.order)
    path = config.path if storage.is_remote(config.path) else _local(mill, config.path)
    latest = open_index(path) if index_exists(path) else None
    if latest:
        latest.check_header(header)
    batch, keys = _describe(mill, inputs, minhash, config.roles)
    base = _base(latest, path, batch)
    if latest is None and not config.update:
        raise DatasetError(f"{path}: there is no index; run once with index.update: true to make it")
    meet = MeetStage(keys.folder, keys.shards, minhash, base.bands.folder if base else "")
    tasks = [Task(name, {}) for name in band_names(minhash.bands)]
    upstream = [keys, base.bands] if base else [keys]
    meetings = run_stage(mill.spark, mill.root, meet, tasks, upstream)[MEETINGS.name]
    decide = _once(lambda: decide_batch(batch, meetings, base, header))
    versions = _store(mill, inputs["documents"], batch, meetings, base, header, decide)
    check = _survivors_stay(read_dataset(versions[0], DUPLICATES, ["doc_id", "survivor_id"]))
    if config.update and check.passed:
        grown = _grow(mill, path, header, base, (batch, keys), versions, meet)
        _check_unmoved(path, latest)
        publish(path, grown)
    return Built(versions, DUPLICATES, (check,), metadata={"index": path})


def _local(mill: Mill, path: str) -> str:
    return path if path.startswith("/") else mill.path(path)


def _describe(
    mill: Mill, inputs: dict[str, DatasetVersion], minhash: MinHashConfig, order: list[str]
) -> tuple[DatasetVersion, DatasetVersion]:
    roles: dict[str, str] = inputs["documents"].manifest["details"]["roles"]
    missing = sorted(set(roles.values()) - set(order))
    if missing:
        raise RoleOrderError(f"index.roles: names {order}, but the sources have roles {missing} too")
    ranks = [[source, order.index(role)] for source, role in sorted(roles.items())]
    folders = [inputs[name].folder for name in ("documents", "signals", "sketches", "selection")]
    stage = DescribeBatchStage(folders[0], folders[1], folders[2], folders[3], ranks, minhash)
    made = run_stage(mill.spark, mill.root, stage, shard_tasks(inputs["documents"]), list(inputs.values()))
    return made[batch_schema(minhash.num_perm).name], made[batch_keys_schema(minhash.bands).name]


def _base(latest: StoredIndex | None, path: str, batch: DatasetVersion) -> StoredIndex | None:
    """The version that this batch is held against: without the batch itself, if a run before added it."""
    if latest is None:
        return None
    added = [entry["batch"] for entry in latest.details["batches"]]
    if batch.version not in added:
        return latest
    if added[-1] != batch.version:
        raise BatchError(
            f"{path}: these documents are batch {added.index(batch.version)} of {len(added)} in the index; "
            "later batches were deduplicated against them, so they cannot be added again"
        )
    parent = latest.details["parent"]
    return open_index(path, parent) if parent else None


def _store(
    mill: Mill,
    documents: DatasetVersion,
    batch: DatasetVersion,
    meetings: DatasetVersion,
    base: StoredIndex | None,
    header: IndexHeader,
    decide: Callable[[], Decided],
) -> tuple[DatasetVersion, DatasetVersion, DatasetVersion]:
    """The versions of duplicates, of what the batch lost and of what it adds to shared buckets."""
    inputs = {"documents": documents, "batch": batch, "meetings": meetings}
    if base:
        inputs["index"] = base.version
    key = {"header": header.model_dump(mode="json"), "code": _CODE_VERSION}

    def duplicates() -> tuple[dict[str, pa.Table], dict[str, Any]]:
        found = decide()
        kinds = Counter(found.duplicates["kind"].to_pylist())
        counts = {**found.counts, **{f"{kind}_duplicates": n for kind, n in kinds.items()}}
        return by_shard(found.duplicates, documents), {"counts": counts}

    return (
        build_table(mill.root, DUPLICATES, key, duplicates, inputs),
        build_table(mill.root, REMOVED, key, lambda: ({REMOVED_SHARD: decide().removed}, {}), inputs),
        build_table(mill.root, ADDED, key, lambda: (decide().added, {}), inputs),
    )


def _grow(
    mill: Mill,
    path: str,
    header: IndexHeader,
    base: StoredIndex | None,
    batch: tuple[DatasetVersion, DatasetVersion],
    versions: tuple[DatasetVersion, ...],
    met: MeetStage,
) -> DatasetVersion:
    """The next version of the index, complete but not published."""
    described, keys = batch
    _, removed, added = versions
    size, batches = (base.size, base.details["batches"]) if base else (0, [])
    grow = GrowBandsStage(
        keys.folder, keys.shards, met.minhash, met.bands, removed.folder, added.folder, size
    )
    tasks = [Task(name, {}) for name in band_names(header.bands)]
    bands = run_stage(mill.spark, path, grow, tasks, [keys, removed, added])[BANDS.name]
    keep = KeepSurvivorsStage(described.folder, header.num_perm, removed.folder, len(batches))
    parts = _numbered(described, removed, size)
    name = survivors_schema(header.num_perm).name
    survivors = run_stage(mill.spark, path, keep, parts, [described, removed])[name]
    entry = {"batch": described.version, "survivors": survivors.version, "rows": survivors.rows}
    details = {
        "header": header.model_dump(mode="json"),
        "bands": bands.version,
        "batches": [*batches, entry],
        "parent": base.version.version if base else None,
        "survivors": size + survivors.rows,
    }
    return build_artifact(path, INDEX, {"code": _CODE_VERSION, **details}, lambda _: dict(details))


def _numbered(batch: DatasetVersion, removed: DatasetVersion, base: int) -> list[Task]:
    """One task a shard of the batch, with its first row and the number of its first survivor."""
    gone = np.asarray(read_shard(removed.folder, REMOVED_SHARD, REMOVED, ["row"])["row"])
    tasks, row = [], 0
    for shard in batch.manifest["shards"]:
        before = int((gone < row).sum())
        tasks.append(Task(shard["name"], {"row": row, "order": base + row - before}))
        row += shard["rows"]
    return tasks


def _check_unmoved(path: str, latest: StoredIndex | None) -> None:
    """BatchError where another run has published a version since this one began."""
    now = current(path, INDEX).version if index_exists(path) else None
    if now != (latest.version.version if latest else None):
        raise BatchError(f"{path}: another run added to the index meanwhile ({now}); run this one again")


def _survivors_stay(duplicates: pa.Table) -> Check:
    lost = set(duplicates["doc_id"].to_pylist()) & set(duplicates["survivor_id"].to_pylist())
    detail = f"{len(duplicates)} duplicates" + (f", {min(lost)} is also a survivor" if lost else "")
    return Check("survivors_stay", not lost, detail)


def _once(make: Callable[[], Decided]) -> Callable[[], Decided]:
    """`make`, run at the first call and not again."""
    made: list[Decided] = []

    def get() -> Decided:
        if not made:
            made.append(make())
        return made[0]

    return get
