"""How good the quality scores are on documents that the fit has not seen.

The classes are weighed 1:1 in every figure but the counts, as they are in the fit: precision, Brier score and
the observed shares of the calibration table would else tell the ratio in which the sample was drawn.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quality.pareto import keep_probability

CALIBRATION_BINS = 10


class Reference(NamedTuple):
    """What somebody else's classifier keeps of Common Crawl: `kept` is a share, 0..1, None where it is not told."""

    who: str
    rule: str
    kept: float | None
    told_by: str


REFERENCES = (
    Reference("GPT-3", "pareto, alpha 9", 570 / 45_000, "section 2.2: 45 TB to 570 GB, duplicates taken too"),
    Reference("data-juicer, GPT-3 reproduced", "pareto, alpha 9", 0.0141, "its quality classifier's page"),
    Reference("data-juicer, GPT-3 reproduced", "score > 0.5", 0.0322, "its quality classifier's page"),
    Reference("DCLM, fastText", "the best tenth by score", 0.1, "Li et al. 2024"),
    Reference("NeMo Curator, fastText", "pareto, alpha 3", None, "its fastText filter's default"),
)
"""Keep rates to hold one's own against; they depend on the crawl and on what was done to it before."""

KEEP_RATES = (0.01, 0.0322, 0.1, 0.5)
"""Shares of the crawl at which precision is told beside that of the Pareto keep."""


def evaluate(positive: NDArray[np.float64], negative: NDArray[np.float64], alpha: float) -> dict[str, Any]:
    """Figures of the scores of held-out positive and negative documents, as JSON values.

    Keys: roc_auc, average_precision, brier, calibration (10 bins of equal width), at_half and at_threshold
    (precision and recall of score >= limit), confusion (documents by class at 0.5), threshold (see
    best_threshold), pareto_keep (mean P(keep) by class, and the precision of what is kept), at_keep_rates
    (precision and recall of the best documents, as many as KEEP_RATES and the Pareto keep take of the
    negative class). ValueError where a class is empty.
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
    kept = [float(keep_probability(part, alpha).mean()) for part in (positive, negative)]
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
        "confusion": confusion(positive, negative, 0.5),
        "pareto_alpha": alpha,
        "pareto_keep": {"positive": kept[0], "negative": kept[1], "precision": kept[0] / sum(kept)},
        "at_keep_rates": [
            at_keep_rate(positive, negative, rate) for rate in sorted({*KEEP_RATES, round(kept[1], 6)})
        ],
    }


def confusion(
    positive: NDArray[np.float64], negative: NDArray[np.float64], limit: float
) -> dict[str, float | int]:
    """Documents of each class on either side of score >= limit, as counts."""
    true_positive, false_positive = int((positive >= limit).sum()), int((negative >= limit).sum())
    return {
        "limit": limit,
        "true_positive": true_positive,
        "false_negative": len(positive) - true_positive,
        "false_positive": false_positive,
        "true_negative": len(negative) - false_positive,
    }


def at_keep_rate(
    positive: NDArray[np.float64], negative: NDArray[np.float64], rate: float
) -> dict[str, float | None]:
    """Precision and recall of the lowest limit that at most `rate` (0..1) of the negative scores reach.

    The limit is None where even the highest score of all is reached by more.
    """
    candidates = np.unique(np.concatenate([positive, negative]))
    reached = 1.0 - np.searchsorted(np.sort(negative), candidates) / len(negative)
    enough = candidates[reached <= rate + 1e-12]
    if not len(enough):
        return {"rate": rate, "limit": None, "precision": None, "recall": 0.0}
    return {"rate": rate, **precision_recall(positive, negative, float(enough[0]))}


def by_source(
    scores: NDArray[np.float64], sources: Sequence[str], limit: float, alpha: float
) -> list[dict[str, Any]]:
    """Of each source, by name: documents, mean and median score, shares at or above 0.5 and `limit`, mean P(keep)."""
    names = np.asarray(sources, dtype=object)
    rows = []
    for source in sorted(set(sources)):
        own = scores[names == source]
        rows.append(
            {
                "source": source,
                "n": len(own),
                "mean_score": float(own.mean()),
                "median_score": float(np.median(own)),
                "at_half": float((own >= 0.5).mean()),
                "at_threshold": float((own >= limit).mean()),
                "pareto_keep": float(keep_probability(own, alpha).mean()),
            }
        )
    return rows


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
