import numpy as np
import pytest

from dedup.online import Crowd, settle


def crowd(signatures: list[np.ndarray], n_indexed: int = 0) -> Crowd:
    """Documents that all stand in one bucket."""
    n = len(signatures)
    matrix = np.array(signatures, dtype=np.uint32)
    return Crowd(matrix, np.arange(n), np.zeros(n, np.int64), np.arange(n), n_indexed)


def mixed(share: float, first: int, second: int) -> np.ndarray:
    """100 components, `share` of them `first`, the rest `second`."""
    return np.array([first] * round(100 * share) + [second] * round(100 * (1 - share)))


def unlike(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.zeros(len(left))


@pytest.mark.parametrize(
    "n_indexed", [pytest.param(0, id="of the batch"), pytest.param(2, id="of the index")]
)
def test_of_two_similar_survivors_the_first_stays_for_it(n_indexed: int) -> None:
    both = np.r_[np.full(70, 1), np.full(30, 2)]
    second = np.r_[np.full(40, 1), np.full(30, 3), np.full(30, 2)]
    found = settle(crowd([np.full(100, 1), second, both], n_indexed), 0.5, 32, unlike)
    assert found.survivor.tolist() == [0, 1, 0]
    assert found.jaccard.tolist() == [1.0, 1.0, 0.7]


@pytest.mark.parametrize(
    ("limit", "survivor"), [pytest.param(2, 3, id="seen no more"), pytest.param(3, 2, id="seen")]
)
def test_a_full_bucket_takes_no_further_survivor(limit: int, survivor: int) -> None:
    three = [np.full(100, 1), np.full(100, 2), np.full(100, 3)]
    found = settle(crowd([three[0], three[1], three[2], three[2]]), 0.75, limit, unlike)
    assert found.survivor[3] == survivor
    assert found.added_row.tolist() == list(range(limit))


def test_what_the_estimate_leaves_in_doubt_is_measured_and_counts() -> None:
    asked = []

    def measure(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        asked.extend(zip(left.tolist(), right.tolist(), strict=True))
        return np.full(len(left), 0.74)

    found = settle(crowd([np.full(100, 1), mixed(0.8, 1, 2), mixed(0.95, 1, 3)]), 0.75, 32, measure)
    assert found.survivor.tolist() == [0, 1, 0]
    assert (0, 1) in asked
    assert (0, 2) not in asked
