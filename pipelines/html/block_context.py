"""What a first guess about every block says about each: that of its neighbours, of its elements, of the page.

Guesses are probabilities; means over blocks weigh each by its units plus `_FLOOR`.
"""

import numpy as np
import numpy.typing as npt

from pipelines.html import page_arrays as room
from pipelines.html.block_features import LEVELS, Features
from pipelines.html.borrow import borrowing
from pipelines.html.page_arrays import Rows
from text.jit import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Units = npt.NDArray[np.int64]

_FLOOR = 5.0
_STEPS = (-3, -2, -1, 1, 2, 3)
_WINDOWS = (3, 8, 20)
_SIDES = (5, 15)
_WINDOWS_AT = 1 + len(_STEPS)
_SIDES_AT = _WINDOWS_AT + len(_WINDOWS)
_LEVELS_AT = _SIDES_AT + 2 * len(_SIDES)
_PAGE_AT = _LEVELS_AT + 2 * LEVELS
WIDTH = _PAGE_AT + 4
"""Number of features."""


def block_context(guesses: Doubles, features: Features, nodes: Rows) -> Floats:
    """Features float32[n, WIDTH] from guesses float64[n] in 0..1."""
    matrix = np.empty((len(guesses), WIDTH), np.float32)
    sums = np.zeros((len(guesses) + 1, 2))
    if len(guesses):
        _context(guesses, features.units, features.boxes, nodes, sums, matrix)
    return matrix


@borrowing
@kernel
def _mean(sums: Doubles, low: int, high: int) -> float:
    """Mean guess of the blocks low..high - 1; -1 where there is none."""
    if high <= low:
        return -1.0
    return (sums[high, 0] - sums[low, 0]) / (sums[high, 1] - sums[low, 1])


@borrowing
@kernel
def _context(guesses: Doubles, units: Units, boxes: Rows, nodes: Rows, sums: Doubles, out: Floats) -> None:
    n, most = guesses.size, 0.0
    for i in range(n):
        weight = units[i] + _FLOOR
        sums[i + 1, 0], sums[i + 1, 1] = sums[i, 0] + guesses[i] * weight, sums[i, 1] + weight
        most = max(most, guesses[i])
    whole = max(sums[n, 0], 1e-9)
    for i in range(n):
        out[i, 0] = guesses[i]
        at = 1
        for step in _STEPS:
            out[i, at] = guesses[i + step] if 0 <= i + step < n else -1.0
            at += 1
        for reach in _WINDOWS:
            out[i, at] = _mean(sums, max(0, i - reach), min(n, i + reach + 1))
            at += 1
        for reach in _SIDES:
            out[i, at] = _mean(sums, max(0, i - reach), i)
            out[i, at + 1] = _mean(sums, i + 1, min(n, i + reach + 1))
            at += 2
        for level in range(LEVELS):
            low, high = nodes[boxes[i, level], room.BLOCKS_FROM], nodes[boxes[i, level], room.BLOCKS_TO]
            out[i, at] = _mean(sums, low, high)
            out[i, at + 1] = (sums[high, 0] - sums[low, 0]) / whole
            at += 2
        out[i, at] = sums[n, 0] / sums[n, 1]
        out[i, at + 1] = np.log1p(sums[n, 0])
        out[i, at + 2] = most
        out[i, at + 3] = sums[i, 0] / whole
