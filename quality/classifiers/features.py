"""Hashed word features of the quality classifier: counts in 2^18 buckets, log1p, unit length.

GPT-3 (app. A) uses Spark's tokenizer with HashingTF, whose default is 2^18 buckets; words here are those of
text.words, so that one segmentation serves all stages. log1p and the L2 norm are ours: raw counts did not
converge. `csr` builds the matrix that scikit-learn fits on, `linear_scores` is the same product without it.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from text.jit import kernel
from text.words import Words, segment

SCHEME = "text.words, log1p counts, L2 norm"
SCHEME_VERSION = 1
BUCKET_BITS = 18
BUCKETS = 1 << BUCKET_BITS

# A word's hash ends in fmix64, so any of its bits will do; the bucket is the top ones.
_SHIFT = np.uint64(64 - BUCKET_BITS)
_LOG1P = np.log1p(np.arange(4096, dtype=np.float64))


def csr(texts: pa.Array | pa.ChunkedArray) -> sparse.csr_matrix:
    """Features as float64 CSR of shape (n_texts, BUCKETS), indices sorted; no words, a row of zeros."""
    words = segment(texts)
    indptr, indices, counts = _count_rows(words.hashes, words.offsets)
    values = np.log1p(counts.astype(np.float64))
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    norms = np.sqrt(np.bincount(rows, weights=values * values, minlength=len(indptr) - 1))
    matrix = sparse.csr_matrix((values / norms[rows], indices, indptr), shape=(len(indptr) - 1, BUCKETS))
    matrix.sort_indices()
    return matrix


def linear_scores(words: Words, weights: NDArray[np.float64], intercept: float) -> NDArray[np.float64]:
    """P = 1 / (1 + exp(-(features @ weights + intercept))) of each document, without building the features.

    `weights` has shape (BUCKETS,). Sums are float64: in float32 they miss scikit-learn's by more than 1e-6.
    """
    if weights.shape != (BUCKETS,) or weights.dtype != np.float64:
        raise ValueError(f"weights must be float64 ({BUCKETS},), found {weights.dtype} {weights.shape}")
    return _score_rows(words.hashes, words.offsets, weights, intercept, _LOG1P)


@kernel
def _count_rows(
    hashes: NDArray[np.uint64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """CSR index pointer, bucket and count of every (document, bucket) pair that occurs."""
    n_rows = len(offsets) - 1
    slots = np.full(BUCKETS, -1, np.int64)
    indptr = np.zeros(n_rows + 1, np.int64)
    indices = np.empty(len(hashes), np.int32)
    counts = np.empty(len(hashes), np.int32)
    used = 0
    for row in range(n_rows):
        first = used
        for word in range(offsets[row], offsets[row + 1]):
            bucket = np.int64(hashes[word] >> _SHIFT)
            # A slot from an earlier row is stale: it lies before this row's first pair.
            if slots[bucket] < first:
                slots[bucket] = used
                indices[used] = bucket
                counts[used] = 1
                used += 1
            else:
                counts[slots[bucket]] += 1
        indptr[row + 1] = used
    return indptr, indices[:used].copy(), counts[:used].copy()


@kernel
def _score_rows(
    hashes: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float64],
    intercept: float,
    log1p: NDArray[np.float64],
) -> NDArray[np.float64]:
    n_rows = len(offsets) - 1
    counts = np.zeros(BUCKETS, np.int32)
    touched = np.empty(BUCKETS, np.int32)
    scores = np.empty(n_rows, np.float64)
    for row in range(n_rows):
        n_touched = 0
        for word in range(offsets[row], offsets[row + 1]):
            bucket = np.int64(hashes[word] >> _SHIFT)
            if counts[bucket] == 0:
                touched[n_touched] = bucket
                n_touched += 1
            counts[bucket] += 1
        dot = 0.0
        squares = 0.0
        for place in range(n_touched):
            bucket = touched[place]
            count = counts[bucket]
            counts[bucket] = 0
            value = log1p[count] if count < len(log1p) else np.log1p(np.float64(count))
            dot += value * weights[bucket]
            squares += value * value
        if n_touched > 0:
            dot /= np.sqrt(squares)
        scores[row] = 1.0 / (1.0 + np.exp(-(dot + intercept)))
    return scores
