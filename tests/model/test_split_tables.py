import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.data import DataError
from model.split_tables import read_split


def write(folder: Path, name: str, **columns: list[object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def test_files_named_after_splits(tmp_path: Path) -> None:
    for name, value in (("train-00001", 3), ("train-00000", 1), ("test-00000", 9)):
        write(tmp_path / "v-1", name, a=[value], b=["x"])
    (tmp_path / "CURRENT.json").write_text(json.dumps({"version": "v-1"}))
    assert read_split(tmp_path, "train", ["a"]).to_pydict() == {"a": [1, 3]}


def test_a_column_tells_the_split(tmp_path: Path) -> None:
    write(tmp_path, "data-0", a=[1, 2], split=["train", "validation"], c=[0, 0])
    write(tmp_path, "data-1", a=[3], split=["validation"])
    found = read_split(tmp_path, "validation", ["a"], optional=["c", "d"])
    assert found.to_pydict() == {"a": [2, 3]}


def test_a_plain_file_is_training_data(tmp_path: Path) -> None:
    write(tmp_path, "rows", a=[1], b=[2])
    assert read_split(tmp_path, "train", ["a"], ["b"]).to_pydict() == {"a": [1], "b": [2]}
    with pytest.raises(DataError, match=r"rows.parquet: neither its name nor a column 'split'"):
        read_split(tmp_path, "validation", ["a"])


@pytest.mark.parametrize(
    ("columns", "split", "message"),
    [
        (["a", "z"], "train", r"train-0.parquet: no column z; it has a"),
        (["a"], "test", r"no rows of split 'test'"),
        (["a"], "validation", r"no rows of split 'validation'"),
    ],
    ids=["column", "no file", "an empty file"],
)
def test_what_is_missing_is_named(tmp_path: Path, columns: list[str], split: str, message: str) -> None:
    write(tmp_path, "train-0", a=[1])
    write(tmp_path, "validation-0", a=[])
    with pytest.raises(DataError, match=message):
        read_split(tmp_path, split, columns)


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "train-0.parquet").write_text("no")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_split(tmp_path, "train", ["a"])
