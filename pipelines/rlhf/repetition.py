"""Replies that go round in circles, by the share of their word n-grams that stood in them before, or by one run."""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from text.ngrams import ngrams
from text.words import segment

# A run of one character: zeros, combining marks. Rules and blank forms are drawn with the others.
_RUN = re.compile(r"([^\s\-=_#*.~+|/\\])\1{99,}")


def repeated_shares(texts: pa.Array | pa.ChunkedArray, n: int, min_words: int) -> npt.NDArray[np.float64]:
    """Share of each text's n-grams of `n` words that are copies of an earlier one, 0..1.

    0 for a text of fewer than `min_words` words. A character of a script without spaces is a word.
    """
    words = segment(texts)
    grams = ngrams(words, n)
    lengths = np.diff(grams.offsets)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((grams.hashes, owners))
    hashes, owners = grams.hashes[order], owners[order]
    copies = (hashes[1:] == hashes[:-1]) & (owners[1:] == owners[:-1])
    counts = np.bincount(owners[1:][copies], minlength=len(lengths))
    shares = counts / np.maximum(lengths, 1)
    return np.where(np.diff(words.offsets) < min_words, 0.0, shares)


def run_share(text: str) -> float:
    """Share of the text that its longest run of one character is, 0..1; runs of fewer than 100 do not count.

    >>> run_share("a" * 150 + "b" * 50), run_share("=" * 200)
    (0.75, 0.0)
    """
    return max((len(run[0]) for run in _RUN.finditer(text)), default=0) / max(len(text), 1)
