"""How well a reward model ranks: accuracy with intervals, calibration, and what it makes of length."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from model.judgements import Judged

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Z_95 = 1.959963984540054
BINS = 10


class Accuracy(NamedTuple):
    """Share of pairs ranked as the judge did (an equal score counts half), with a 95 % interval."""

    accuracy: float
    low: float
    high: float
    pairs: int
    prompts: int


def report(judged: Judged, scores: npt.NDArray[np.float32]) -> dict[str, Any]:
    """All figures of a set of judgements whose answers have these scores [answers], as JSON values.

    `accuracy` in all, `by` K, judge kind, use case and language; `calibration`; `length_bias`. A pair counts 1
    whatever its weight.
    """
    right = _right(judged, scores)
    prompts = judged.prompt_of_pair
    columns: dict[str, Sequence[Any]] = {
        "k": [str(k) for k in judged.k],
        "judge_kind": judged.judge_kind,
        "use_case": [judged.prompts[p].use_case for p in prompts],
        "language": [judged.prompts[p].language for p in prompts],
    }
    return {
        **accuracy(right, prompts)._asdict(),
        "by": {name: _by(np.array(values), right, prompts) for name, values in columns.items()},
        "calibration": calibration(_margins(judged, scores)),
        "length_bias": length_bias(judged, scores),
    }


def accuracy(right: Floats, prompts: Ints) -> Accuracy:
    """Accuracy of pairs with their prompts [P], and Wilson's interval for as many pairs as they are worth.

    Pairs of one prompt share its answers and are not independent: C(9, 2) = 36 pairs hold the news of some 8. The
    spread between prompts tells the variance of the mean (a clustered, "sandwich" estimate), and that how many
    independent pairs would have the same; with one pair a prompt it is the plain interval.
    """
    _, at = np.unique(prompts, return_inverse=True)
    n, n_prompts = len(right), int(at.max()) + 1
    mean = float(right.mean())
    residuals = np.bincount(at, weights=right - mean)
    variance = float((residuals**2).sum()) / n**2
    # All right or all wrong, or one prompt: no spread to go by, and prompts are what is independent.
    worth = mean * (1 - mean) / variance if variance > 0 and n_prompts > 1 else float(n_prompts)
    low, high = wilson(mean, min(worth, float(n)))
    return Accuracy(mean, low, high, n, n_prompts)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n trials (Wilson 1927); n need not be whole.

    >>> [round(x, 3) for x in wilson(0.5, 100)]
    [0.404, 0.596]
    """
    z2 = Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration(margins: Floats, bins: int = BINS) -> dict[str, Any]:
    """Whether the model is right as often as it says: margins [P] are scores of the better less the worse answer.

    It says that the answer it prefers is better with probability sigmoid(|margin|), from 1/2 to 1. `bins` of equal
    width, each with pairs, mean confidence and accuracy; `error` is their mean distance, weighted by pairs.
    """
    confidence = 1 / (1 + np.exp(-np.abs(margins)))
    right = (np.sign(margins) + 1) / 2
    number = np.minimum(((confidence - 0.5) * 2 * bins).astype(np.int64), bins - 1)
    rows = []
    for i in np.unique(number):
        mine = number == i
        rows.append(
            {
                "from": 0.5 + i / (2 * bins),
                "to": 0.5 + (i + 1) / (2 * bins),
                "pairs": int(mine.sum()),
                "confidence": float(confidence[mine].mean()),
                "accuracy": float(right[mine].mean()),
            }
        )
    total = max(len(margins), 1)
    error = sum(row["pairs"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / total
    return {"error": float(error), "bins": rows}


def length_bias(judged: Judged, scores: npt.NDArray[np.float32]) -> dict[str, float | None]:
    """What length has to do with scores and with judgements; lengths are of answers in tokens.

    `correlation` (Pearson) and `rank_correlation` (Spearman) of score and length; `within_prompt` of their deviations
    from the prompt's means; `judges_prefer_longer` and `model_prefers_longer`, shares of the pairs of unequal length;
    `accuracy_longer_is_better` and `accuracy_shorter_is_better`. None where there is nothing to compare.
    """
    lengths, score = judged.answer_tokens.astype(np.float64), scores.astype(np.float64)
    difference = lengths[judged.better] - lengths[judged.worse]
    right = _right(judged, scores)
    longer, shorter = difference > 0, difference < 0
    unequal = longer | shorter
    model_longer = np.where(longer, right, 1 - right)
    return {
        "correlation": _correlation(lengths, score),
        "rank_correlation": _correlation(_ranks(lengths), _ranks(score)),
        "within_prompt": _correlation(_centred(lengths, judged.prompt_of), _centred(score, judged.prompt_of)),
        "judges_prefer_longer": _mean(longer[unequal].astype(np.float64)),
        "model_prefers_longer": _mean(model_longer[unequal]),
        "accuracy_longer_is_better": _mean(right[longer]),
        "accuracy_shorter_is_better": _mean(right[shorter]),
    }


def flat(figures: dict[str, Any], prefix: str) -> dict[str, float]:
    """The figures of a report that stand for the whole and are known, by names such as `validation/accuracy`."""
    chosen = {key: figures[key] for key in Accuracy._fields}
    chosen["calibration_error"] = figures["calibration"]["error"]
    chosen |= {f"length/{key}": value for key, value in figures["length_bias"].items()}
    return {f"{prefix}/{key}": value for key, value in chosen.items() if value is not None}


def _by(values: npt.NDArray[Any], right: Floats, prompts: Ints) -> dict[str, Any]:
    return {
        str(value): accuracy(right[values == value], prompts[values == value])._asdict()
        for value in np.unique(values)
    }


def _margins(judged: Judged, scores: npt.NDArray[np.float32]) -> Floats:
    wide = scores.astype(np.float64)
    return wide[judged.better] - wide[judged.worse]


def _right(judged: Judged, scores: npt.NDArray[np.float32]) -> Floats:
    return (np.sign(_margins(judged, scores)) + 1) / 2


def _centred(values: Floats, group: Ints) -> Floats:
    means = np.bincount(group, weights=values) / np.maximum(np.bincount(group), 1)
    return values - means[group]


def _ranks(values: Floats) -> Floats:
    """Ranks from 0, the mean rank for equal values."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[at]


def _correlation(x: Floats, y: Floats) -> float | None:
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
