"""Sample: the same texts however the rows are cut, in budget, by a draw from the id."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from pipelines.engine.runner import Task, run_locally
from pipelines.mixing.sample import TEXT_SAMPLE, Sampler, SampleStage, sample
from pipelines.schemas import CORPUS
from tests.pipelines.corpus import corpus_table, write_shards
from text.hashing import uniform


def by_hand(rows: pa.Table, budgets: dict[str, int], seed: int) -> list[str]:
    """The definition, slowly: per source in the order of the draws until the budget is reached."""
    taken = []
    for source, limit in budgets.items():
        mine = [row for row in rows.to_pylist() if row["source"] == source]
        mine.sort(key=lambda row: (uniform(pa.array([row["doc_id"]]), seed, "test")[0], row["doc_id"]))
        used = 0
        for row in mine:
            if used >= limit:
                break
            taken.append(row["doc_id"])
            used += len(row["text"].encode())
    return sorted(taken)


@given(
    sizes=st.lists(st.integers(0, 40), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    limit=st.integers(0, 300),
    seed=st.integers(0, 3),
)
def test_equals_the_definition_however_cut(sizes: list[int], cuts: list[int], limit: int, seed: int) -> None:
    rows = corpus_table([("ab"[i % 2], "é" * n) for i, n in enumerate(sizes)])
    budgets = {"a": limit, "b": 20}
    edges = sorted({0, *(min(cut, len(sizes)) for cut in cuts), len(sizes)})
    parts = [rows.slice(start, end - start) for start, end in pairwise(edges)]
    whole = sample([rows], budgets, seed, "test")
    assert whole["doc_id"].to_pylist() == by_hand(rows, budgets, seed)
    assert sample(reversed(parts), budgets, seed, "test") == whole
    assert sample([sample([part], budgets, seed, "test") for part in parts], budgets, seed, "test") == whole


def test_memory_follows_the_sample_not_the_corpus() -> None:
    sampler = Sampler({"a": 10_000}, 0, "test")
    for batch in range(50):
        rows = corpus_table([("a", "x" * 1000)] * 20, first=20 * batch)
        sampler.add(rows)
        assert sampler._kept.nbytes < 100_000
    assert sampler.table().num_rows == 10


def test_stage_samples_add_up(tmp_path: Path) -> None:
    rows = corpus_table([("ab"[i % 2], "x" * i) for i in range(60)])
    shards = write_shards(tmp_path / "corpus", CORPUS, rows, 3)
    stage = SampleStage(str(tmp_path / "corpus"), {"a": 200, "b": 100}, 0, "test")
    run_locally(stage, [Task(shard, {}) for shard in shards], str(tmp_path / "out"))
    parts = [pq.read_table(tmp_path / "out" / TEXT_SAMPLE.name / f"{shard}.parquet") for shard in shards]
    assert sample(parts, stage.budgets, 0, "test") == sample([rows], stage.budgets, 0, "test")
