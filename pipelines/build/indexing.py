"""selection → duplicates by the index: a snapshot against all those before it, and added to them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from dedup.config import SOURCE_RANK, DedupConfig, Preference
from dedup.index import IndexHeader, LaterCriterion, index_header
from dedup.minhash import MinHashConfig
from pipelines.build.built import Built
from pipelines.build.removals import by_shard, source_ranks, survivors_stay
from pipelines.deduplication.dedup_index import (
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
from pipelines.deduplication.dedup_index_settle import Decided, decide_batch
from pipelines.deduplication.dedup_index_stages import (
    ADDED,
    MEETINGS,
    REMOVED,
    REMOVED_SHARD,
    DescribeBatchStage,
    GrowBandsStage,
    KeepSurvivorsStage,
    MeetStage,
)
from pipelines.engine import storage
from pipelines.engine.artifact import build_artifact, build_table
from pipelines.engine.dataset import DatasetError, DatasetVersion, current, publish, read_shard
from pipelines.engine.mill import Mill
from pipelines.engine.runner import Task, run_stage, shard_tasks
from pipelines.schemas import DUPLICATES

ROLES_KEY = "ops.duplicates.config.roles"
_CODE_VERSION = 2


class IndexConfig(BaseModel):
    """Where the index of earlier snapshots stands, and how it is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(
        default="dedup_index",
        description="folder of the index, the same one for every snapshot; a relative one stands under the "
        "data root",
        min_length=1,
    )
    update: bool = Field(default=True, description="add what stays to the index; off: look up alone")
    bucket_limit: int = Field(
        default=32, description="survivors of an LSH bucket that a document is compared with", ge=1, le=1024
    )


class IndexSettingError(ValueError):
    """A setting of deduplication has no meaning for an index."""


_NOT_HONOURED = {
    "max_pairs_bucket": "index.bucket_limit bounds the comparisons of a bucket",
    "scope": "every document is compared with all earlier ones",
    "within": "every source loses documents to every other",
    "across": "every source loses documents to every other",
    "chain_break": "a document goes only for a survivor that it is itself similar to",
    "spark_components_above_edges": "there are no components",
}
_CRITERIA: dict[Preference, LaterCriterion] = {
    Preference(by=SOURCE_RANK, keep="lowest"): "source_rank",
    Preference(by="quality_score"): "quality",
    Preference(by="n_words"): "length",
}


class BatchError(ValueError):
    """This snapshot cannot be held against the index."""


def index_criteria(dedup: DedupConfig) -> list[LaterCriterion]:
    """The survivor policy as the index knows it; IndexSettingError for a setting that it cannot honour."""
    for name, why in _NOT_HONOURED.items():
        found, default = getattr(dedup, name), DedupConfig.model_fields[name].default
        if found != default:
            raise IndexSettingError(
                f"dedup.{name} is {found!r}, but with an index {why}; leave it at {default!r}, or set "
                "index to null"
            )
    unknown = [preference for preference in dedup.survivor_order if preference not in _CRITERIA]
    if unknown:
        known = ", ".join(f"{{by: {preference.by}, keep: {preference.keep}}}" for preference in _CRITERIA)
        raise IndexSettingError(
            f"dedup.survivor_order names {{by: {unknown[0].by}, keep: {unknown[0].keep}}}, but with an index "
            f"the oldest document stays, and among those of one day the only criteria are {known}; name "
            "these alone, or set index to null"
        )
    return [_CRITERIA[preference] for preference in dedup.survivor_order]


def build_indexed_duplicates(mill: Mill, index: IndexConfig, dedup: DedupConfig, roles: list[str]) -> Built:
    """Find the duplicates of the selected documents in the index and among themselves; add the rest to it.

    The index's new version is published here, once the checks hold; the caller publishes the duplicates.
    Run again for the same documents, it makes and adds nothing. `roles` are those of source_rank, the best
    first. IndexSettingError where `dedup` asks for what an index cannot do.
    """
    inputs = {name: current(mill.root, name) for name in ("documents", "signals", "sketches", "selection")}
    minhash = MinHashConfig.model_validate(inputs["sketches"].manifest["details"]["minhash"])
    header = index_header(minhash, dedup.threshold, index.bucket_limit, index_criteria(dedup))
    of_source: dict[str, str] = inputs["documents"].manifest["details"]["roles"]
    ranks = source_ranks(of_source, roles, ROLES_KEY)
    curated = sorted(source for source, role in of_source.items() if role != "crawl")
    path = index.path if storage.is_remote(index.path) else _local(mill, index.path)
    latest = open_index(path) if index_exists(path) else None
    if latest:
        latest.check_header(header)
    batch, keys = _describe(mill, inputs, minhash, ranks)
    base = _base(latest, path, batch)
    if latest is None and not index.update:
        raise DatasetError(f"{path}: there is no index; run once with index.update: true to make it")
    meet = MeetStage(keys.folder, keys.shards, minhash, base.bands.folder if base else "")
    tasks = [Task(name, {}) for name in band_names(minhash.bands)]
    upstream = [keys, base.bands] if base else [keys]
    meetings = run_stage(mill.spark, mill.root, meet, tasks, upstream)[MEETINGS.name]
    decide = _once(lambda: decide_batch(batch, meetings, base, header, curated))
    told = {
        "dedup": dedup.model_dump(mode="json"),
        "roles": roles,
        # Whether the index is added to does not change what is found.
        "index": index.model_dump(mode="json", exclude={"update"}),
    }
    key = {
        "config": told,
        "header": header.model_dump(mode="json"),
        "curated": curated,
        "code": _CODE_VERSION,
    }
    versions = _store(mill, inputs["documents"], batch, meetings, base, key, decide)
    check = survivors_stay(versions[0])
    if index.update and check.passed:
        grown = _grow(mill, path, header, base, (batch, keys), versions, meet)
        _check_unmoved(path, latest)
        publish(path, grown)
    return Built(versions, DUPLICATES, (check,), metadata={"index": path})


def _local(mill: Mill, path: str) -> str:
    return path if path.startswith("/") else mill.path(path)


def _describe(
    mill: Mill, inputs: dict[str, DatasetVersion], minhash: MinHashConfig, ranks: dict[str, int]
) -> tuple[DatasetVersion, DatasetVersion]:
    by_source = [[source, rank] for source, rank in sorted(ranks.items())]
    folders = [inputs[name].folder for name in ("documents", "signals", "sketches", "selection")]
    stage = DescribeBatchStage(folders[0], folders[1], folders[2], folders[3], by_source, minhash)
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
    key: dict[str, Any],
    decide: Callable[[], Decided],
) -> tuple[DatasetVersion, DatasetVersion, DatasetVersion]:
    """The versions of duplicates, of what the batch lost and of what it adds to shared buckets."""
    inputs = {"documents": documents, "batch": batch, "meetings": meetings}
    if base:
        inputs["index"] = base.version

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


def _once(make: Callable[[], Decided]) -> Callable[[], Decided]:
    """`make`, run at the first call and not again."""
    made: list[Decided] = []

    def get() -> Decided:
        if not made:
            made.append(make())
        return made[0]

    return get
