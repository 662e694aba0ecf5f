import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.data import DataError, PackedRows, ParquetRows
from model.row_order import RowOrder
from tests.model.packed import LENGTH, numbered, packed_table, small_dataset, write_packed


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_dataset(tmp_path / "data")


def test_rows_by_number_are_those_of_the_files(data: Path) -> None:
    rows = PackedRows(data)
    wanted = np.array([63, 0, 24, 23, 24])
    assert (len(rows), rows.length) == (64, LENGTH)
    np.testing.assert_array_equal(rows.take(wanted), numbered(range(64))[wanted])


def test_the_pointer_names_the_version(tmp_path: Path) -> None:
    write_packed(tmp_path / "v-old", {"train-00000": range(3)})
    write_packed(tmp_path / "v-new", {"train-00000": range(5)})
    (tmp_path / "CURRENT.json").write_text(json.dumps({"version": "v-new"}))
    assert len(PackedRows(tmp_path)) == 5


def test_a_split_by_column(tmp_path: Path) -> None:
    tables = [packed_table(numbered(range(9)), ["a"] * 9, split) for split in ("train", "validation")]
    pq.write_table(pa.concat_tables(tables), tmp_path / "shard-00000.parquet", row_group_size=4)
    rows = PackedRows(tmp_path, "validation")
    np.testing.assert_array_equal(rows.take(np.arange(9)), numbered(range(9)))
    assert rows.group_sizes().tolist() == [0, 0, 3, 4, 2]


def test_plain_files_are_training_data(tmp_path: Path) -> None:
    pq.write_table(
        packed_table(numbered(range(3)), ["a"] * 3, "").select(["input_ids"]), tmp_path / "x.parquet"
    )
    assert len(PackedRows(tmp_path)) == 3


def test_a_source_is_picked(data: Path) -> None:
    rows = PackedRows(data, source="b")
    np.testing.assert_array_equal(rows.take(np.arange(len(rows))), numbered(range(64))[::3])
    assert set(rows.sources().tolist()) == {"b"}
    assert rows.group_sizes().sum() == len(rows) == 22


def test_lists_of_equal_length_serve_too(tmp_path: Path) -> None:
    table = pa.table({"input_ids": pa.array(numbered(range(3)).tolist(), pa.list_(pa.uint16()))})
    pq.write_table(table, tmp_path / "train-0.parquet")
    np.testing.assert_array_equal(PackedRows(tmp_path).take(np.array([2])), numbered(range(2, 3)))


def test_an_epoch_decodes_each_group_once_and_holds_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_packed(tmp_path, {f"train-{i}": range(i * 80, i * 80 + 80) for i in range(5)})
    order = RowOrder([8] * 50, 0, window_rows=64)
    rows = PackedRows(folder, cached_rows=order.window_limit())
    rows.group(0)
    decoded, held = [], []
    decode = PackedRows.decode

    def counting(self: PackedRows, table: pa.Table, where: str) -> object:
        decoded.append(where)
        held.append(sum(len(group) for group in self._decoded.values()))
        return decode(self, table, where)

    monkeypatch.setattr(PackedRows, "decode", counting)
    for start in range(0, 400, 16):
        rows.take(order.rows(start, 16))
    assert len(decoded) <= 50
    assert len(set(decoded)) == len(decoded)
    assert max(held) <= order.window_limit()


def bad(folder: Path, case: str) -> None:
    good = packed_table(numbered(range(4)), ["a"] * 4, "train")
    if case == "other_column":
        pq.write_table(good.rename_columns(["tokens", "source", "split"]), folder / "train-0.parquet")
    elif case == "not_parquet":
        (folder / "train-0.parquet").write_text("no")
    elif case == "nulls":
        ids = pa.array([[1, None, 2]], pa.list_(pa.int32()))
        pq.write_table(pa.table({"input_ids": ids}), folder / "train-0.parquet")
    elif case == "unequal":
        ids = pa.array([[1, 2, 3], [1, 2]], pa.list_(pa.int32()))
        pq.write_table(pa.table({"input_ids": ids}), folder / "train-0.parquet")
    elif case == "large_id":
        pq.write_table(packed_table([[1, 5000]], ["a"], "train"), folder / "train-0.parquet")
    elif case == "validation_only":
        pq.write_table(good, folder / "validation-0.parquet")
    elif case == "bad_pointer":
        (folder / "CURRENT.json").write_text("{}")
    elif case == "lost_version":
        (folder / "CURRENT.json").write_text('{"version": "v-gone"}')


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("empty", "no .parquet files"),
        ("other_column", r"train-0.parquet: no column input_ids; it has tokens, source"),
        ("not_parquet", "not a readable Parquet file"),
        ("nulls", "row group 0: column 'input_ids' holds nulls"),
        ("unequal", "row 0: 3 tokens|row 1: 2 tokens"),
        ("large_id", "token id 5000 does not fit a vocabulary of 97"),
        ("validation_only", "no rows of split 'train'"),
        ("bad_pointer", "CURRENT.json: expected a JSON object with 'version'"),
        ("lost_version", "v-gone: no such folder"),
    ],
)
def test_bad_folders_are_told(tmp_path: Path, case: str, message: str) -> None:
    bad(tmp_path, case)
    with pytest.raises(DataError, match=message):
        PackedRows(tmp_path, vocab_size=97)


def test_an_unknown_source_is_told(data: Path) -> None:
    with pytest.raises(DataError, match="no rows of split 'train' of source 'books'"):
        PackedRows(data, source="books")


def test_other_tables_by_number(tmp_path: Path) -> None:
    table = pa.table(
        {
            "messages": [[{"role": "user", "content": str(i)}] for i in range(10)],
            "split": ["train"] * 9 + ["test"],
        }
    )
    pq.write_table(table, tmp_path / "shard-00000.parquet", row_group_size=3)
    rows = ParquetRows(tmp_path, "train", ["messages"])
    assert len(rows) == 9
    assert [m[0]["content"] for m in rows.take(np.array([8, 0, 4]))["messages"].to_pylist()] == [
        "8",
        "0",
        "4",
    ]
    assert rows.group_sizes().tolist() == [3, 3, 3, 0]
