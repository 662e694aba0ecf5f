"""The choice of blocks, and the weights as a file."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from pipelines.html.block_model import BlockModel, best_bar, choose, dumps, judge, loads, ready, shipped
from pipelines.html.blocks import read_blocks
from pipelines.html.name_weights import NameWeights
from pipelines.html.trees import Trees


def gain(probabilities: np.ndarray, units: np.ndarray, chosen: list[int]) -> float:
    expected = (probabilities * units)[chosen].sum()
    return 2 * expected / max(1e-9, units[chosen].sum() + (probabilities * units).sum())


@given(st.lists(st.tuples(st.floats(0.01, 1), st.integers(1, 50)), min_size=1, max_size=7))
def test_no_other_set_has_a_better_expected_f1(blocks: list[tuple[float, int]]) -> None:
    probabilities, units = (np.array(column, float) for column in zip(*blocks, strict=True))
    n = len(blocks)
    best = max(
        gain(probabilities, units, list(s)) for k in range(1, n + 1) for s in combinations(range(n), k)
    )
    bar = best_bar(probabilities, units.astype(np.int64))
    kept = np.flatnonzero(probabilities >= bar - 1e-12).tolist()
    assert bar == pytest.approx(best / 2)
    assert gain(probabilities, units, kept) == pytest.approx(best)


@pytest.mark.parametrize(
    ("probabilities", "chosen"),
    [
        ([0.9, 0.8, 0.1], [True, True, False]),
        ([0.2, 0.15, 0.01], [True, True, False]),
        ([0.5, 0.4, 0.2], [True, True, False]),
        ([0.2, 0.2], [True, True]),
    ],
    ids=["sure", "none passes the bar", "doubtful", "equals alike"],
)
def test_choose(probabilities: list[float], chosen: list[bool]) -> None:
    assert choose(np.array(probabilities), np.full(len(probabilities), 20)).tolist() == chosen


def test_nothing_to_choose() -> None:
    assert choose(np.empty(0), np.empty(0, np.int64)).tolist() == []


def tiny() -> BlockModel:
    trees = Trees(
        np.array([0, 0, 0], np.uint8),
        np.array([2, 0, 0], np.uint8),
        np.array([3, -1, 1], np.float32),
        np.array([0], np.int32),
        0.25,
    )
    names = NameWeights(np.array([5, 7], np.uint64), np.array([[1, 2], [3, 4]], np.float32))
    return BlockModel(names, trees, trees)


def test_weights_survive_their_file() -> None:
    again = loads(dumps(tiny()))
    assert dumps(again) == dumps(tiny())
    assert again.second.base == 0.25
    assert again.names.weights.tolist() == [[1, 2], [3, 4]]


def test_a_missing_tensor_is_named() -> None:
    tensors = load(dumps(tiny()))
    del tensors["second.right"]
    with pytest.raises(ValueError, match=r"no tensor 'second.right'.*train_blocks"):
        loads(save(tensors))


def test_longer_blocks_by_the_tiny_model() -> None:
    """Its trees ask one thing: whether the logarithm of the units passes 3."""
    verdict = judge(read_blocks(b"<p>short<p>" + b"long words " * 9), ready(tiny()))
    assert verdict.probabilities[0] < 0.5 < verdict.probabilities[1]


def test_shipped_weights_are_small() -> None:
    model = shipped()
    assert model is shipped()
    assert sum(array.nbytes for trees in (model.first, model.second) for array in trees[:-1]) < 200_000
