"""A two-class fastText model as what it is, a linear one, and its scores at memory speed.

fastText averages the vectors of a line's words and word n-grams, and of the line's end, and gives the mean to a
softmax over the classes. With two classes P = 1 / (1 + exp(-d · mean)), d being the difference of both output
vectors; so all that a word or n-gram ever does is add its d · v to the mean. Those numbers, one a word and one a
bucket of n-grams, are the model: a fiftieth of fastText's own file at 100 dimensions, with the same scores.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quality.classifiers.fasttext_words import fasttext_hashes, fold
from text.buffers import Texts
from text.jit import kernel
from text.words import segment

LINE_END = "</s>"
_NGRAM_FACTOR = np.uint64(116049371)


class LinearFastText(NamedTuple):
    """`words` (LINE_END among them, where it is known) and what each adds; `ngram_weights` by bucket; n-grams up to
    `word_ngrams` words.
    """

    words: list[str]
    word_weights: NDArray[np.float64]
    ngram_weights: NDArray[np.float64]
    word_ngrams: int


class FastTextScorer:
    """P(positive class) of texts, equal to fastText's own up to its single precision."""

    def __init__(self, model: LinearFastText) -> None:
        """ValueError where a word is not one word of text.words: it could never be met."""
        known = [word for word in model.words if word != LINE_END]
        found = segment(known)
        if not (np.diff(found.offsets) == 1).all():
            place = int(np.argmin(np.diff(found.offsets) == 1))
            raise ValueError(f"the model's word {known[place]!r} is not one word of text.words")
        weights = model.word_weights[[place for place, word in enumerate(model.words) if word != LINE_END]]
        self._keys, self._values = _table(found.hashes, weights)
        self._ngrams = model.ngram_weights
        self._word_ngrams = model.word_ngrams if len(model.ngram_weights) else 1
        self._end_known = LINE_END in model.words
        self._end_weight = float(model.word_weights[model.words.index(LINE_END)]) if self._end_known else 0.0
        raw = np.frombuffer(LINE_END.encode(), np.uint8)
        self._end_hash = fasttext_hashes(raw, np.array([0, len(raw)], np.int64))[0]

    def score(self, texts: Texts) -> NDArray[np.float64]:
        """P of each text, float64 in 0..1."""
        folded = fold(texts)
        return _score_rows(
            folded.words.hashes,
            fasttext_hashes(folded.data, folded.places),
            folded.words.offsets,
            self._keys,
            self._values,
            self._ngrams,
            self._word_ngrams,
            self._end_hash,
            self._end_weight,
            self._end_known,
        )


def _table(
    hashes: NDArray[np.uint64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """An open-addressing table from word hash to weight, at most half full; NaN marks a free slot."""
    bits = max(4, int(2 * len(hashes)).bit_length())
    keys = np.zeros(1 << bits, np.uint64)
    values = np.full(1 << bits, np.nan)
    _fill(hashes, weights, keys, values)
    return keys, values


@kernel
def _fill(
    hashes: NDArray[np.uint64],
    weights: NDArray[np.float64],
    keys: NDArray[np.uint64],
    values: NDArray[np.float64],
) -> None:
    mask = np.uint64(len(keys) - 1)
    for word in range(len(hashes)):
        slot = hashes[word] & mask
        while not np.isnan(values[slot]) and keys[slot] != hashes[word]:
            slot = (slot + np.uint64(1)) & mask
        if np.isnan(values[slot]):
            keys[slot] = hashes[word]
            values[slot] = weights[word]


@kernel
def _score_rows(
    hashes: NDArray[np.uint64],
    ngram_hashes: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    keys: NDArray[np.uint64],
    values: NDArray[np.float64],
    ngrams: NDArray[np.float64],
    word_ngrams: int,
    end_hash: np.uint64,
    end_weight: float,
    end_known: bool,
) -> NDArray[np.float64]:
    scores = np.empty(len(offsets) - 1, np.float64)
    mask, buckets = np.uint64(len(keys) - 1), np.uint64(max(len(ngrams), 1))
    for row in range(len(scores)):
        first, stop = offsets[row], offsets[row + 1]
        total = end_weight if end_known else 0.0
        n = np.int64(end_known)
        for word in range(first, stop):
            slot = hashes[word] & mask
            while not np.isnan(values[slot]) and keys[slot] != hashes[word]:
                slot = (slot + np.uint64(1)) & mask
            if not np.isnan(values[slot]):
                total += values[slot]
                n += 1
            gram = ngram_hashes[word]
            # The line's end is the last word of the last n-grams.
            for other in range(word + 1, min(word + word_ngrams, stop + 1)):
                gram = gram * _NGRAM_FACTOR + (ngram_hashes[other] if other < stop else end_hash)
                total += ngrams[gram % buckets]
                n += 1
        scores[row] = 1.0 / (1.0 + np.exp(-total / n)) if n else 0.5
    return scores
