"""Which similarities an LSH banding finds, and the banding that fits a similarity threshold.

Two documents of Jaccard similarity J share at least one of `bands` bands of `rows` components each with
probability P(J) = 1 - (1 - J**rows)**bands (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4).
"""

import numpy as np
import numpy.typing as npt

CURVE_POINTS = tuple(round(0.05 * step, 2) for step in range(10, 20))
"""Similarities at which a banding is shown: 0.5, 0.55 ... 0.95."""

# Errors of a smaller ratio are equal: rounding must not choose (1 x 1 and 1 x 2 tie at threshold 0.5).
_TIE = 1.0 + 1e-12


def hit_probability(jaccard: float, bands: int, rows: int) -> float:
    """Probability that two documents of similarity `jaccard` share a bucket: 1 - (1 - J**rows)**bands.

    >>> round(hit_probability(0.8, bands=14, rows=8), 3)
    0.924
    """
    return float(1.0 - (1.0 - jaccard**rows) ** bands)


def hit_curve(bands: int, rows: int) -> list[tuple[float, float]]:
    """(J, P(J)) for each of CURVE_POINTS: what a banding finds and what it spends comparisons on.

    >>> [(j, round(p, 3)) for j, p in hit_curve(14, 8)[5:8]]
    [(0.75, 0.772), (0.8, 0.924), (0.85, 0.988)]
    """
    return [(jaccard, hit_probability(jaccard, bands, rows)) for jaccard in CURVE_POINTS]


def optimal_bands(
    threshold: float,
    num_perm: int,
    false_positive_weight: float = 0.5,
    false_negative_weight: float = 0.5,
) -> tuple[int, int]:
    """(bands, rows) with bands * rows <= num_perm of the smallest weighted error, as datasketch chooses them.

    The error is false_positive_weight times the area under P below `threshold`, plus false_negative_weight
    times the area over P above it; of equal errors the fewest bands, then the fewest rows win. Source:
    datasketch/lsh.py, _optimal_param. P is a polynomial of degree bands * rows, so Gauss-Legendre on
    num_perm // 2 + 1 nodes gives its areas exactly.

    >>> optimal_bands(0.7, 128)
    (14, 9)
    """
    _check(threshold, num_perm, false_positive_weight, false_negative_weight)
    nodes, weights = np.polynomial.legendre.leggauss(num_perm // 2 + 1)
    below, above = (nodes + 1) / 2 * threshold, threshold + (nodes + 1) / 2 * (1 - threshold)
    weights_below, weights_above = weights / 2 * threshold, weights / 2 * (1 - threshold)
    best, found = np.inf, (1, 1)
    for bands in range(1, num_perm + 1):
        rows = np.arange(1, num_perm // bands + 1)
        false_positive = -np.expm1(_log_miss(below, rows, bands)) @ weights_below
        false_negative = np.exp(_log_miss(above, rows, bands)) @ weights_above
        errors = false_positive_weight * false_positive + false_negative_weight * false_negative
        first = int(np.argmax(errors <= errors.min() * _TIE))
        if errors[first] * _TIE < best:
            best, found = float(errors[first]), (bands, int(rows[first]))
    return found


def _log_miss(
    jaccard: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], bands: int
) -> npt.NDArray[np.float64]:
    """log(1 - P), float64[rows, similarities]: near P = 0 and P = 1 alike nothing is lost to rounding."""
    return bands * np.log1p(-(jaccard[None, :] ** rows[:, None]))


def _check(threshold: float, num_perm: int, *weights: float) -> None:
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"threshold is {threshold}, expected a similarity above 0 and up to 1")
    if num_perm < 1:
        raise ValueError(f"num_perm is {num_perm}, expected 1 or more")
    if min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(
            f"weights of false positives and negatives are {weights}; give 0 or more, not both 0"
        )
