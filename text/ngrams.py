"""Hashes of word n-grams, rolled over the word hashes in constant time per gram.

The hash of a gram of words w_1 .. w_k (hashes of `text.words`), modulo 2^64, with fmix64 of `text.hashing`:

    r = w_1 * B^(k-1) + w_2 * B^(k-2) + ... + w_k,    B = 0xD6E8FEB86659FD93
    gram = fmix64(r + k * 0x9E3779B97F4A7C15)

so it depends on the words and their order alone, and grams of different lengths meet by chance only.
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
    counts = np.diff(words.offsets)
    offsets = np.zeros(len(words.offsets), np.int64)
    np.cumsum(np.where(counts > 0, np.maximum(counts - n + 1, 1), 0), out=offsets[1:])
    hashes = np.empty(offsets[-1], np.uint64)
    ngrams_kernel(words.hashes, words.offsets, n, offsets, hashes)
    return Grams(hashes, offsets)


@kernel
def ngrams_kernel(
    words: npt.NDArray[np.uint64],
    word_offsets: npt.NDArray[np.int64],
    n: int,
    gram_offsets: npt.NDArray[np.int64],
    grams: npt.NDArray[np.uint64],
) -> None:
    """Fill `grams`, laid out by `gram_offsets` as in `Grams`, from the hashes and offsets of `Words`."""
    for document in range(len(word_offsets) - 1):
        first, stop = word_offsets[document], word_offsets[document + 1]
        length = min(n, stop - first)
        oldest, rolling = np.uint64(1), np.uint64(0)
        for i in range(first, first + length):
            rolling = rolling * BASE + words[i]
            oldest *= BASE
        salt = np.uint64(length) * GOLDEN
        leaving = first
        for gram in range(gram_offsets[document], gram_offsets[document + 1]):
            grams[gram] = fmix64_scalar(rolling + salt)
            if leaving + length < stop:
                rolling = rolling * BASE + words[leaving + length] - words[leaving] * oldest
            leaving += 1
