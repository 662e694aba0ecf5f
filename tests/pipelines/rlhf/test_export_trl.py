"""TRL's columns: only those, by split, loadable as they are."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.rlhf.export_trl import trl_table, write_trl
from pipelines.rlhf.schemas import MESSAGES, PAIRS
from pipelines.rlhf.source_config import RlhfSourceConfig
from tests.pipelines.rlhf.instruction_files import read_files, said


def turn(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def pairs() -> pa.Table:
    rows = [
        {
            "judgement_id": f"j{n}",
            "prompt_id": "p",
            "prompt": turn("user", f"q{n}"),
            "chosen": turn("assistant", "c"),
            "rejected": turn("assistant", "r"),
            "chosen_id": "1",
            "rejected_id": "2",
            "margin": 2.0,
            "weight": 1.0,
            "split": split,
        }
        for n, split in enumerate(("train", "validation", "train"))
    ]
    return pa.Table.from_pylist(rows, schema=PAIRS.schema)


def test_preference_files_are_read_back(tmp_path: Path) -> None:
    assert write_trl(pairs(), "preference", str(tmp_path)) == {"train": 2, "validation": 1}
    table = pq.read_table(tmp_path / "train-00000.parquet")
    assert table.column_names == ["prompt", "chosen", "rejected", "margin"]
    raw = read_files(tmp_path / "out", RlhfSourceConfig(name="s", files=[f"{tmp_path}/train-*.parquet"]))
    assert [said(j["messages"]) for j in raw.judgements] == [[("u", "q0")], [("u", "q2")]]


def test_unpaired_rows_are_two_a_pair() -> None:
    table = trl_table(pairs(), "unpaired")
    assert table["label"].to_pylist() == [True] * 3 + [False] * 3
    assert table["completion"].type == MESSAGES
    assert [rows[0]["content"] for rows in table["completion"].to_pylist()] == list("cccrrr")


def test_datasets_loads_the_splits(tmp_path: Path) -> None:
    import datasets

    write_trl(pairs(), "prompt_only", str(tmp_path / "data"))
    loaded = datasets.load_dataset(str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 2, "validation": 1}
    assert loaded["validation"][0] == {"prompt": turn("user", "q1")}
