"""Buckets: drawn as often as the plan says, one bucket a row group, read back in the global order."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.engine.runner import Task, run_locally
from pipelines.mixing.buckets import (
    BUCKETED_TOKENS,
    BucketStage,
    PackConfig,
    PackError,
    bucket_sizes,
    draw,
    read_bucket,
)
from pipelines.mixing.mixture import repeats
from pipelines.schemas import TOKENS
from tests.pipelines.corpus import tokens_table, write_shards
from text.hashing import uniform

EPOCHS = {"a": 2.5, "b": 0.4, "c": 0.0}


def bucketed(tmp_path: Path, rows: pa.Table, shards: int, config: PackConfig) -> tuple[str, list[str]]:
    names = write_shards(tmp_path / f"tokens{shards}", TOKENS, rows, shards)
    stage = BucketStage(str(tmp_path / f"tokens{shards}"), EPOCHS, config)
    run_locally(stage, [Task(name, {}) for name in names], str(tmp_path / f"out{shards}"))
    return str(tmp_path / f"out{shards}" / BUCKETED_TOKENS.name), names


@given(seed=st.integers(0, 3), buckets=st.integers(1, 9), n=st.integers(0, 80))
def test_drawn_as_often_as_planned(seed: int, buckets: int, n: int) -> None:
    rows = tokens_table(n)
    config = PackConfig(buckets=buckets, seed=seed)
    drawn = draw(rows, EPOCHS, config).to_pydict()
    times = np.bincount(drawn["row"], minlength=n).tolist()
    for i, row in enumerate(rows.to_pylist()):
        held_out = row["split"] == "validation"
        expected = 1 if held_out else repeats(pa.array([row["doc_id"]]), EPOCHS[row["source"]], seed)[0]
        assert times[i] == expected
    for row, bucket in zip(drawn["row"], drawn["bucket"], strict=True):
        held_out = rows["split"][row].as_py() == "validation"
        expected = buckets + "abc".index(rows["source"][row].as_py())
        assert bucket == expected if held_out else 0 <= bucket < buckets
    assert drawn["bucket"] == sorted(drawn["bucket"])


def test_repetitions_of_a_document_are_spread() -> None:
    drawn = draw(tokens_table(400), {"a": 2.0, "b": 2.0, "c": 2.0}, PackConfig(buckets=64))
    places: dict[int, set[tuple[int, float]]] = {}
    for row in drawn.to_pylist():
        places.setdefault(row["row"], set()).add((row["bucket"], row["order"]))
    twice = [place for place in places.values() if len(place) == 2]
    assert len(twice) > 300
    assert sum(len({bucket for bucket, _ in place}) == 2 for place in twice) > 0.95 * len(twice)


def test_source_without_a_plan_is_an_error() -> None:
    with pytest.raises(PackError, match="source 'b' has tokens but no line"):
        draw(tokens_table(5), {"a": 1.0, "c": 1.0}, PackConfig())


def test_a_bucket_has_row_groups_of_its_own(tmp_path: Path) -> None:
    folder, names = bucketed(tmp_path, tokens_table(200), 2, PackConfig(buckets=8))
    for name in names:
        file = pq.ParquetFile(f"{folder}/{name}.parquet")
        BUCKETED_TOKENS.check(file.schema_arrow, name)
        for group in range(file.num_row_groups):
            assert len(set(file.read_row_group(group)["bucket"].to_pylist())) == 1


def by_hand(rows: pa.Table, bucket: int, config: PackConfig) -> list[tuple[str, list[int]]]:
    """The definition, slowly: every drawing of every training document, ordered by its draw."""
    found = []
    for row in rows.to_pylist():
        ids = pa.array([row["doc_id"]])
        times = repeats(ids, EPOCHS[row["source"]], config.seed)[0] if row["split"] == "train" else 0
        for epoch in range(times):
            place = int(uniform(ids, config.seed, f"bucket, epoch {epoch}")[0] * config.buckets)
            order = uniform(ids, config.seed, f"order, epoch {epoch}")[0]
            if place == bucket:
                found.append((order, row["doc_id"], epoch, row["input_ids"]))
    return [(doc_id, tokens) for _, doc_id, _, tokens in sorted(found)]


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_bucket_is_read_in_the_global_order(tmp_path: Path, shards: int) -> None:
    rows, config = tokens_table(150), PackConfig(buckets=4, seed=1)
    folder, names = bucketed(tmp_path, rows, shards, config)
    for bucket in range(4):
        read = read_bucket(folder, names, bucket)
        found = list(zip(read["doc_id"].to_pylist(), read["input_ids"].to_pylist(), strict=True))
        assert found == by_hand(rows, bucket, config)
    held_out = read_bucket(folder, names, 5)
    assert set(held_out["source"].to_pylist()) == {"b"}
    expected = [r["doc_id"] for r in rows.to_pylist() if (r["source"], r["split"]) == ("b", "validation")]
    assert sorted(held_out["doc_id"].to_pylist()) == sorted(expected)


@pytest.mark.parametrize("limit", [0, 1, 10, 50, 10**6])
def test_head_of_a_bucket(tmp_path: Path, limit: int) -> None:
    folder, names = bucketed(tmp_path, tokens_table(150), 5, PackConfig(buckets=4))
    whole = read_bucket(folder, names, 2)
    sizes = [len(ids) + 1 for ids in whole["input_ids"].to_pylist()]
    n = next((i for i in range(len(sizes)) if sum(sizes[:i]) >= limit), len(sizes))
    assert read_bucket(folder, names, 2, limit).to_pylist() == whole.slice(0, n).to_pylist()


def test_head_leaves_other_files_tokens_alone(tmp_path: Path, monkeypatch: Any) -> None:
    folder, names = bucketed(tmp_path, tokens_table(150), 5, PackConfig(buckets=4))
    read: list[str] = []
    original = pq.ParquetFile.read_row_groups

    def watched(self: Any, groups: list[int], columns: list[str]) -> pa.Table:
        if "input_ids" in columns:
            read.append("tokens")
        return original(self, groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", watched)
    read_bucket(folder, names, 2, limit=1)
    assert read == ["tokens"]


def test_absent_bucket_is_empty(tmp_path: Path) -> None:
    folder, names = bucketed(tmp_path, tokens_table(20), 2, PackConfig(buckets=2))
    assert read_bucket(folder, names, 99).num_rows == 0


def test_sizes_count_the_end_of_text(tmp_path: Path) -> None:
    rows, config = tokens_table(150), PackConfig(buckets=4, seed=1)
    sizes = bucket_sizes(*bucketed(tmp_path, rows, 3, config))
    for bucket in range(4):
        assert sizes[bucket] == sum(len(tokens) + 1 for _, tokens in by_hand(rows, bucket, config))


def test_a_shard_without_rows_gives_an_empty_file(tmp_path: Path) -> None:
    folder, names = bucketed(tmp_path, tokens_table(0), 2, PackConfig(buckets=3))
    assert bucket_sizes(folder, names) == {}
