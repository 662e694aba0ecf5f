"""Dataset card: load_dataset(folder) reads the named version's splits with no further argument."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.engine.dataset import DatasetVersion
from pipelines.mixing.dataset_card import CardFacts, card, split_rows, write_card
from pipelines.mixing.mixture import SOURCE_STATS, MixtureConfig, plan
from pipelines.mixing.pack import cut, lay_out
from pipelines.schemas import pretraining_schema

CONTEXT = 7


def packed(value: int, n: int, split: str) -> pa.Table:
    ids = pa.array([[value] * 7] * n, pa.list_(pa.int32()))
    names = [f"{split}{i}" for i in range(n)]
    documents = lay_out([pa.table({"doc_id": names, "source": ["a"] * n, "input_ids": ids})], 0)
    return cut(documents, 0, CONTEXT, split)


def version(root: Path, name: str, files: dict[str, pa.Table]) -> DatasetVersion:
    folder = root / "pretraining" / name
    (folder / "_receipts").mkdir(parents=True)
    (folder / "_manifest.json").write_text("{}")
    (folder / "_receipts" / "train-00000.json").write_text("{}")
    for file, table in files.items():
        pq.write_table(
            table.cast(pretraining_schema(CONTEXT).schema), folder / f"{file}.parquet", row_group_size=64
        )
    shards = [{"name": file, "rows": table.num_rows, "bytes": 0} for file, table in files.items()]
    return DatasetVersion(str(folder), {"dataset": "pretraining", "version": name, "shards": shards})


@pytest.fixture
def facts() -> CardFacts:
    stats = pa.table([["crawl|x", "b"], ["crawl", "other"], [10, 5], [1000, 500]], schema=SOURCE_STATS)
    made = plan(stats, MixtureConfig())
    return CardFacts(
        CONTEXT, made, {"train": 3}, ["crawl: WARC files"], ["crawl: unknown"], "Made by a test."
    )


def load(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", root / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return datasets.load_dataset(str(root / "pretraining"), cache_dir=str(root / "cache"))


def test_load_dataset_reads_both_splits(
    tmp_path: Path, facts: CardFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"train-00000": packed(1, 70, "train"), "train-00003": packed(2, 5, "train")}
    made = version(tmp_path, "v-1", {**files, "validation-00001": packed(3, 2, "validation")})
    write_card(str(tmp_path), made, facts)
    loaded = load(tmp_path, monkeypatch)
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 75, "validation": 2}
    assert loaded["train"][74]["input_ids"] == [2] * 7 + [0]
    assert loaded["validation"][1]["doc_ids"] == ["validation1"]
    assert set(loaded["train"].column_names) == set(pretraining_schema(CONTEXT).schema.names)


def test_a_new_version_replaces_the_old_one(
    tmp_path: Path, facts: CardFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_card(str(tmp_path), version(tmp_path, "v-1", {"train-00000": packed(1, 4, "train")}), facts)
    assert len(load(tmp_path, monkeypatch)["train"]) == 4
    write_card(str(tmp_path), version(tmp_path, "v-2", {"train-00000": packed(2, 3, "train")}), facts)
    assert load(tmp_path, monkeypatch)["train"]["input_ids"] == [[2] * 7 + [0]] * 3


def test_split_without_files_is_not_named(tmp_path: Path, facts: CardFacts) -> None:
    made = version(tmp_path, "v-1", {"train-00000": packed(1, 4, "train")})
    assert split_rows(made) == {"train": 4}
    head = yaml.safe_load(card(made, facts).split("---\n")[1])
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "v-1/train-*.parquet"}]


def test_card_tells_size_mixture_and_loss(tmp_path: Path, facts: CardFacts) -> None:
    text = card(version(tmp_path, "v-1", {"train-00000": packed(1, 1500, "train")}), facts)
    assert "size_categories:\n- 1K<n<10K\n" in text
    assert "| train | 1,500 | 12,000 |" in text
    assert "| crawl\\|x | crawl | 10 | 1,000 | 98.4% | 1.48 | 1,475 | 98.4% | 410 B | 60% | 0.44 |" in text
    assert "end of a stream: train 3." in text
    assert "- crawl: WARC files" in text
    for name in pretraining_schema(CONTEXT).schema.names:
        assert f"| {name} |" in text
