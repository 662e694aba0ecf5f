"""The reward model's loss: all judged pairs of a prompt's answers are one element of the batch.

InstructGPT, section 3.5: loss = -1/C(K,2) E[log sigmoid(r(x, y_better) - r(x, y_worse))]. The mean over a prompt's
pairs comes first, then the mean over prompts: so a prompt with nine answers weighs as much as one with two, and each
answer needs one forward pass however many pairs it is in.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn import functional as F

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def ranked_pairs(ranks: Sequence[int | None]) -> list[tuple[int, int]]:
    """(better, worse) of every two places with different ranks; 1 is best, None is not judged.

    Ties and what was not judged give no pair, and nothing is concluded from other pairs.

    >>> ranked_pairs([2, 1, 2, None])
    [(1, 0), (1, 2)]
    """
    judged = [(place, rank) for place, rank in enumerate(ranks) if rank is not None]
    return [(i, j) for i, better in judged for j, worse in judged if better < worse]


def element_weights(element: Ints, weight: Floats) -> Floats:
    """Each pair's weight in the mean over elements (prompts) of the weighted means over their pairs; they sum to 1.

    `element` [P] says whose pair it is, `weight` [P], above 0, what its judgement weighs. Elements without a pair
    are not counted.

    >>> element_weights(np.array([0, 0, 7]), np.array([1.0, 1.0, 0.5])).tolist()
    [0.25, 0.25, 0.5]
    """
    names, at = np.unique(element, return_inverse=True)
    totals = np.bincount(at, weights=weight)
    return weight / totals[at] / max(len(names), 1)


def pair_loss(scores: Tensor, better: Tensor, worse: Tensor, weights: Tensor) -> Tensor:
    """Sum over pairs of weights [P] times -log sigmoid(scores[better] - scores[worse]); fp32 scalar.

    `better` and `worse` [P] are places in scores [N].
    """
    margins = scores.float()[better] - scores.float()[worse]
    return -(weights * F.logsigmoid(margins)).sum()
