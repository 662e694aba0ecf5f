"""How similar two candidates are: by their signatures where that settles it, else by their shingles.

The share of equal components of two signatures estimates the Jaccard similarity J with standard error
sqrt(J(1 - J) / num_perm), 0.041 at J = 0.75 with 112. Within three standard errors of the threshold the
estimate decides nothing: such pairs are measured, which needs their texts. Pairs with equal exact hashes
are 1 without any reading.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.minhash import EMPTY, MinHashConfig, shingles
from text.jit import kernel
from text.ngrams import Grams

_EMPTY = np.uint32(EMPTY)
ReadTexts = Callable[[npt.NDArray[np.int64]], Any]


class Similarities(NamedTuple):
    """Jaccard similarity of every pair, float64[n], and whether it was measured, not estimated, bool[n]."""

    jaccard: npt.NDArray[np.float64]
    measured: npt.NDArray[np.bool_]


def margin(threshold: float, num_perm: int) -> float:
    """Three standard errors of the estimate at `threshold`.

    >>> round(margin(0.75, 112), 3)
    0.123
    """
    return 3.0 * math.sqrt(threshold * (1.0 - threshold) / num_perm)


def verify_pairs(
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    signatures: npt.NDArray[np.uint32],
    exact_codes: npt.NDArray[np.int64],
    read_texts: ReadTexts,
    config: MinHashConfig,
    threshold: float,
) -> Similarities:
    """Similarities of the pairs (left[i], right[i]) of rows of `signatures` and `exact_codes`.

    Rows with equal `exact_codes` hold the same text. `read_texts` gets the rows to be measured, ascending
    and each once, and returns their texts; it is not called where no pair is near the threshold.
    """
    jaccard = estimate(signatures, left, right)
    identical = exact_codes[left] == exact_codes[right]
    jaccard[identical] = 1.0
    measured = identical | undecided(jaccard, threshold, config.num_perm)
    unsettled = np.flatnonzero(measured & ~identical)
    if unsettled.size:
        rows, positions = np.unique(np.concatenate([left[unsettled], right[unsettled]]), return_inverse=True)
        sets = shingle_sets(shingles(read_texts(rows), config))
        jaccard[unsettled] = set_jaccard(sets, positions[: unsettled.size], positions[unsettled.size :])
    return Similarities(jaccard, measured)


def undecided(estimates: npt.NDArray[np.float64], threshold: float, num_perm: int) -> npt.NDArray[np.bool_]:
    """Whether an estimate lies within its error of the threshold, so that the pair has to be measured."""
    return np.abs(estimates - threshold) <= margin(threshold, num_perm)


def estimate(
    signatures: npt.NDArray[np.uint32], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Share of equal components of the signatures left[i] and right[i]; 0 for a document without words."""
    shares = np.empty(len(left), dtype=np.float64)
    _estimate(signatures, left, right, shares)
    return shares


def shingle_sets(grams: Grams) -> Grams:
    """The distinct shingle hashes of every document, ascending."""
    hashes, offsets = _distinct(grams.hashes, grams.offsets)
    return Grams(hashes, offsets)


def set_jaccard(
    sets: Grams, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """|A and B| / |A or B| of the documents left[i] and right[i] of `sets`; 0 for two empty ones."""
    return _set_jaccard(sets.hashes, sets.offsets, left, right)


@kernel
def equal_share(a: npt.NDArray[np.uint32], b: npt.NDArray[np.uint32]) -> float:
    """Share of equal components of two signatures, 0 if either is empty; for use inside kernels."""
    equal = np.int32(0)
    words = np.int32(0)
    for p in range(a.shape[0]):
        equal += np.int32(a[p] == b[p])
        words += np.int32(a[p] != _EMPTY)
    return equal / a.shape[0] if words else 0.0


@kernel
def _estimate(
    signatures: npt.NDArray[np.uint32],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
) -> None:
    for i in range(left.shape[0]):
        shares[i] = equal_share(signatures[left[i]], signatures[right[i]])


@kernel
def _distinct(
    hashes: npt.NDArray[np.uint64], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    out = np.empty(hashes.shape[0], dtype=np.uint64)
    bounds = np.zeros(offsets.shape[0], dtype=np.int64)
    n = 0
    for document in range(offsets.shape[0] - 1):
        ordered = np.sort(hashes[offsets[document] : offsets[document + 1]])
        for i in range(ordered.shape[0]):
            if i == 0 or ordered[i] != ordered[i - 1]:
                out[n] = ordered[i]
                n += 1
        bounds[document + 1] = n
    return out[:n], bounds


@kernel
def _set_jaccard(
    hashes: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    jaccard = np.zeros(left.shape[0], dtype=np.float64)
    for pair in range(left.shape[0]):
        i, i_end = offsets[left[pair]], offsets[left[pair] + 1]
        j, j_end = offsets[right[pair]], offsets[right[pair] + 1]
        size = (i_end - i) + (j_end - j)
        common = 0
        while i < i_end and j < j_end:
            a, b = hashes[i], hashes[j]
            common += a == b
            i += a <= b
            j += b <= a
        if size:
            jaccard[pair] = common / (size - common)
    return jaccard
