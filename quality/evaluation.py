"""How good the quality scores are on documents that the fit has not seen.

The classes are weighed 1:1 in every figure but the counts, as they are in the fit: precision, Brier score and
the observed shares of the calibration table would else tell the ratio in which the sample was drawn.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality.pareto import keep_probability

CALIBRATION_BINS = 10


def evaluate(positive: NDArray[np.float64], negative: NDArray[np.float64], alpha: float) -> dict[str, Any]:
    """Figures of the scores of held-out positive and negative documents, as JSON values.

    Keys: roc_auc, average_precision, brier, calibration (10 bins of equal width), at_half and at_threshold
    (precision and recall of score >= limit), threshold (see best_threshold), pareto_keep (mean P(keep) by
    class). ValueError where a class is empty.
    """
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    if not len(positive) or not len(negative):
        raise ValueError(
            f"both classes are needed: found {len(positive)} positive, {len(negative)} negative scores"
        )
    # Sums depend on the order of their terms in the last digit.
    positive, negative = np.sort(positive), np.sort(negative)
    scores = np.concatenate([positive, negative])
    labels = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    weights = np.where(labels == 1, 0.5 / len(positive), 0.5 / len(negative))
    threshold = best_threshold(positive, negative)
    return {
        "n_positive": len(positive),
        "n_negative": len(negative),
        "roc_auc": float(roc_auc_score(labels, scores)),
        "average_precision": float(average_precision_score(labels, scores, sample_weight=weights)),
        "brier": float(brier_score_loss(labels, scores, sample_weight=weights)),
        "calibration": calibration(scores, labels, weights),
        "at_half": precision_recall(positive, negative, 0.5),
        "threshold": threshold,
        "at_threshold": precision_recall(positive, negative, threshold),
        "pareto_alpha": alpha,
        "pareto_keep": {
            "positive": float(keep_probability(positive, alpha).mean()),
            "negative": float(keep_probability(negative, alpha).mean()),
        },
    }


def best_threshold(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """The score t with the largest P(positive >= t) - P(negative >= t); the highest of equals.

    This is Youden's J, which does not depend on the ratio of the classes.
    """
    candidates = np.unique(np.concatenate([positive, negative]))[::-1]
    recall = 1.0 - np.searchsorted(np.sort(positive), candidates) / len(positive)
    false_rate = 1.0 - np.searchsorted(np.sort(negative), candidates) / len(negative)
    return float(candidates[np.argmax(recall - false_rate)])


def precision_recall(
    positive: NDArray[np.float64], negative: NDArray[np.float64], limit: float
) -> dict[str, float | None]:
    """Precision (classes 1:1) and recall of score >= limit; precision is None where nothing reaches it."""
    recall = float((positive >= limit).mean())
    false_rate = float((negative >= limit).mean())
    reached = recall + false_rate
    return {"limit": limit, "precision": recall / reached if reached else None, "recall": recall}


def calibration(
    scores: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[dict[str, float | int | None]]:
    """Per tenth of the score range: n, weighted mean score and share of positives (None where n is 0)."""
    bins = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    table: list[dict[str, float | int | None]] = []
    for number in range(CALIBRATION_BINS):
        inside = bins == number
        n = int(inside.sum())
        weight = weights[inside]
        table.append(
            {
                "from": number / CALIBRATION_BINS,
                "to": (number + 1) / CALIBRATION_BINS,
                "n": n,
                "mean_score": float(np.average(scores[inside], weights=weight)) if n else None,
                "observed_share": float(np.average(labels[inside], weights=weight)) if n else None,
            }
        )
    return table
