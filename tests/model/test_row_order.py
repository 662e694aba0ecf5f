from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.row_order import ROWS, MixedOrder, Order, RowOrder

SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(sum)


@given(SIZES, st.integers(0, 2**63 - 1), st.integers(1, 40), st.integers(0, 3))
def test_every_epoch_has_each_row_once(sizes: list[int], seed: int, window: int, epoch: int) -> None:
    order = RowOrder(sizes, seed, window)
    rows = order.rows(epoch * len(order), len(order))
    assert sorted(rows.tolist()) == list(range(sum(sizes)))


@settings(max_examples=50, deadline=None)
@given(SIZES, st.integers(1, 40), st.integers(0, 100), st.integers(0, 30))
def test_a_stretch_is_the_same_from_any_entry(sizes: list[int], window: int, start: int, count: int) -> None:
    whole = RowOrder(sizes, 1, window).rows(0, 200)
    assert RowOrder(sizes, 1, window).rows(start, count).tolist() == whole[start : start + count].tolist()


def mixed(weights: Sequence[float] = (3.0, 1.0)) -> MixedOrder:
    orders = {"x": RowOrder([8] * 10, 1, 16), "y": RowOrder([8] * 5, 1, 16)}
    return MixedOrder(orders, dict(zip(orders, weights, strict=True)), seed=1)


@pytest.mark.parametrize(
    "order",
    [RowOrder([80], 1, 100), RowOrder([1] * 80, 1, 1), mixed()],
    ids=["rows_of_a_window", "groups", "mixed"],
)
def test_orders_of_different_epochs_differ(order: Order) -> None:
    first, second = order.rows(0, 80).tolist(), order.rows(80, 80).tolist()
    assert first != second
    assert sorted(first) != first
    assert sorted(second) != second


def test_orders_of_different_seeds_differ() -> None:
    assert RowOrder([8] * 10, 1, 16).rows(0, 80).tolist() != RowOrder([8] * 10, 2, 16).rows(0, 80).tolist()


def finalise(x: int) -> int:
    """splitmix64's step in Python's unbounded integers."""
    size = 2**64
    x = (x + 0x9E3779B97F4A7C15) % size
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % size
    x = (x ^ x >> 27) * 0x94D049BB133111EB % size
    return x ^ x >> 31


def test_an_order_is_the_same_on_every_machine() -> None:
    state = 0
    for part in (7, ROWS, 0):
        state = finalise(state ^ part)
    expected = sorted(range(8), key=lambda row: finalise(finalise(row) ^ state))
    assert RowOrder([4, 4], 7, 100).rows(0, 8).tolist() == expected


def test_a_window_holds_few_groups() -> None:
    order = RowOrder([8] * 100, 3, window_rows=32)
    windows = order.rows(0, 800).reshape(-1, 32)
    assert {len(set((window // 8).tolist())) for window in windows} == {4}
    # Within a window rows of different groups are shuffled among each other.
    assert all((np.diff(window // 8) != 0).sum() > 10 for window in windows)
    assert order.window_limit() == 40


def test_a_group_larger_than_the_window_is_a_window() -> None:
    rows = RowOrder([50, 50, 50], 3, window_rows=10).rows(0, 150)
    assert {len(set((part // 50).tolist())) for part in rows.reshape(3, 50)} == {1}


@pytest.mark.parametrize("order", [RowOrder([8] * 10, 1, 16), mixed()], ids=["rows", "mixed"])
@pytest.mark.parametrize("place", [0, 17, 80, 333])
def test_a_state_leads_back_to_its_place(order: Order, place: int) -> None:
    assert order.place(order.state(place)) == place


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (RowOrder([8] * 9 + [9], 1, 16), "rows"),
        (RowOrder([16] * 5, 1, 16), "groups"),
        (RowOrder([8] * 10, 2, 16), "seed"),
        (RowOrder([8] * 10, 1, 17), "window_rows"),
    ],
    ids=["other_rows", "other_groups", "other_seed", "other_window"],
)
def test_a_state_of_other_data_is_refused(other: RowOrder, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        other.place(RowOrder([8] * 10, 1, 16).state(5))


def test_a_mixture_of_other_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="mixed as"):
        mixed((1.0, 1.0)).place(mixed().state(5))


def test_a_mixture_draws_by_weight_and_each_source_without_replacement() -> None:
    rows = mixed().rows(0, 2000)
    from_x = rows[rows < 80]
    assert abs(len(from_x) / 2000 - 0.75) < 0.04  # four standard errors
    assert sorted(from_x[:80].tolist()) == list(range(80))
    from_y = rows[rows >= 80]
    assert sorted(from_y[:40].tolist()) == list(range(80, 120))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 300))
def test_a_mixture_is_the_same_from_any_entry(counts: list[int], start: int) -> None:
    whole = mixed().rows(0, 1000).tolist()
    order, at = mixed(), start
    for count in counts:
        assert order.rows(at, count).tolist() == whole[at : at + count]
        at += count


def test_a_mixture_goes_back() -> None:
    order = mixed()
    first = order.rows(0, 50).tolist()
    order.rows(500, 50)
    assert order.state(20)["drawn"] == 20
    assert order.rows(0, 50).tolist() == first


@pytest.mark.parametrize(
    "weights", [(0.0, 0.0), (-1.0, 2.0), (float("nan"), 1.0)], ids=["all_zero", "negative", "not_a_number"]
)
def test_weights_must_be_shares(weights: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        mixed(weights)


def test_weight_zero_is_never_drawn() -> None:
    assert mixed((0.0, 1.0)).rows(0, 500).min() >= 80
