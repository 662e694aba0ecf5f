from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dedup.config import DedupConfig
from pipelines.deduplication.deduplicate import deduplicate, duplicates_in_memory
from pipelines.deduplication.document_rows import AlignmentError
from pipelines.engine.runner import StageError
from pipelines.schemas import DUPLICATES
from tests.pipelines.dedup_corpus import (
    MINHASH,
    RANKS,
    UNIGRAMS,
    clustered_texts,
    corpus,
    everything,
    sharded,
    stored,
    words,
)

CONFIG = DedupConfig()


def word_jaccard(left: str, right: str) -> float:
    if left.split() == right.split():
        return 1.0
    # A text without words has no shingle to share.
    a, b = ({word for word in text.split() if word[0] == "w"} for text in (left, right))
    return len(a & b) / max(len(a | b), 1)


def brute_force(tables: dict[str, pa.Table], threshold: float) -> dict[str, str]:
    """Removed id -> survivor id by comparing everything with everything."""
    rows = tables["documents"].to_pylist()
    quality = dict(
        zip(
            tables["signals"]["doc_id"].to_pylist(),
            tables["signals"]["quality_score"].to_pylist(),
            strict=True,
        )
    )
    rows.sort(key=lambda row: (RANKS[row["source"]], -quality[row["doc_id"]], -row["n_words"], row["doc_id"]))
    survivor: dict[str, str] = {}
    for best in rows:
        if best["doc_id"] in survivor:
            continue
        for other in rows:
            if other["doc_id"] not in survivor and word_jaccard(best["text"], other["text"]) >= threshold:
                survivor[other["doc_id"]] = best["doc_id"]
    return {removed: stays for removed, stays in survivor.items() if removed != stays}


@pytest.mark.parametrize("seed", range(4))
def test_duplicates_are_those_of_brute_force(seed: int) -> None:
    tables = corpus(clustered_texts(seed), UNIGRAMS)
    found = duplicates_in_memory(sharded(tables, 1, minhash=UNIGRAMS), everything, RANKS, CONFIG)
    pairs = dict(zip(found["doc_id"].to_pylist(), found["survivor_id"].to_pylist(), strict=True))
    assert pairs == brute_force(tables, CONFIG.threshold)
    assert len(pairs) > 20


def test_the_table_is_in_the_dataset_s_form_and_says_why() -> None:
    tables = corpus(clustered_texts(3), UNIGRAMS)
    found = duplicates_in_memory(sharded(tables, 2, minhash=UNIGRAMS), everything, RANKS, CONFIG)
    texts = dict(
        zip(tables["documents"]["doc_id"].to_pylist(), tables["documents"]["text"].to_pylist(), strict=True)
    )
    rows = found.to_pylist()
    assert found.schema == DUPLICATES.schema
    assert [row["doc_id"] for row in rows] == sorted(row["doc_id"] for row in rows)
    for row in rows:
        left, right = texts[row["doc_id"]], texts[row["survivor_id"]]
        assert (row["kind"] == "exact") == (left.split() == right.split())
        assert row["jaccard"] == pytest.approx(word_jaccard(left, right), abs=0.13)
        assert row["jaccard"] >= CONFIG.threshold
    sizes = Counter(row["survivor_id"] for row in rows)
    assert all(row["cluster_size"] == sizes[row["survivor_id"]] + 1 for row in rows)
    assert {"exact", "near"} == {row["kind"] for row in rows}


@pytest.mark.parametrize("chain_break", [True, False])
@pytest.mark.parametrize("shards", [1, 3, 7])
def test_neither_order_nor_sharding_changes_the_duplicates(shards: int, chain_break: bool) -> None:
    config = DedupConfig(chain_break=chain_break, max_pairs_bucket=4)
    tables = corpus(clustered_texts(9, 150), UNIGRAMS)
    counts: list[Counter[str]] = [Counter(), Counter()]
    first = duplicates_in_memory(sharded(tables, 1, minhash=UNIGRAMS), everything, RANKS, config, counts[0])
    dealt = sharded(tables, shards, seed=shards, minhash=UNIGRAMS)
    again = duplicates_in_memory(dealt, everything, RANKS, config, counts[1])
    assert again.equals(first)
    assert counts[1] == counts[0]
    assert len(first) > 20


@pytest.mark.parametrize(
    ("texts", "duplicates"),
    [
        pytest.param(["good morning", "good evening"], 0, id="different two-word texts"),
        pytest.param(["good morning", "good  morning"], 1, id="equal two-word texts"),
        pytest.param(["?!", "!?"], 0, id="different texts without words"),
        pytest.param(["", " "], 1, id="empty texts are exact copies"),
        pytest.param([words(0, 300), words(500, 800)], 0, id="unrelated"),
        pytest.param([words(0, 300), words(0, 300).upper()], 1, id="case alone"),
    ],
)
def test_pairs(texts: list[str], duplicates: int) -> None:
    tables = corpus(texts, MINHASH)
    assert len(duplicates_in_memory(sharded(tables, 1), everything, RANKS, CONFIG)) == duplicates


def test_a_document_that_is_not_eligible_removes_nothing_and_is_not_removed() -> None:
    texts = [words(0, 200), words(0, 200) + " x", words(0, 200) + " y", words(0, 200) + " z"]
    tables = corpus(texts, MINHASH, sources=["books", "crawl", "crawl", "crawl"])

    def crawl_alone(shard: str, documents: pa.Table) -> np.ndarray:
        assert "text" not in documents.column_names
        return np.array([source == "crawl" for source in documents["source"].to_pylist()], dtype=bool)

    found = duplicates_in_memory(sharded(tables, 2), crawl_alone, RANKS, CONFIG)
    assert len(found) == 2
    assert {*found["source"].to_pylist(), *found["survivor_source"].to_pylist()} == {"crawl"}


def test_curated_sources_outrank_the_crawl() -> None:
    texts = [words(0, 200) + f" x{i}" for i in range(4)]
    tables = corpus(texts, MINHASH, sources=["crawl", "crawl", "books", "crawl"])
    found = duplicates_in_memory(sharded(tables, 1), everything, RANKS, CONFIG)
    assert found["survivor_source"].to_pylist() == ["books"] * 3


def test_counts_say_how_much_was_compared() -> None:
    tables = corpus([words(0, 100)] * 50, MINHASH)
    counts: Counter[str] = Counter()
    duplicates_in_memory(sharded(tables, 1), everything, RANKS, CONFIG, counts)
    assert counts == {"candidate_pairs": 97, "measured_pairs": 97, "similar_pairs": 97, "hub_buckets": 15}


def test_texts_without_words_are_not_even_compared() -> None:
    tables = corpus(["?" * i for i in range(1, 40)], MINHASH)
    counts: Counter[str] = Counter()
    duplicates_in_memory(sharded(tables, 1), everything, RANKS, CONFIG, counts)
    assert counts["candidate_pairs"] == 0


@pytest.mark.parametrize("dataset", ["signals", "sketches"])
def test_datasets_that_are_not_aligned_are_refused(dataset: str) -> None:
    tables = corpus(["a b", "c d"], MINHASH)
    tables[dataset] = tables[dataset].take(pa.array([1, 0]))
    with pytest.raises(AlignmentError, match=f"shard-00000: dataset '{dataset}'"):
        duplicates_in_memory(sharded(tables, 1), everything, RANKS, CONFIG)


def test_a_source_without_a_rank_is_named() -> None:
    tables = corpus(["a b", "a b"], MINHASH, sources=["crawl", "novels"])
    with pytest.raises(ValueError, match="source 'novels' has no rank"):
        duplicates_in_memory(sharded(tables, 1), everything, RANKS, CONFIG)


def test_a_selection_of_another_shape_is_refused() -> None:
    tables = corpus(["a b", "c d"], MINHASH)
    with pytest.raises(ValueError, match="shard-00000: the selection gave int64"):
        duplicates_in_memory(sharded(tables, 1), lambda s, d: np.array([0, 1]), RANKS, CONFIG)


def test_stored_rows_are_taken_from_the_row_groups_that_hold_them(tmp_path: Path) -> None:
    tables = corpus(clustered_texts(1), MINHASH)
    rows = stored(sharded(tables, 1), tmp_path)
    wanted = np.array([0, 15, 16, 40, 79], dtype=np.int64)
    for name, column in (("documents", "text"), ("sketches", "signature")):
        taken = rows.take(name, 0, [column], wanted).column(column).to_pylist()
        assert taken == tables[name][column].take(pa.array(wanted)).to_pylist()


def test_a_row_past_the_shard_s_end_is_refused(tmp_path: Path) -> None:
    rows = stored(sharded(corpus(["a b"], MINHASH), 1), tmp_path)
    with pytest.raises(AlignmentError, match="1 rows, expected at least 6"):
        rows.take("documents", 0, ["text"], np.array([5], dtype=np.int64))


@pytest.mark.parametrize(
    ("shards", "options"),
    [
        pytest.param(1, {}, id="one shard"),
        pytest.param(5, {}, id="five shards"),
        pytest.param(5, {"spark_components_above_edges": 0}, id="components by the workers"),
        pytest.param(
            3, {"spark_components_above_edges": 0, "chain_break": False}, id="workers, whole components"
        ),
    ],
)
def test_spark_finds_what_memory_finds(
    spark: Any, tmp_path: Path, shards: int, options: dict[str, Any]
) -> None:
    config = DedupConfig(max_pairs_bucket=4, **options)
    tables = corpus(clustered_texts(9, 150), MINHASH)
    rows = sharded(tables, shards, seed=shards)
    here: Counter[str] = Counter()
    there: Counter[str] = Counter()
    expected = duplicates_in_memory(rows, everything, RANKS, config, here)
    found = deduplicate(spark, stored(rows, tmp_path), everything, RANKS, config, there)
    assert found.equals(expected)
    assert there == here
    assert min(here.values()) > 0


def test_an_error_in_a_worker_names_the_shard(spark: Any, tmp_path: Path) -> None:
    tables = corpus(["a b", "c d"], MINHASH)
    rows = stored(sharded(tables, 1), tmp_path)
    with pytest.raises(StageError, match=r"shard-00000.*the selection gave"):
        deduplicate(spark, rows, lambda s, d: np.array([1.0]), RANKS, CONFIG)
