"""Hashes of word n-grams, rolled over the word hashes in constant time per gram.

The hash of a gram of words w_1 .. w_k (hashes of `text.words`), modulo 2^64, with fmix64 of `text.hashing`:

    r = w_1 * B^(k-1) + w_2 * B^(k-2) + ... + w_k,    B = 0xD6E8FEB86659FD93
    gram = fmix64(r + k * 0x9E3779B97F4A7C15)

so it depends on the words and their order alone, and two grams of different lengths do not meet but by chance.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from text.hashing import GOLDEN, fmix64_scalar
from text.jit import kernel
from text.words import Words

BASE = np.uint64(0xD6E8FEB86659FD93)


class Grams(NamedTuple):
    """Gram hashes of a batch of documents; those of document i are `offsets[i]` to `offsets[i + 1]`."""

    hashes: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]


def ngrams(words: Words, n: int) -> Grams:
    """Hash every run of `n` words of each document; gram i of a document starts at its word i.

    A document of 1 to n - 1 words has one gram of all it has, one of no words has none. ValueError if n < 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}, expected at least 1 word a gram")
    hashes, offsets = ngrams_kernel(words.hashes, words.offsets, n)
    return Grams(hashes, offsets)


@kernel
def ngrams_kernel(
    hashes: npt.NDArray[np.uint64], offsets: npt.NDArray[np.int64], n: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The arrays of `Grams` from the hashes and offsets of `Words`, for use inside kernels."""
    documents = len(offsets) - 1
    gram_offsets = np.zeros(documents + 1, np.int64)
    for document in range(documents):
        count = offsets[document + 1] - offsets[document]
        gram_offsets[document + 1] = gram_offsets[document] + (max(count - n + 1, 1) if count else 0)
    grams = np.empty(gram_offsets[documents], np.uint64)
    for document in range(documents):
        first, stop = offsets[document], offsets[document + 1]
        length = min(n, stop - first)
        oldest = np.uint64(1)
        rolling = np.uint64(0)
        for i in range(length):
            rolling = rolling * BASE + hashes[first + i]
            oldest *= BASE
        salt = np.uint64(length) * GOLDEN
        for gram in range(gram_offsets[document], gram_offsets[document + 1]):
            grams[gram] = fmix64_scalar(rolling + salt)
            leaving = first + gram - gram_offsets[document]
            if leaving + length < stop:
                rolling = rolling * BASE + hashes[leaving + length] - hashes[leaving] * oldest
    return grams, gram_offsets
