"""Krippendorff's alpha: agreement of any number of judges, some of whom are missing, beyond what chance gives.

alpha = 1 - observed / expected disagreement, from the matrix of coincidences (Krippendorff, "Computing
Krippendorff's Alpha-Reliability", 2011): 1 is perfect agreement, 0 is chance, below 0 systematic disagreement.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Level = Literal["nominal", "ordinal"]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def alpha(units: Ints, values: Ints, level: Level, symmetric: bool = False) -> float | None:
    """Alpha of `values[i]`, which a judge gave to `units[i]`; None where no unit has two or no value differs.

    Ordinal distances grow with the number of values between two. `symmetric` is for verdicts whose sign says
    only which of two answers an id puts first: chance is then taken from both orders of every unit.
    """
    names, value = np.unique(values, return_inverse=True)
    if symmetric:
        names, value, units = _mirrored(values, units)
    together = _coincidences(units, value.reshape(-1), len(names))
    totals = together.sum(axis=1)
    n = totals.sum()
    if n == 0:
        return None
    distance = _distances(totals, level)
    expected = (np.outer(totals, totals) * distance).sum() / (n - 1)
    observed = (together * distance).sum()
    return None if expected == 0 else float(1 - observed / expected)


def _mirrored(values: Ints, units: Ints) -> tuple[Ints, Ints, Ints]:
    """Every unit a second time with its values negated."""
    both = np.concatenate([values, -values])
    names, value = np.unique(both, return_inverse=True)
    again = units.max(initial=-1) + 1 + units
    return names, value.reshape(-1), np.concatenate([units, again])


def _coincidences(units: Ints, value: Ints, n_values: int) -> Floats:
    """How often two values meet in a unit, each unit of m values weighing m: float64[n_values, n_values]."""
    _, unit = np.unique(units, return_inverse=True)
    counts = np.zeros((unit.max(initial=-1) + 1, n_values))
    np.add.at(counts, (unit.reshape(-1), value), 1)
    judged = counts.sum(axis=1)
    counts, judged = counts[judged > 1], judged[judged > 1]
    weighted = counts / (judged - 1)[:, None]
    return counts.T @ weighted - np.diag(weighted.sum(axis=0))


def _distances(totals: Floats, level: Level) -> Floats:
    n = len(totals)
    if level == "nominal":
        return 1 - np.eye(n)
    # Values up to and with the larger, minus half of those at both ends.
    upto = np.cumsum(totals)
    low, high = np.minimum.outer(np.arange(n), np.arange(n)), np.maximum.outer(np.arange(n), np.arange(n))
    between = upto[high] - upto[low] + totals[low] - (totals[low] + totals[high]) / 2
    return np.where(low == high, 0.0, between) ** 2
