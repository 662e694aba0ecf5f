"""Trees as arrays give what scikit-learn gives."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from pipelines.html.trees import probabilities, trees_of


def fitted(width: int, rounds: int = 12, leaves: int = 15) -> HistGradientBoostingClassifier:
    rng = np.random.default_rng(1)
    matrix = rng.integers(-3, 4, (400, width)).astype(np.float32) * np.float32(0.1)
    labels = (matrix[:, 0] * matrix[:, 1] + 0.05 * rng.standard_normal(400)) > 0
    model = HistGradientBoostingClassifier(max_iter=rounds, max_leaf_nodes=leaves, min_samples_leaf=2)
    return model.fit(matrix, labels)


def test_equal_to_scikit_learn() -> None:
    model = fitted(7)
    rng = np.random.default_rng(2)
    near = rng.integers(-4, 5, (3000, 7)).astype(np.float32) * np.float32(0.1)  # on and beside the thresholds
    far = rng.standard_normal((3000, 7)).astype(np.float32)
    for matrix in (near, np.nextafter(near, np.float32(9)), far):
        expected = model.predict_proba(matrix)[:, 1]
        assert np.abs(probabilities(trees_of(model), matrix) - expected).max() < 1e-6


def test_thresholds_between_neighbouring_floats_are_rounded_down() -> None:
    # Their middle is a tie, which rounding to even would take up to the second.
    low = np.float32(1) + np.arange(1, 3, dtype=np.float32) * np.finfo(np.float32).eps
    matrix = np.repeat(low, 30).reshape(-1, 1)
    model = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2).fit(matrix, matrix[:, 0] > low[0])
    found = probabilities(trees_of(model), low.reshape(-1, 1))
    assert np.allclose(found, model.predict_proba(low.reshape(-1, 1))[:, 1])
    assert found[0] < 0.5 < found[1]


def test_no_rows() -> None:
    assert probabilities(trees_of(fitted(2)), np.empty((0, 2), np.float32)).shape == (0,)


def test_what_one_byte_cannot_number_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 256 features"):
        trees_of(fitted(257, rounds=1))
