"""The words that weigh most in a classifier, by name.

Logistic regression knows buckets of hashed words, not words: the names come back from the words of the texts that
it was fitted on, each hashed into its bucket.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quality.classifiers import features
from text.buffers import text_buffer
from text.words import segment

TOP_WORDS = 25
WORDS_OF_A_BUCKET = 3
LEAST_SHARE = 0.1
MIN_DOCUMENTS = 5

TopWords = dict[str, list[list[str | float]]]
"""Under positive and negative: words with their weights, those that weigh most first."""


def top_buckets(
    weights: NDArray[np.float64],
    in_documents: NDArray[np.int64],
    chunks: Sequence[pa.Array],
    n: int = TOP_WORDS,
) -> TopWords:
    """The `n` most positive and most negative of the buckets, each named by its most frequent words in `chunks`.

    Words with less than LEAST_SHARE of the occurrences of the commonest are not named: they share its bucket by
    chance and did not make its weight.

    `in_documents` counts the documents that have a word of the bucket: MIN_DOCUMENTS are needed, or as many
    as the commonest bucket has where that is less.
    """
    known = np.flatnonzero(in_documents >= max(1, min(MIN_DOCUMENTS, int(in_documents.max()))))
    ranked = known[np.argsort(weights[known], kind="stable")]
    negative = [int(bucket) for bucket in ranked[:n] if weights[bucket] < 0]
    positive = [int(bucket) for bucket in ranked[::-1][:n] if weights[bucket] > 0]
    names = _names({*positive, *negative}, chunks)
    return {
        "positive": [[names[bucket], float(weights[bucket])] for bucket in positive],
        "negative": [[names[bucket], float(weights[bucket])] for bucket in negative],
    }


def top_words(words: Sequence[str], weights: NDArray[np.float64], n: int = TOP_WORDS) -> TopWords:
    """The `n` most positive and most negative of `words`; those of equal weight by name."""
    order = sorted(range(len(words)), key=lambda place: (weights[place], words[place]))
    negative = [place for place in order[:n] if weights[place] < 0]
    positive = [place for place in order[::-1][:n] if weights[place] > 0]
    return {
        "positive": [[words[place], float(weights[place])] for place in positive],
        "negative": [[words[place], float(weights[place])] for place in negative],
    }


def _buckets(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The bucket of each word: the top bits of its hash, as in quality.classifiers.features."""
    return (hashes >> np.uint64(64 - features.BUCKET_BITS)).astype(np.int64)


def _names(buckets: set[int], chunks: Sequence[pa.Array]) -> dict[int, str]:
    wanted = np.zeros(features.BUCKETS, np.bool_)
    wanted[list(buckets)] = True
    counts: dict[int, Counter[str]] = {bucket: Counter() for bucket in buckets}
    for chunk in chunks:
        words = segment(chunk)
        hit = np.flatnonzero(wanted[_buckets(words.hashes)])
        hashes, first, times = np.unique(words.hashes[hit], return_index=True, return_counts=True)
        data, offsets = text_buffer(chunk)
        for value, place, n in zip(_buckets(hashes).tolist(), hit[first], times.tolist(), strict=True):
            document = int(np.searchsorted(words.offsets, place, side="right")) - 1
            origin = int(offsets[document])
            raw = bytes(data[origin + words.starts[place] : origin + words.ends[place]])
            counts[value][raw.decode("utf-8").lower()] += n
    told = {}
    for bucket, found in counts.items():
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        common = [word for word, n in ranked[:WORDS_OF_A_BUCKET] if n >= LEAST_SHARE * ranked[0][1]]
        told[bucket] = ", ".join(common)
    return told
