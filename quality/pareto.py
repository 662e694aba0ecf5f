"""The random keep of GPT-3 (app. A): a document stays iff np.random.pareto(alpha) > 1 - score.

numpy's pareto is the Lomax form with P(X > x) = (1 + x)^-alpha, so P(keep | score) = (2 - score)^-alpha. The
draw comes from a number that belongs to the document, so the kept set does not change from run to run.

The paper chose its alpha, 9, "to match the distribution of scores" of WebText, without saying how. `fit_alpha`
does so by the Wasserstein-1 distance: of the crawl's scores, each weighed by its P(keep), to the curated scores.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

GPT3_ALPHA = 9.0
ALPHA_BOUNDS = (0.1, 50.0)
_GRID = 200
_ROUNDS = 4


class AlphaFit(NamedTuple):
    """The alpha whose kept scores are nearest to the curated ones, and how near that is.

    Distances are Wasserstein-1, in units of the score: `distance` at `alpha`, `distance_gpt3` at 9, and
    `distance_unfiltered` of the crawl as it is. `at_bound` says that the best alpha is a bound of the search:
    no alpha inside it fits better, so the value is a limit and not a fit.
    """

    alpha: float
    distance: float
    at_bound: Literal["lower", "upper"] | None
    distance_gpt3: float
    distance_unfiltered: float
    n_curated: int
    n_crawled: int

    def as_json(self) -> dict[str, Any]:
        """All of it and the method, as JSON values."""
        return {**self._asdict(), "bounds": list(ALPHA_BOUNDS), "method": "Wasserstein-1"}


def keep_probability(scores: ArrayLike, alpha: float = GPT3_ALPHA) -> NDArray[np.float64]:
    """P(keep) of documents with these scores (0..1): (2 - score)^-alpha."""
    return (2.0 - np.asarray(scores, dtype=np.float64)) ** -_checked(alpha)


def score_limits(uniforms: ArrayLike, alpha: float = GPT3_ALPHA) -> NDArray[np.float64]:
    """The score that each document must exceed: 1 - pareto draw; may be negative, then any score will do.

    `uniforms` are in [0, 1); the draw is the inverse of the Lomax distribution function at that point.
    """
    draws = np.expm1(-np.log1p(-np.asarray(uniforms, dtype=np.float64)) / _checked(alpha))
    return 1.0 - draws


def keep(scores: ArrayLike, uniforms: ArrayLike, alpha: float = GPT3_ALPHA) -> NDArray[np.bool_]:
    """Whether each document stays: score > 1 - pareto draw, the paper's rule with the score on the left."""
    return np.asarray(scores, dtype=np.float64) > score_limits(uniforms, alpha)


def fit_alpha(crawled: NDArray[np.float64], curated: NDArray[np.float64]) -> AlphaFit:
    """The alpha in ALPHA_BOUNDS whose kept crawl scores are nearest to the curated ones; of equals the least.

    Both must be scores of documents that the classifier was not fitted on. A grid even in log alpha is laid
    over the bounds and then again, finer, around its best point; the result is within 0.1 % of the best point.
    ValueError where a class is empty.
    """
    if not len(crawled) or not len(curated):
        raise ValueError(f"both are needed: found {len(crawled)} crawled, {len(curated)} curated scores")
    distances = _Distances(crawled, curated)
    low, high = ALPHA_BOUNDS
    for _ in range(_ROUNDS):
        grid = np.geomspace(low, high, _GRID)
        found = np.array([distances.at(alpha) for alpha in grid])
        best = int(np.argmin(found))
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)])
        if best in (0, _GRID - 1):
            break
    alpha = float(grid[best])
    at_bound: Literal["lower", "upper"] | None = None
    if np.isclose(alpha, ALPHA_BOUNDS[0]) or np.isclose(alpha, ALPHA_BOUNDS[1]):
        at_bound = "lower" if np.isclose(alpha, ALPHA_BOUNDS[0]) else "upper"
    told = float(found[best]), at_bound, distances.at(GPT3_ALPHA), distances.at(None)
    return AlphaFit(alpha, *told, len(curated), len(crawled))


def score_distance(crawled: NDArray[np.float64], curated: NDArray[np.float64], alpha: float | None) -> float:
    """Wasserstein-1 distance of the crawl's scores, weighed by P(keep), to the curated; None weighs all alike."""
    return _Distances(crawled, curated).at(alpha)


class _Distances:
    """The distance as a function of alpha: the integral of the difference of both distribution functions."""

    def __init__(self, crawled: NDArray[np.float64], curated: NDArray[np.float64]) -> None:
        self._crawled = np.sort(crawled)
        points = np.sort(np.concatenate([crawled, curated]))
        self._widths = np.diff(points)
        self._below = np.searchsorted(self._crawled, points[:-1], side="right")
        self._curated_shares = np.searchsorted(np.sort(curated), points[:-1], side="right") / len(curated)

    def at(self, alpha: float | None) -> float:
        scores = self._crawled
        weights = np.ones(len(scores)) if alpha is None else keep_probability(scores, alpha)
        shares = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])[self._below]
        return float(np.sum(np.abs(shares - self._curated_shares) * self._widths))


def _checked(alpha: float) -> float:
    if not alpha > 0:
        raise ValueError(f"pareto alpha must be above 0, found {alpha}")
    return float(alpha)
