"""The two passes over shards: one corpus from any sharding, rows aligned, ids of pieces, errors."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.decontaminate import Decontaminator
from pipelines.decontamination.benchmarks import BenchmarkConfig
from pipelines.decontamination.decontaminate_stage import (
    DECONTAMINATED,
    GRAM_COUNTS,
    MERGED_SHARD,
    NOT_SELECTED,
    CountGramsStage,
    DecontaminateStage,
    counts_from_table,
    merged_counts,
)
from pipelines.engine.dataset import DatasetError, read_shard
from pipelines.engine.runner import StageError, Task, run_locally
from pipelines.ids import piece_id
from pipelines.schemas import CONTAMINATION, CORPUS, DOCUMENTS, SELECTED
from text.words import count_words

RARE = "rare words stand here that only one document of all the crawl holds at once"
COMMON = "all rights reserved no part of this page may be copied or printed by anyone"
OUTPUTS = (CORPUS, CONTAMINATION, DECONTAMINATED)


def prose(n: int, seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(["moss", "fern", "lake", "öl", "山"]) for _ in range(n))


def documents() -> list[dict]:
    """30 documents: 12 hold the common item, 2 the rare one, as does every fifth, which is not selected."""
    rows = []
    for number in range(30):
        text = prose(100 + number, number)
        if number % 5 in (1, 2):
            text += f" {COMMON} " + prose(100, number + 50)
        if number in (7, 13) or number % 5 == 0:
            text += f" {RARE} " + prose(150, number + 70)
        rows.append({"doc_id": f"{number:032x}", "text": text, "keep": number % 5 != 0})
    return rows


def write_inputs(root: Path, shards: list[list[dict]], group_rows: int = 4) -> list[Task]:
    for folder in ("documents", "selected"):
        (root / folder).mkdir(parents=True)
    tasks = []
    for number, rows in enumerate(shards):
        n = len(rows)
        texts = pa.array([row["text"] for row in rows], pa.string())
        columns = {field.name: pa.array([""] * n, pa.string()) for field in DOCUMENTS.schema}
        columns |= {
            "doc_id": pa.array([row["doc_id"] for row in rows], pa.string()),
            "source": pa.array(["crawl"] * n, pa.string()),
            "url": pa.array([f"http://site.invalid/{row['doc_id']}" for row in rows], pa.string()),
            "fetched_at": pa.nulls(n, DOCUMENTS.schema.field("fetched_at").type),
            "text": texts,
            "n_bytes": pa.array([len(row["text"].encode()) for row in rows], pa.int64()),
            "n_words": pa.array(count_words(texts)),
        }
        name = f"shard-{number:05d}"
        pq.write_table(
            pa.table(columns, schema=DOCUMENTS.schema),
            root / f"documents/{name}.parquet",
            row_group_size=group_rows,
        )
        chosen = {
            "doc_id": columns["doc_id"],
            "source": columns["source"],
            "language": pa.array(["en"] * n, pa.string()),
            "keep": pa.array([row["keep"] for row in rows], pa.bool_()),
        }
        pq.write_table(pa.table(chosen, schema=SELECTED.schema), root / f"selected/{name}.parquet")
        tasks.append(Task(name, {}))
    return tasks


def decontaminator(root: Path) -> str:
    root.mkdir(parents=True, exist_ok=True)
    (root / "items.txt").write_text(f"{RARE}\n{COMMON}\n")
    made = Decontaminator.from_files([BenchmarkConfig(name="items", files=[f"{root}/items.txt"])])
    made.save(f"{root}/decontaminator")
    return f"{root}/decontaminator"


def run_both(root: Path, shards: list[list[dict]]) -> dict[str, pa.Table]:
    """The three outputs, each shard after shard."""
    saved = decontaminator(root)
    tasks = write_inputs(root, shards)
    inputs = (f"{root}/documents", f"{root}/selected", saved)
    run_locally(CountGramsStage(*inputs), tasks, str(root))
    names = [task.name for task in tasks]
    merged = merged_counts(Decontaminator.load(saved), f"{root}/{GRAM_COUNTS.name}", names)
    (root / "merged").mkdir()
    pq.write_table(merged, root / f"merged/{MERGED_SHARD}.parquet")
    run_locally(DecontaminateStage(*inputs, f"{root}/merged"), tasks, str(root))
    return {
        schema.name: pa.concat_tables([read_shard(f"{root}/{schema.name}", name, schema) for name in names])
        for schema in OUTPUTS
    }


def rows_of(table: pa.Table) -> list[tuple]:
    return sorted(tuple(map(str, row.values())) for row in table.to_pylist())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run_both(tmp_path_factory.mktemp("whole"), [documents()])


@pytest.mark.parametrize("shards", [3, 7])
@pytest.mark.parametrize("seed", [None, 1], ids=["in order", "shuffled"])
def test_any_sharding_gives_the_same_rows(tmp_path, whole, shards, seed):
    rows = documents()
    if seed is not None:
        random.Random(seed).shuffle(rows)
    made = run_both(tmp_path, [rows[k::shards] for k in range(shards)])
    for name, table in whole.items():
        assert rows_of(made[name]) == rows_of(table)


def test_only_the_rare_item_is_cut(whole):
    evidence = whole["contamination"].to_pylist()
    assert {(row["action"], row["doc_id"]) for row in evidence if row["action"] == "cut"} == {
        ("cut", f"{number:032x}") for number in (7, 13)
    }
    assert {row["n_documents"] for row in evidence} == {2, 12}
    assert not any("only one document" in text for text in whole["corpus"]["text"].to_pylist())
    assert sum("may be copied" in text for text in whole["corpus"]["text"].to_pylist()) == 12


def test_pieces_have_ids_of_their_own_and_whole_documents_keep_theirs(whole):
    rows = whole["corpus"].to_pylist()
    by_parent: dict[str, list[str]] = {}
    for row in rows:
        by_parent.setdefault(row["parent_id"], []).append(row["doc_id"])
        assert row["n_bytes"] == len(row["text"].encode())
        assert row["url"].endswith(row["parent_id"])
        assert row["language"] == "en"
    assert [row["n_words"] for row in rows] == count_words(whole["corpus"]["text"]).tolist()
    cut = {f"{number:032x}" for number in (7, 13)}
    assert len(by_parent) == 24
    for parent, ids in by_parent.items():
        assert ids == ([piece_id(parent, k) for k in range(2)] if parent in cut else [parent])


def test_outcomes_are_aligned_with_documents(whole):
    rows = documents()
    table = whole["decontaminated"].to_pylist()
    assert [row["doc_id"] for row in table] == [row["doc_id"] for row in rows]
    for row, document in zip(table, rows, strict=True):
        expected = "kept" if document["keep"] else NOT_SELECTED
        assert row["outcome"] == expected
        assert (row["n_pieces"] > 0) == document["keep"]
        assert (row["benchmark"] == "items") == (RARE in document["text"] and document["keep"])


@pytest.mark.parametrize(
    "change",
    [lambda rows: rows[::-1], lambda rows: rows[:-1], lambda rows: [*rows, rows[0]]],
    ids=["another order", "a row less", "a row more"],
)
def test_a_selection_of_other_rows_is_an_error(tmp_path, change):
    saved = decontaminator(tmp_path)
    tasks = write_inputs(tmp_path, [documents()])
    path = tmp_path / "selected/shard-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(change(list(range(table.num_rows)))), path)
    stage = CountGramsStage(f"{tmp_path}/documents", f"{tmp_path}/selected", saved)
    with pytest.raises(StageError, match=r"selected/shard-00000.parquet: rows are not those of .*documents"):
        run_locally(stage, tasks, str(tmp_path))


@pytest.mark.parametrize("gram", [5, -5], ids=["unknown", "behind the last"])
def test_counts_of_other_benchmarks_are_an_error(tmp_path, gram):
    made = Decontaminator.load(decontaminator(tmp_path))
    table = pa.table({"gram": [gram], "n_documents": [1]}, schema=GRAM_COUNTS.schema)
    with pytest.raises(DatasetError, match=r"x\.parquet: counts a gram that the benchmarks do not hold"):
        counts_from_table(made, table, "x.parquet")
