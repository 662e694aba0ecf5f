"""Our linear form of a fastText model against fastText's own predictions."""

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.classifiers.fasttext_scores import LINE_END, FastTextScorer, LinearFastText
from quality.classifiers.fasttext_training import LABELS, FastTextConfig, linear_model, write_lines
from quality.classifiers.fasttext_words import lines
from tests.quality.classifiers.test_logistic_regression import NEGATIVE, POSITIVE

SMALL = {"dim": 8, "epoch": 5, "lr": 0.5, "thread": 1, "verbose": 0, "minn": 0, "maxn": 0, "loss": "softmax"}
EDGES = ["", "?!", "history", "HISTORY", "unseenword", "history unseenword river", "历史", "buy " * 300]


def theirs(model, texts):
    """fastText's probability of the curated class, without the 1e-5 that it adds to each."""
    found = []
    for line in lines(texts).to_pylist():
        labels, probabilities = model.predict(line, k=2)
        at = dict(zip(labels, probabilities, strict=True))
        found.append(at[LABELS[True]] - 1e-5)
    return np.array(found)


@pytest.mark.parametrize(
    "settings",
    [
        {"wordNgrams": 2, "bucket": 4096, "minCount": 1},
        {"wordNgrams": 1, "bucket": 4096, "minCount": 1},
        {"wordNgrams": 4, "bucket": 1000, "minCount": 1},
        {"wordNgrams": 2, "bucket": 50, "minCount": 30},
    ],
    ids=["bigrams", "words alone", "four-grams, an odd number of buckets", "most words unknown"],
)
def test_scores_equal_fasttexts_own(tmp_path, settings):
    path = tmp_path / "examples.txt"
    write_lines(path, pa.chunked_array([POSITIVE]), pa.chunked_array([NEGATIVE]), 0)
    model = fasttext.train_supervised(input=str(path), **SMALL, **settings)
    scorer = FastTextScorer(linear_model(model, model.get_words(), settings["wordNgrams"]))
    texts = [*POSITIVE[:40], *NEGATIVE[-40:], *EDGES]
    np.testing.assert_allclose(scorer.score(texts), theirs(model, texts), rtol=0, atol=1e-5)
    assert np.ptp(scorer.score(texts)) > 0.5


def by_hand(model, text, hashes):
    """The definition: the mean of what words, n-grams and the line's end add, through the logistic function."""
    words = [*text.split(), LINE_END]
    weights = dict(zip(model.words, model.word_weights, strict=True))
    added = [weights[word] for word in words if word in weights]
    for first in range(len(words)):
        gram = hashes[words[first]]
        for other in range(first + 1, min(first + model.word_ngrams, len(words))):
            gram = (gram * 116049371 + hashes[words[other]]) % 2**64
            added.append(model.ngram_weights[gram % len(model.ngram_weights)])
    return 1 / (1 + np.exp(-np.mean(added))) if added else 0.5


def fnv(word):
    h = 2166136261
    for byte in word.encode():
        h = ((h ^ ((byte - 256 if byte > 127 else byte) & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    return (h - (1 << 32) if h >= 1 << 31 else h) % 2**64


WORDS = ["one", "two", "three", "四", "cinq"]


@given(
    st.lists(st.lists(st.sampled_from([*WORDS, "other"]), max_size=9), min_size=1, max_size=4),
    st.integers(1, 4),
    st.booleans(),
    st.integers(1, 40),
)
def test_scores_equal_their_definition(texts, word_ngrams, end_known, buckets):
    draw = np.random.default_rng(buckets)
    words = [*WORDS, LINE_END] if end_known else WORDS
    model = LinearFastText(words, draw.normal(size=len(words)), draw.normal(size=buckets), word_ngrams)
    hashes = {word: fnv(word) for word in [*WORDS, "other", LINE_END]}
    joined = [" ".join(text) for text in texts]
    expected = [by_hand(model, text, hashes) for text in joined]
    np.testing.assert_allclose(FastTextScorer(model).score(joined), expected, rtol=1e-9)


def test_a_model_of_words_that_are_none_is_refused():
    with pytest.raises(ValueError, match="'two words' is not one word"):
        FastTextScorer(LinearFastText(["one", "two words"], np.zeros(2), np.zeros(4), 2))


def test_default_config_is_dclms():
    config = FastTextConfig()
    assert (config.dimension, config.word_ngrams, config.epochs, config.learning_rate) == (100, 2, 5, 0.1)
