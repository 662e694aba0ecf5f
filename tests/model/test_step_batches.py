import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.loader import Loader
from model.step_batches import StepOrder, StepPlan, digest, micro_batches


@pytest.mark.parametrize(("items", "batch", "steps"), [(7, 3, 3), (6, 3, 2), (2, 5, 1), (1, 1, 1)])
def test_every_epoch_takes_every_item_once(items: int, batch: int, steps: int) -> None:
    plan = StepPlan(items, batch, epochs=3, seed=0)
    assert (plan.steps_per_epoch, plan.steps) == (steps, 3 * steps)
    for epoch in range(3):
        mine = [step for step in range(plan.steps) if plan.epoch(step) == epoch]
        taken = [plan.rows(step) for step in mine]
        assert sorted(np.concatenate(taken)) == list(range(items))
        assert all(len(rows) == batch for rows in taken[:-1])
        assert [plan.ends_epoch(step) for step in mine] == [False] * (steps - 1) + [True]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(StepPlan(50, 50, 2, seed).rows(step).tolist()) for seed in (0, 1) for step in (0, 1)}
    assert len(orders) == 4


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=30),
    st.integers(1, 100),
)
def test_micro_batches_keep_the_budget(rows: list[tuple[int, int]], budget: int) -> None:
    lengths, counts = (np.array(column) for column in zip(*rows, strict=True))
    parts = micro_batches(lengths, budget, counts)
    assert sorted(np.concatenate(parts)) == list(range(len(rows)))
    assert all(len(part) == 1 or counts[part].sum() * lengths[part].max() <= budget for part in parts)
    assert (np.diff(lengths[np.concatenate(parts)]) <= 0).all()
    # No part could take the next item too.
    for part, following in itertools.pairwise(parts):
        assert (counts[part].sum() + counts[following[0]]) * lengths[part].max() > budget


def test_a_loader_goes_on_at_a_step_and_refuses_other_data() -> None:
    def steps(identity: str) -> Loader[int]:
        return Loader(StepOrder(identity), lambda rows: int(rows[0]), 1)

    loader = steps("these")
    assert [next(loader) for _ in range(3)] == [0, 1, 2]
    state = loader.state_dict()
    loader.close()
    again = steps("these")
    again.load_state_dict(state)
    assert next(again) == 3
    again.close()
    with pytest.raises(ValueError, match="the rows of the checkpoint were others"):
        steps("those").load_state_dict(state)


def test_the_digest_sees_every_array() -> None:
    a, b = np.arange(3), np.arange(4)
    assert len({digest(a, b), digest(b, a), digest(a), digest(a, b + 1)}) == 4
