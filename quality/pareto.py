"""The random keep of GPT-3 (app. A): a document stays iff np.random.pareto(alpha) > 1 - score.

numpy's pareto is the Lomax form with P(X > x) = (1 + x)^-alpha, so P(keep | score) = (2 - score)^-alpha. The
draw comes from a number that belongs to the document, so the kept set does not change from run to run.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

GPT3_ALPHA = 9.0


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


def _checked(alpha: float) -> float:
    if not alpha > 0:
        raise ValueError(f"pareto alpha must be above 0, found {alpha}")
    return float(alpha)
