from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.krippendorff import alpha

# Krippendorff (2011), section C: four observers, twelve units, a dot is no value.
PUBLISHED = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
Given = list[tuple[int, int]]


def given_values(lines: list[str]) -> Given:
    return [(unit, int(value)) for line in lines for unit, value in enumerate(line.split()) if value != "."]


def arrays(said: Given) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(said, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_the_published_table(level: str, published: float) -> None:
    assert alpha(*arrays(given_values(PUBLISHED)), level) == pytest.approx(published, abs=5e-4)


def test_by_hand() -> None:
    # Units aa, ab: 4 values (3 a, 1 b). Observed: 2 of 4 ordered pairs differ, 2/4; expected: 3*1*2 / (4*3) = 1/2.
    assert alpha(*arrays([(0, 1), (0, 1), (1, 1), (1, 2)]), "nominal") == pytest.approx(0.0)


def _one_by_one(said: Given, level: str) -> float | None:
    """The definition over pairs of values: those that meet in a unit against all."""
    units = {unit: [v for u, v in said if u == unit] for unit, _ in said}
    units = {unit: values for unit, values in units.items() if len(values) > 1}
    pool = [v for values in units.values() for v in values]

    def distance(a: int, b: int) -> float:
        if level == "nominal":
            return float(a != b)
        low, high = min(a, b), max(a, b)
        between = sum(low <= v <= high for v in pool) - (pool.count(low) + pool.count(high)) / 2
        return 0.0 if a == b else between**2

    observed = sum(
        distance(a, b) / (len(values) - 1) for values in units.values() for a, b in permutations(values, 2)
    )
    expected = sum(distance(a, b) for a, b in permutations(pool, 2)) / max(len(pool) - 1, 1)
    return None if expected == 0 else 1 - observed / expected


_SAID = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 3)), max_size=14)


@given(_SAID, st.sampled_from(["nominal", "ordinal"]))
def test_equals_the_definition(said: Given, level: str) -> None:
    expected = _one_by_one(said, level)
    found = alpha(*arrays(said), level)
    assert found == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 1)), max_size=14), st.sets(st.integers(0, 4)))
def test_symmetric_alpha_does_not_depend_on_which_answer_comes_first(said: Given, turned: set[int]) -> None:
    other = [(unit, -value if unit in turned else value) for unit, value in said]
    found = alpha(*arrays(other), "nominal", symmetric=True)
    expected = alpha(*arrays(said), "nominal", symmetric=True)
    assert found == (None if expected is None else pytest.approx(expected))
