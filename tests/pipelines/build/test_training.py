"""What makes two trainings the same one, and when a work folder becomes a version."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.build.training import (
    TrainingError,
    TrainingRun,
    file_stamps,
    read_lines,
    require_local,
    without,
)
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, open_version


def version_of(root: Path, text: str) -> DatasetVersion:
    return build_artifact(str(root), "data", {"text": text}, lambda folder: {})


def a_run(root: Path, text: str = "a", **key: Any) -> TrainingRun:
    return TrainingRun(str(root), "model", {"rate": 1.0, **key}, {"data": version_of(root, text)})


def test_a_training_is_told_by_its_settings_and_the_versions_of_its_inputs(tmp_path: Path) -> None:
    same = {a_run(tmp_path).version, a_run(tmp_path).version}
    others = {a_run(tmp_path, rate=2.0).version, a_run(tmp_path, "b").version}
    assert len(same) == 1
    assert len(same | others) == 3


def test_the_data_root_may_move(tmp_path: Path) -> None:
    assert a_run(tmp_path / "one").version == a_run(tmp_path / "two").version


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), {"a": 1, "b": {"c": 2, "d": 3}, "n": None}),
        (("a",), {"b": {"c": 2, "d": 3}, "n": None}),
        (("b.c",), {"a": 1, "b": {"d": 3}, "n": None}),
        (("b",), {"a": 1, "n": None}),
        (("n.x", "a.x", "absent"), {"a": 1, "b": {"c": 2, "d": 3}, "n": None}),
    ],
    ids=["none", "a key", "a nested key", "a section", "keys below what is no section"],
)
def test_neutral_settings_are_left_out(keys: tuple[str, ...], expected: dict[str, Any]) -> None:
    assert without({"a": 1, "b": {"c": 2, "d": 3}, "n": None}, keys) == expected


def test_a_work_folder_becomes_the_version_without_its_checkpoints(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.prepare("{}")
    (run.work / "checkpoints" / "step-1").mkdir(parents=True)
    (run.work / "final").mkdir()
    (run.work / "final" / "weights").write_text("w")
    with pytest.raises(TrainingError, match=r"summary\.json is missing"):
        run.close(1.0)
    assert run.finished() is None
    (run.work / "summary.json").write_text('{"loss": 1.5}')
    version = run.close(1.0)
    assert not run.work.exists()
    assert open_version(str(tmp_path), "model", run.version) == version == run.finished()
    assert version.manifest["details"]["summary"] == {"loss": 1.5}
    assert {path.name for path in Path(version.folder).iterdir()} == {
        "_manifest.json", "config.json", "final", "summary.json"
    }  # fmt: skip


def test_what_stands_where_the_version_belongs_without_a_manifest_gives_way(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (tmp_path / "model" / run.version).mkdir(parents=True)
    (tmp_path / "model" / run.version / "half").write_text("x")
    run.prepare("{}")
    (run.work / "summary.json").write_text("{}")
    assert not (Path(run.close(1.0).folder) / "half").exists()


def test_stamps_change_with_a_file_and_name_a_missing_one(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "a.jsonl"
    file.parent.mkdir()
    file.write_text("1")
    before = file_stamps([str(file), str(file.parent)])
    file.write_text("22")
    after = file_stamps([str(file), str(file.parent)])
    assert all(before[path] != after[path] for path in before)
    with pytest.raises(FileNotFoundError, match=r"absent\.jsonl: no such file or folder"):
        file_stamps([str(tmp_path / "absent.jsonl")])


def test_lines_that_a_crash_has_cut_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_lines(path) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("root", ["s3://bucket/data", "gs://bucket"])
def test_an_object_store_is_refused(root: str) -> None:
    with pytest.raises(TrainingError, match=rf"the data root is {root}\. Copy the datasets"):
        require_local(root)
    require_local("/data")
