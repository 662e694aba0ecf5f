from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.rlhf.quotas import (
    PAPER_MIX,
    QuotaConfig,
    Size,
    UseCaseShare,
    apportion,
    over_quota,
    paper_quotas,
)
from pipelines.rlhf.use_case_labels import USE_CASES
from text.hashing import uniform

TABLE = pa.schema([("prompt_id", pa.string()), ("use_case", pa.string()), ("split", pa.string())])
CONFIG = QuotaConfig(
    sizes=[Size(dataset="sft", split="train", prompts=4)],
    mix=[UseCaseShare(use_case="chat", share=3), UseCaseShare(use_case="extract", share=1)],
)

ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["train", "test"])),
    max_size=16,
)
CASES = ["chat", "extract", "other", None]


def _table(rows: list[tuple[int, str]]) -> pa.Table:
    # The use case is the prompt's own, as the id decides it.
    found = [{"prompt_id": f"p{i}", "use_case": CASES[i % 4], "split": split} for i, split in rows]
    return pa.Table.from_pylist(found, schema=TABLE)


@given(ROWS, st.randoms())
def test_each_use_case_keeps_the_prompts_of_the_lowest_draws(
    rows: list[tuple[int, str]], random: Any
) -> None:
    table = _table(rows)
    kept = set()
    for case, wanted in (("chat", 3), ("extract", 1)):
        prompts = {
            row["prompt_id"]
            for row in table.to_pylist()
            if row["use_case"] == case and row["split"] == "train"
        }
        drawn = sorted(prompts, key=lambda i: uniform(pa.array([i]), 0, "quota sft train")[0])
        kept |= set(drawn[:wanted])
    expected = [row["split"] == "train" and row["prompt_id"] not in kept for row in table.to_pylist()]
    quota = over_quota(table, "sft", CONFIG)
    assert quota.drops.rows.tolist() == [i for i, gone in enumerate(expected) if gone]
    order = list(range(len(rows)))
    random.shuffle(order)
    again = over_quota(table.take(pa.array(order, pa.int64())), "sft", CONFIG)
    assert {order[row] for row in again.drops.rows.tolist()} == set(quota.drops.rows.tolist())
    assert again.shortfalls.equals(quota.shortfalls)


def test_a_shortfall_is_told_and_never_filled() -> None:
    table = _table([(i, "train") for i in (0, 4, 8, 12, 2, 6)])  # four chat, two other, no extract
    quota = over_quota(table, "sft", CONFIG)
    lines = [tuple(row.values()) for row in quota.shortfalls.to_pylist()]
    assert lines == [("sft", "train", "chat", 3, 4, 3, 0), ("sft", "train", "extract", 1, 0, 0, 1)]
    assert table.num_rows - len(quota.drops.rows) == 3


def test_without_a_size_all_stay() -> None:
    quota = over_quota(_table([(1, "train"), (2, "train")]), "prompts", CONFIG)
    assert (len(quota.drops.rows), quota.shortfalls.num_rows) == (0, 0)


def test_without_a_mix_only_the_size_counts() -> None:
    config = QuotaConfig(sizes=[Size(dataset="sft", split="train", prompts=2)])
    table = _table([(i, "train") for i in (0, 1, 2, 1)])
    quota = over_quota(table, "sft", config)
    left = set(table["prompt_id"].to_pylist()) - set(
        table["prompt_id"].take(pa.array(quota.drops.rows)).to_pylist()
    )
    assert len(left) == 2
    assert quota.shortfalls.to_pylist()[0]["available"] == 3


@given(st.integers(0, 1000), st.dictionaries(st.text("abc", min_size=1), st.floats(0.1, 9), min_size=1))
def test_parts_are_whole_add_up_and_are_within_one_of_exact(total: int, shares: dict[str, float]) -> None:
    parts = apportion(total, shares)
    assert sum(parts.values()) == total
    assert all(abs(parts[name] - total * share / sum(shares.values())) < 1 for name, share in shares.items())


def test_the_paper() -> None:
    config = paper_quotas()
    wanted = {(size.dataset, size.split): size.prompts for size in config.sizes}
    assert [wanted[name, "train"] for name in ("sft", "comparisons", "prompts")] == [12_725, 33_207, 31_144]
    assert round(sum(PAPER_MIX.values()), 1) == 99.9
    assert set(PAPER_MIX) == set(USE_CASES)


def test_a_size_named_twice_is_an_error() -> None:
    size = Size(dataset="sft", split="train", prompts=1)
    with pytest.raises(ValidationError, match="names sft train twice"):
        QuotaConfig(sizes=[size, size])
