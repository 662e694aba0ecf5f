"""Mixture: weights, the limit on epochs, the budget, and repeats that depend on the id alone."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.mixing.mixture import (
    SOURCE_STATS,
    MixtureConfig,
    MixtureError,
    RoleWeights,
    SourceWeight,
    counted_stats,
    plan,
    repeats,
    shortfall,
)
from pipelines.schemas import MIXTURE_PLAN

ROLES = ["crawl", "webtext", "books1", "books2", "wikipedia", "other"]


def stats(*rows: tuple[str, str, int]) -> pa.Table:
    return pa.table(
        [
            [r[0] for r in rows],
            [r[1] for r in rows],
            [max(r[2] // 10, 1) for r in rows],
            [r[2] for r in rows],
        ],
        schema=SOURCE_STATS,
    )


def column(table: pa.Table, name: str) -> dict[str, Any]:
    return dict(zip(table["source"].to_pylist(), table[name].to_pylist(), strict=True))


def config(**keys: Any) -> MixtureConfig:
    return MixtureConfig(**keys)


@pytest.mark.parametrize(
    ("rows", "keys", "drawn"),
    [
        pytest.param([("a", "crawl", 100)], {}, {"a": 100}, id="one_source_default_budget_is_all_text_once"),
        pytest.param(
            [("a", "crawl", 6000), ("b", "webtext", 2200)],
            {"token_budget": 820},
            {"a": 600, "b": 220},
            id="weights_normalised_over_roles_present",
        ),
        pytest.param(
            [("a", "crawl", 1000), ("b", "webtext", 300), ("c", "webtext", 100)],
            {"token_budget": 820},
            {"a": 600, "b": 165, "c": 55},
            id="one_role_is_split_by_tokens",
        ),
        pytest.param(
            [("a", "crawl", 1000), ("b", "webtext", 300), ("c", "webtext", 100)],
            {"token_budget": 860, "sources": [SourceWeight(source="c", weight=4)]},
            {"a": 600, "b": 220, "c": 40},
            id="own_weight_leaves_the_role_whole",
        ),
        pytest.param(
            [("a", "crawl", 1000), ("b", "webtext", 10)],
            {"token_budget": 820, "max_epochs": 2.0},
            {"a": 800, "b": 20},
            id="what_a_limited_source_cannot_give_goes_to_the_rest",
        ),
        pytest.param(
            [("a", "crawl", 10_000), ("b", "webtext", 100), ("c", "wikipedia", 25)],
            {"token_budget": 850, "max_epochs": 2.0},
            # c stops at 50 only if b's surplus reaches it: 650 x 3 / 63 = 31 does not.
            {"a": 619, "b": 200, "c": 30},
            id="surplus_goes_by_weight",
        ),
        pytest.param(
            [("a", "crawl", 10_000), ("b", "webtext", 100), ("c", "wikipedia", 10)],
            {"token_budget": 850, "max_epochs": 2.0},
            {"a": 630, "b": 200, "c": 20},
            id="surplus_may_limit_another_source",
        ),
        pytest.param(
            [("a", "crawl", 100), ("b", "webtext", 100)],
            {"token_budget": 1000, "max_epochs": 2.0},
            {"a": 200, "b": 200},
            id="budget_out_of_reach_draws_all_to_the_limit",
        ),
        pytest.param(
            [("a", "crawl", 100), ("b", "webtext", 0)], {}, {"a": 100, "b": 0}, id="empty_source_gets_nothing"
        ),
        pytest.param(
            [("a", "crawl", 100), ("b", "webtext", 100)],
            {"roles": RoleWeights(crawl=0)},
            {"a": 0, "b": 200},
            id="zero_weight_draws_nothing",
        ),
    ],
)
def test_drawn_tokens(rows: list[tuple[str, str, int]], keys: dict[str, Any], drawn: dict[str, int]) -> None:
    assert column(plan(stats(*rows), config(**keys)), "drawn_tokens") == drawn


def test_paper_beside_ours() -> None:
    made = plan(stats(("x", "wikipedia", 50), ("y", "other", 50)), config())
    MIXTURE_PLAN.check(made.schema, "plan")
    assert column(made, "paper_epochs") == {"x": 3.4, "y": None}
    assert column(made, "paper_weight") == {"x": 0.03, "y": None}


def test_shortfall_is_told_and_rounding_is_none() -> None:
    short = config(token_budget=1000, max_epochs=2.0)
    assert shortfall(plan(stats(("a", "crawl", 100)), short), short) == 800
    uneven = config(token_budget=100)
    assert shortfall(plan(stats(("a", "crawl", 77), ("b", "books1", 77)), uneven), uneven) == 0


@pytest.mark.parametrize(
    ("rows", "keys", "message"),
    [
        pytest.param([("a", "crawl", 1), ("a", "crawl", 2)], {}, "more than once", id="repeated_source"),
        pytest.param([("a", "news", 1)], {}, "news", id="unknown_role"),
        pytest.param(
            [("a", "crawl", 1)],
            {"sources": [SourceWeight(source="z", weight=1)]},
            r"ops\.mixture_plan\.config\.sources: names \['z'\]",
            id="weight_of_unknown_source",
        ),
        pytest.param([("a", "crawl", 1)], {"roles": RoleWeights(crawl=0)}, "weight 0", id="all_weights_zero"),
    ],
)
def test_errors_name_the_cause(rows: list[tuple[str, str, int]], keys: dict[str, Any], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        plan(stats(*rows), config(**keys))


@given(
    sizes=st.lists(st.tuples(st.sampled_from(ROLES), st.integers(0, 10**12)), min_size=1, max_size=8),
    budget=st.none() | st.integers(1, 10**13),
    max_epochs=st.floats(0.1, 8),
)
def test_promises(sizes: list[tuple[str, int]], budget: int | None, max_epochs: float) -> None:
    table = stats(*((f"s{i}", role, n) for i, (role, n) in enumerate(sizes)))
    settings = config(token_budget=budget, max_epochs=max_epochs)
    made = plan(table, settings)
    drawn, tokens, epochs, weight, share = (
        made[name].to_numpy() for name in ("drawn_tokens", "tokens", "epochs", "weight", "drawn_share")
    )
    total = int(tokens.sum())
    aim = total if budget is None else budget
    assert drawn.sum() <= aim
    assert (epochs <= max_epochs).all()
    assert np.allclose(drawn, tokens * epochs)
    if total:
        assert weight.sum() == pytest.approx(1)
        reach = min(aim, (tokens * max_epochs).sum())
        assert drawn.sum() >= reach * (1 - 1e-9) - len(tokens)
    if drawn.sum():
        assert share.sum() == pytest.approx(1)
    below = (epochs < max_epochs * (1 - 1e-6)) & (drawn > 10**6)
    ratios = drawn[below] / weight[below]
    assert np.allclose(ratios, ratios[:1].sum(), rtol=1e-5)


@given(epochs=st.floats(0, 5), seed=st.integers(0, 5))
def test_repeats_by_id_alone(epochs: float, seed: int) -> None:
    ids = pa.array([f"{i:x}" for i in range(300)])
    times = repeats(ids, epochs, seed)
    assert set(times) <= {int(epochs), int(epochs) + 1}
    assert (repeats(ids[::-1], epochs, seed)[::-1] == times).all()
    more = repeats(ids, epochs + 0.25, seed)
    assert (more >= times).all()


def test_repeats_on_average() -> None:
    times = repeats(pa.array([str(i) for i in range(20_000)]), 2.3, seed=1)
    assert times.mean() == pytest.approx(2.3, abs=0.015)


COUNTS = {
    "documents": 3,
    "documents:train:a": 2,
    "documents:validation:a": 1,
    "tokens": 3,
    "tokens:train:a": 2,
    "tokens:validation:a": 1,
}


def test_stats_take_training_rows_with_end_of_text() -> None:
    assert counted_stats(COUNTS, {"a": "crawl", "b": "other"}).to_pylist() == [
        {"source": "a", "role": "crawl", "documents": 2, "tokens": 4},
        {"source": "b", "role": "other", "documents": 0, "tokens": 0},
    ]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        pytest.param(COUNTS, "'a' has tokens but no role", id="a_source_without_role"),
        pytest.param({"documents": 3, "tokens": 3}, "materialise tokens again", id="not_counted_by_source"),
    ],
)
def test_stats_refuse(counts: dict[str, int], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        counted_stats(counts, {"b": "other"})
