"""Artifacts: made once for the same key and inputs, complete or not at all."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.engine.artifact import build_artifact, build_table
from pipelines.engine.dataset import DatasetError, current, publish, read_dataset
from pipelines.schemas import DatasetSchema

NAMES = DatasetSchema("names", 1, pa.schema([pa.field("name", pa.string(), False)]))


def test_is_made_once_for_the_same_key(tmp_path: Path) -> None:
    made: list[int] = []

    def make(folder: Path) -> dict[str, Any]:
        made.append(1)
        (folder / "model.json").write_text("{}")
        (folder / "sub").mkdir()
        (folder / "sub" / "weights").write_bytes(b"w")
        return {"auc": 0.9}

    first = build_artifact(str(tmp_path), "model", {"seed": 1}, make)
    again = build_artifact(str(tmp_path), "model", {"seed": 1}, make)
    other = build_artifact(str(tmp_path), "model", {"seed": 2}, make)
    assert len(made) == 2
    assert first.folder == again.folder != other.folder
    assert (Path(first.folder) / "sub" / "weights").read_bytes() == b"w"
    publish(str(tmp_path), other)
    assert current(str(tmp_path), "model").manifest["details"] == {"auc": 0.9}


def test_a_new_upstream_version_makes_it_again(tmp_path: Path) -> None:
    one = build_artifact(str(tmp_path), "up", {"k": 1}, lambda _: {})
    two = build_artifact(str(tmp_path), "up", {"k": 2}, lambda _: {})
    a = build_artifact(str(tmp_path), "down", {}, lambda _: {}, {"up": one})
    b = build_artifact(str(tmp_path), "down", {}, lambda _: {}, {"up": two})
    assert a.folder != b.folder
    assert b.manifest["inputs"] == {"up": two.version}


def test_a_failed_make_publishes_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> dict[str, Any]:
        (folder / "half").touch()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        build_artifact(str(tmp_path), "model", {}, make)
    with pytest.raises(DatasetError, match="has not been made yet"):
        current(str(tmp_path), "model")


def test_a_table_becomes_a_dataset_with_its_schema(tmp_path: Path) -> None:
    tables = {"shard-00000": pa.table({"name": ["a"]}), "shard-00001": pa.table({"name": ["b", "c"]})}
    version = build_table(str(tmp_path), NAMES, {}, lambda: (tables, {"counts": {"x": 1}}))
    assert read_dataset(version, NAMES)["name"].to_pylist() == ["a", "b", "c"]
    assert version.rows == 3
    assert version.counts == {"x": 1}
    assert len(version.row_hash) == 32
