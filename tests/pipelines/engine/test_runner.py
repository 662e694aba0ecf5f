"""The shard runner on a real Spark: receipts, resume after a crash, dead letters, order-free results."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.engine import dataset, storage
from pipelines.engine.runner import ShardOutput, Stage, StageError, Task, run_locally, run_stage
from pipelines.schemas import DatasetSchema

NUMBERS = DatasetSchema(
    "numbers", 1, pa.schema([pa.field("n", pa.int64(), False), pa.field("s", pa.string())])
)


@dataclass(frozen=True)
class Count(Stage):
    """Writes the numbers of its payload; odd wishes come by payload key."""

    name: ClassVar[str] = "count"
    version: ClassVar[int] = 1
    factor: int = 1
    marks: str = ""

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        return (NUMBERS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        if self.marks:
            (Path(self.marks) / f"{task.name}-{os.getpid()}-{os.urandom(2).hex()}").touch()
        for n in task.payload["numbers"]:
            out.count("records")
            if n < 0:
                out.dead(f"number {n}", "negative", "only numbers from 0 are allowed")
            else:
                out.write("numbers", pa.table({"n": [n * self.factor], "s": [str(n)]}))
        if task.payload.get("fail"):
            raise RuntimeError("the disk said no")
        crash = task.payload.get("crash_once")
        if crash and not Path(crash).exists():
            Path(crash).touch()
            os.kill(os.getpid(), signal.SIGKILL)


def tasks(*groups: list[int], **more: Any) -> list[Task]:
    return [Task(f"shard-{i:05d}", {"numbers": group, **more}) for i, group in enumerate(groups)]


def values(version: dataset.DatasetVersion) -> list[int]:
    return dataset.read_dataset(version, NUMBERS)["n"].to_pylist()


def test_publishes_rows_counts_and_manifest(spark: Any, tmp_path: Path) -> None:
    made = run_stage(spark, str(tmp_path), Count(factor=2), tasks([1, 2], [3]))["numbers"]
    assert values(made) == [2, 4, 6]
    assert made.counts == {"records": 3}
    dataset.publish(str(tmp_path), made)
    published = dataset.current(str(tmp_path), "numbers")
    assert published.folder == made.folder
    assert published.manifest["config"]["factor"] == 2
    assert [s["rows"] for s in published.manifest["shards"]] == [2, 1]


def test_row_hash_is_the_same_for_any_sharding(spark: Any, tmp_path: Path) -> None:
    one = run_stage(spark, str(tmp_path), Count(), tasks([1, 2, 3, 4]))["numbers"]
    other = run_stage(spark, str(tmp_path), Count(), tasks([4], [], [2, 1], [3]))["numbers"]
    different = run_stage(spark, str(tmp_path), Count(), tasks([1, 2, 3, 5]))["numbers"]
    assert one.row_hash == other.row_hash
    assert one.row_hash != different.row_hash


def test_finished_shards_are_not_done_again(spark: Any, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    stage = Count(marks=str(marks))
    first = run_stage(spark, str(tmp_path), stage, tasks([1], [2], [3]))["numbers"]
    assert len(list(marks.iterdir())) == 3
    again = run_stage(spark, str(tmp_path), stage, tasks([1], [2], [3]))["numbers"]
    assert again.folder == first.folder
    assert len(list(marks.iterdir())) == 3

    # A run that was killed before the manifest, with one shard left to do.
    Path(first.folder, "_manifest.json").unlink()
    Path(first.folder, "_receipts", "shard-00001.json").unlink()
    Path(first.folder, "_tmp.shard-00001.parquet.abc").touch()
    os.utime(Path(first.folder, "_tmp.shard-00001.parquet.abc"), (1, 1))
    resumed = run_stage(spark, str(tmp_path), stage, tasks([1], [2], [3]))["numbers"]
    assert len(list(marks.iterdir())) == 4
    assert resumed.row_hash == first.row_hash
    assert not list(Path(first.folder).glob("_tmp.*"))


def test_a_data_root_can_be_moved(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "a" / "marks").mkdir(parents=True)
    first = run_stage(spark, str(tmp_path / "a"), Count(marks=str(tmp_path / "a" / "marks")), tasks([1]))[
        "numbers"
    ]
    (tmp_path / "a").rename(tmp_path / "b")
    moved = run_stage(spark, str(tmp_path / "b"), Count(marks=str(tmp_path / "b" / "marks")), tasks([1]))[
        "numbers"
    ]
    assert moved.version == first.version
    assert len(list((tmp_path / "b" / "marks").iterdir())) == 1


def test_a_complete_version_needs_no_spark(spark: Any, tmp_path: Path) -> None:
    run_stage(spark, str(tmp_path), Count(), tasks([1]))

    def no_session() -> Any:
        raise AssertionError("a session was asked for")

    assert values(run_stage(no_session, str(tmp_path), Count(), tasks([1]))["numbers"]) == [1]


def test_a_killed_worker_is_retried(spark: Any, tmp_path: Path) -> None:
    work = tasks([1, 2], crash_once=str(tmp_path / "crashed"))
    assert values(run_stage(spark, str(tmp_path), Count(), work)["numbers"]) == [1, 2]
    assert (tmp_path / "crashed").exists()


def test_an_error_names_stage_shard_and_cause_and_publishes_nothing(spark: Any, tmp_path: Path) -> None:
    work = [*tasks([1]), Task("shard-00001", {"numbers": [2], "fail": True})]
    with pytest.raises(StageError, match=r"stage 'count', shard-00001: RuntimeError: the disk said no"):
        run_stage(spark, str(tmp_path), Count(), work)
    with pytest.raises(dataset.DatasetError, match="has not been made yet"):
        dataset.current(str(tmp_path), "numbers")
    assert not list(tmp_path.rglob("_tmp.*"))


@pytest.mark.parametrize(("share", "passes"), [(0.5, True), (0.2, False)], ids=["within", "past"])
def test_dead_letters_are_written_and_limited(spark: Any, tmp_path: Path, share: float, passes: bool) -> None:
    work = tasks([1, -2], [3, 4])
    if not passes:
        with pytest.raises(StageError, match=r"1 of 4 records are dead letters.*negative 1.*max_dead_share"):
            run_stage(spark, str(tmp_path), Count(), work, max_dead_share=share)
        return
    made = run_stage(spark, str(tmp_path), Count(), work, max_dead_share=share)["numbers"]
    assert made.manifest["dead_letters"] == 1
    letters = pq.read_table(tmp_path / "dead_letters" / "count" / made.version).to_pylist()
    assert letters == [
        {
            "stage": "count",
            "shard": "shard-00000",
            "record": "number -2",
            "reason": "negative",
            "detail": "only numbers from 0 are allowed",
        }
    ]


def test_a_failed_run_leaves_the_last_good_version_readable(spark: Any, tmp_path: Path) -> None:
    good = run_stage(spark, str(tmp_path), Count(), tasks([1]))["numbers"]
    dataset.publish(str(tmp_path), good)
    with pytest.raises(StageError):
        run_stage(spark, str(tmp_path), Count(), tasks([2], fail=True))
    assert dataset.current(str(tmp_path), "numbers").folder == good.folder


def test_another_version_of_a_stage_inside_a_stage_is_another_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Outer(Count):
        name: ClassVar[str] = "outer"
        inner: Count = Count()

    before = Outer().fingerprint()
    monkeypatch.setattr(Count, "version", 2)
    monkeypatch.setattr(Outer, "version", 1)
    assert Outer().fingerprint() != before


def test_nothing_to_do_is_said(spark: Any, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="nothing to do"):
        run_stage(spark, str(tmp_path), Count(), [])


def test_local_run_writes_the_same_files(tmp_path: Path) -> None:
    counts = run_locally(Count(), tasks([1, -1]), str(tmp_path))
    assert counts == {"records": 2, "dead:negative": 1}
    assert pq.read_table(tmp_path / "numbers").to_pylist() == [{"n": 1, "s": "1"}]
    receipt = json.loads(storage.read_bytes(str(tmp_path / "_receipts" / "shard-00000.json")))
    assert receipt["outputs"]["numbers"]["rows"] == 1
