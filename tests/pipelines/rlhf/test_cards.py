from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import DatasetVersion, publish
from pipelines.rlhf.cards import CardFacts, card, licence_counts, write_card
from pipelines.rlhf.schemas import PAIRS, SFT
from tests.pipelines.rlhf.sft_rows import sft_row, sft_table

ROWS = sft_table(
    sft_row(0, "a", "b", licence="MIT", language="en"),
    sft_row(1, "c", "d", licence="MIT", language="zh"),
    sft_row(2, "e", "f", source="web|site", split="validation"),
    sft_row(3, "g", "h", source="web|site", split="validation", licence="Apache-2.0"),
)
FACTS = CardFacts("Made by job build_rlhf.", ["A note."], [("Sizes", [["split", "n"], ["train", None]])])


def built(root: Path) -> DatasetVersion:
    def shards() -> tuple[dict[str, pa.Table], dict[str, object]]:
        names = ("train", "validation")
        return {f"{name}-00000": ROWS.filter(pc.equal(ROWS["split"], name)) for name in names}, {}

    version = build_table(str(root), SFT, {}, shards)
    publish(str(root), version)
    return version


def test_the_head_names_splits_licences_and_languages(tmp_path: Path) -> None:
    text = card(built(tmp_path), SFT, ROWS, FACTS)
    front = yaml.safe_load(text.split("---\n")[1])
    files = front["configs"][0]["data_files"]
    assert [file["split"] for file in files] == ["train", "validation"]
    assert (front["licences"], front["language"]) == (["Apache-2.0", "MIT", "unknown"], ["en", "zh"])
    assert front["size_categories"] == ["n<1K"]


def test_licences_are_counted_by_row_and_source(tmp_path: Path) -> None:
    version = built(tmp_path)
    text = card(version, SFT, ROWS, FACTS)
    assert "| MIT | demos | 2 |" in text
    assert "| unknown | web\\|site | 1 |" in text
    query = f"""select coalesce(licence, 'unknown'), source, count(*) as n from '{version.folder}/*.parquet'
                group by all order by n desc, 1"""
    with duckdb.connect() as sql:
        assert sql.execute(query).fetchall() == licence_counts(ROWS)


def test_every_column_is_explained(tmp_path: Path) -> None:
    text = card(built(tmp_path), SFT, ROWS, FACTS)
    for field in SFT.schema:
        assert f"| {field.name} | " in text
    assert "A note." in text
    assert "| train | None |" in text


def test_pairs_have_the_licences_of_their_judgements(tmp_path: Path) -> None:
    version = build_table(str(tmp_path), PAIRS, {}, lambda: ({"train-00000": PAIRS.schema.empty_table()}, {}))
    text = card(version, PAIRS, PAIRS.schema.empty_table(), FACTS)
    assert "joined by `judgement_id`" in text
    assert yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"] == []


@pytest.mark.slow
def test_datasets_loads_the_folder_by_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    path = write_card(str(tmp_path), built(tmp_path), SFT, ROWS, FACTS)
    loaded = datasets.load_dataset(str(Path(path).parent), cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 2, "validation": 2}
    assert loaded["train"][0]["completion"][0]["role"] == "assistant"
