"""How the learning rate and the batch grow and shrink: pure functions of the work done, in any unit.

Pretraining counts tokens (GPT-3, app. B); fine-tuning counts steps.
"""

import math


def warmup_cosine(done: float, warmup: float, total: float, peak: float, final_fraction: float) -> float:
    """Learning rate after `done` of `total`: linear up to `peak` at `warmup`, cosine to its fraction, then flat.

    `done`, `warmup` and `total` have one unit (tokens or steps). `done` counts the step that uses the rate, so the
    first step of a warm-up is not lost at rate 0. Without warm-up the cosine begins at 0.
    """
    if done < warmup:
        return peak * done / warmup
    if done >= total:
        return peak * final_fraction
    progress = (done - warmup) / (total - warmup)
    return peak * (final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * progress)) / 2)


def ramp(done: float, first: int, full: int, over: float) -> float:
    """Batch after `done`: linear from `first` to `full` over the first `over` (same unit as `done`); 0 = at once."""
    if done >= over:
        return full
    return first + (full - first) * done / over


def whole_multiple(value: float, unit: int) -> int:
    """The multiple of `unit` nearest to `value`, at least one unit: batches are made of whole micro-batches."""
    return max(1, round(value / unit)) * unit
