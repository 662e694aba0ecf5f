"""The shard runner: a stage is a function over a shard; Spark hands out shard names, workers do the rest.

Text never passes through the JVM: a Spark task gets the number of a shard, the Python worker reads that shard
with Arrow, writes its output shard under a temporary name, renames it, leaves a receipt and yields one row of
counts. A shard that has a receipt is final; a version whose shards are all final gets a manifest. Kill anything
at any moment and run the same command again: what is finished is not done twice.
"""

import dataclasses
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from pipelines.engine import storage
from pipelines.engine.dataset import (
    RECEIPTS,
    DatasetVersion,
    close_version,
    dataset_folder,
    open_version,
)
from pipelines.engine.provenance import code_commit
from pipelines.engine.rowhash import RowHash
from pipelines.engine.shard_output import ShardOutput, Target
from pipelines.engine.stage import RECORDS, Stage, StageError, Task, digest, jsonable
from pipelines.schemas import DatasetSchema
from text.jit import sources_digest

__all__ = ["RECORDS", "ShardOutput", "Stage", "StageError", "Task", "digest", "run_locally", "run_stage"]

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 5.0


def execute(stage: Stage, task: Task, target: Target) -> dict[str, Any]:
    """Do one task here and now; return its receipt. An error names stage and shard."""
    started = time.monotonic()
    try:
        with ShardOutput(stage, task, target) as out:
            stage.process(task, out)
            return out.commit(time.monotonic() - started)
    except Exception as error:
        raise StageError(f"stage '{stage.name}', {task.name}: {type(error).__name__}: {error}") from error


def run_locally(stage: Stage, tasks: Sequence[Task], folder: str) -> dict[str, int]:
    """Run tasks one after the other without Spark into `folder`/<dataset>; return the summed counts."""
    folders = {schema.name: storage.join(folder, schema.name) for schema in stage.outputs}
    target = Target(
        folders, storage.join(folder, "dead_letters"), storage.join(folder, RECEIPTS), stage.fingerprint()
    )
    counts: Counter[str] = Counter()
    for task in tasks:
        counts.update(execute(stage, task, target)["counts"])
    return dict(counts)


def run_stage(
    spark: Any,
    root: str,
    stage: Stage,
    tasks: Sequence[Task],
    upstream: Sequence[DatasetVersion] = (),
    max_dead_share: float = 1.0,
    details: dict[str, Any] | None = None,
) -> dict[str, DatasetVersion]:
    """Run a stage over its tasks on Spark, finishing what an earlier run left; complete versions by dataset name.

    `spark` is a session or a function that makes one: it is called only if there is work left to do.
    More than `max_dead_share` dead letters among the counted records is a StageError. Publishing is the
    caller's, once the contracts hold.
    `details` are kept in the manifest for later stages and readers.
    """
    _check_task_names(stage, tasks)
    inputs = {f"{v.name}": v.version for v in upstream}
    payloads = [[task.name, jsonable(task.payload, root)] for task in tasks]
    plan = {"stage": stage.fingerprint(root), "inputs": inputs, "tasks": payloads}
    fingerprint = digest({**plan, "details": details or {}})
    version = f"v-{fingerprint[:16]}"
    names = [schema.name for schema in stage.outputs]
    done = {name: open_version(root, name, version) for name in names}
    if all(done.values()):
        log.info("%s: unchanged, %s is complete", stage.name, version)
        versions = {name: v for name, v in done.items() if v is not None}
    else:
        target = _target(root, names, stage, version, fingerprint)
        started = time.time()
        receipts = _run_tasks(spark, stage, tasks, target)
        dead = sum(receipt["dead_letters"] for receipt in receipts)
        _check_dead_share(stage, receipts, dead, max_dead_share, target)
        _sweep(target, before=started)
        versions = {
            schema.name: close_version(
                target.folders[schema.name],
                _manifest(schema, stage, version, fingerprint, receipts, inputs, details or {}),
            )
            for schema in stage.outputs
        }
    return versions


def shard_tasks(version: DatasetVersion) -> list[Task]:
    """One task for each shard of `version`, under the same names: for row-aligned outputs."""
    return [Task(shard, {}) for shard in version.shards]


def _target(root: str, names: list[str], stage: Stage, version: str, fingerprint: str) -> Target:
    folders = {name: storage.join(dataset_folder(root, name), version) for name in names}
    dead = storage.join(root, "dead_letters", stage.name, version)
    return Target(folders, dead, storage.join(folders[names[0]], RECEIPTS), fingerprint)


def _run_tasks(spark: Any, stage: Stage, tasks: Sequence[Task], target: Target) -> list[dict[str, Any]]:
    """Run the tasks that have no receipt yet; return all receipts in task order."""
    receipts = _read_receipts(target)
    left = [task for task in tasks if task.name not in receipts]
    if len(left) < len(tasks):
        log.info("%s: %d of %d shards were finished before", stage.name, len(tasks) - len(left), len(tasks))
    if left:
        session = spark() if callable(spark) else spark
        with _Progress(stage, len(tasks), len(tasks) - len(left), target):
            receipts.update(_run_on_spark(session, stage, left, target))
    return [receipts[task.name] for task in tasks]


def _run_on_spark(
    spark: Any, stage: Stage, tasks: Sequence[Task], target: Target
) -> dict[str, dict[str, Any]]:
    code = sources_digest()

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if sources_digest() != code:
            raise StageError(
                f"stage '{stage.name}': the workers run other code than the driver; install one version"
            )
        for batch in batches:
            for number in batch.column(0).to_pylist():
                receipt = execute(stage, tasks[number], target)
                yield pa.RecordBatch.from_pydict({"receipt": [json.dumps(receipt)]})

    # One range partition a task: createDataFrame(names).repartition(n) leaves partitions empty and doubles others.
    frame = spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(work, "receipt string")
    rows = collect(frame)
    receipts = [json.loads(row["receipt"]) for row in rows]
    return {receipt["name"]: receipt for receipt in receipts}


def collect(frame: Any) -> list[Any]:
    """`frame.collect()`, its failure told as `worker_errors` does."""
    with worker_errors():
        return list(frame.collect())


@contextmanager
def worker_errors() -> Iterator[None]:
    """Tells the failure of a Spark action in the worker's own last words instead of a JVM trace: StageError."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise StageError(_last_python_line(str(error))) from error


def _last_python_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines()]
    told = [line for line in lines if "StageError:" in line]
    if told:
        return told[-1].split("StageError:", 1)[1].strip()
    named = [line for line in lines if "Error:" in line or "Exception:" in line]
    return named[-1] if named else message[:2000]


def _read_receipts(target: Target) -> dict[str, dict[str, Any]]:
    receipts = {}
    for path in storage.list_files(target.receipts, "*.json"):
        if path.rpartition("/")[2].startswith("_tmp."):
            continue
        receipt = json.loads(storage.read_bytes(path))
        if receipt["fingerprint"] == target.fingerprint:
            receipts[receipt["name"]] = receipt
    return receipts


def _check_task_names(stage: Stage, tasks: Sequence[Task]) -> None:
    if not tasks:
        raise StageError(f"stage '{stage.name}' has nothing to do: its input has no shards")
    repeated = [name for name, n in Counter(task.name for task in tasks).items() if n > 1]
    if repeated:
        raise StageError(f"stage '{stage.name}': several tasks are named {repeated[0]}")


def _check_dead_share(
    stage: Stage, receipts: list[dict[str, Any]], dead: int, limit: float, target: Target
) -> None:
    records = sum(receipt["counts"].get(RECORDS, 0) for receipt in receipts)
    if not dead or dead <= limit * max(records, dead):
        return
    reasons: Counter[str] = Counter()
    for receipt in receipts:
        reasons.update({k[5:]: n for k, n in receipt["counts"].items() if k.startswith("dead:")})
    told = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(5))
    raise StageError(
        f"stage '{stage.name}': {dead} of {records} records are dead letters, more than the allowed share "
        f"{limit:g} ({told}); look at {target.dead_letters} and mend the input, or raise "
        f"ops.{stage.name}.config.max_dead_share"
    )


def _sweep(target: Target, before: float) -> None:
    """Remove the temporary files that killed attempts left before this run began."""
    for folder in {*target.folders.values(), target.receipts, target.dead_letters}:
        if storage.is_remote(folder):
            continue
        for path in storage.list_files(folder, "_tmp.*"):
            if storage.modified(path) < before:
                storage.delete_file(path)


def _manifest(
    schema: DatasetSchema,
    stage: Stage,
    version: str,
    fingerprint: str,
    receipts: list[dict[str, Any]],
    inputs: dict[str, str],
    details: dict[str, Any],
) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    rows = RowHash()
    shards = []
    for receipt in receipts:
        output = receipt["outputs"][schema.name]
        counts.update(receipt["counts"])
        rows.merge(output["row_hash"])
        shards.append({"name": receipt["name"], "rows": output["rows"], "bytes": output["bytes"]})
    return {
        "dataset": schema.name,
        "schema_version": schema.version,
        "version": version,
        "fingerprint": fingerprint,
        "stage": {"name": stage.name, "version": stage.version},
        "config": {f.name: jsonable(getattr(stage, f.name)) for f in dataclasses.fields(stage)},
        "code_commit": code_commit(),
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "inputs": inputs,
        "rows": sum(shard["rows"] for shard in shards),
        "bytes": sum(shard["bytes"] for shard in shards),
        "dead_letters": sum(receipt["dead_letters"] for receipt in receipts),
        "counts": dict(sorted(counts.items())),
        "row_hash": rows.hexdigest(),
        "seconds": round(sum(receipt["seconds"] for receipt in receipts), 3),
        "shards": shards,
        "details": details,
    }


class _Progress:
    """Says while a stage runs how many of its shards are final, from the receipts on disk."""

    def __init__(self, stage: Stage, total: int, before: int, target: Target) -> None:
        self._stage, self._total, self._before, self._target = stage, total, before, target
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"progress-{stage.name}", daemon=True)

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            seconds = time.monotonic() - self._started
            log.info("%s: %d shards in %.1f s", self._stage.name, self._total - self._before, seconds)

    def _watch(self) -> None:
        told = -1
        while not self._stop.wait(PROGRESS_SECONDS):
            done = len(storage.list_files(self._target.receipts, "[!_]*.json"))
            fresh = done - self._before
            seconds = time.monotonic() - self._started
            if done != told and fresh > 0:
                left = seconds / fresh * (self._total - done)
                log.info("%s: %d of %d shards, about %.0f s left", self._stage.name, done, self._total, left)
            told = done
