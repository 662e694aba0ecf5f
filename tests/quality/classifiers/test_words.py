import numpy as np
import pyarrow as pa
import pytest

from quality.classifiers import features
from quality.classifiers.logistic_regression import QualityClassifier
from quality.classifiers.words import WORDS_OF_A_BUCKET, top_buckets, top_words
from tests.quality.classifiers.test_logistic_regression import (
    CHINESE_PROSE,
    CHINESE_SPAM,
    NEGATIVE,
    POSITIVE,
    PROSE,
    SPAM,
)
from text.words import segment


def bucket_of(word):
    """The column that the feature matrix has for a text of this word alone."""
    (column,) = features.csr(pa.array([word])).indices
    return int(column)


def test_words_of_a_fit_are_those_of_its_classes():
    words = QualityClassifier().fit(POSITIVE, NEGATIVE).card["top_words"]
    positive, negative = ({word for word, _ in words[side]} for side in ("positive", "negative"))
    assert positive <= {*PROSE, *CHINESE_PROSE}
    assert negative <= {*SPAM, *CHINESE_SPAM}
    assert len(positive) >= 20
    weights = [weight for _, weight in words["positive"]]
    assert weights == sorted(weights, reverse=True)
    assert words["negative"][0][1] == min(weight for _, weight in words["negative"])


def test_names_and_weights_belong_together():
    draw = np.random.default_rng(0)
    weights = draw.normal(size=features.BUCKETS)
    chunk = pa.array(["The RIVER begins", "the river", "河流 river", "?"])
    matrix = features.csr(chunk)
    found = top_buckets(weights, np.bincount(matrix.indices, minlength=features.BUCKETS), [chunk], n=50)
    told = dict([*found["positive"], *found["negative"]])
    # The most documents that a word has is 3, so that many are asked for.
    assert told == {"river": pytest.approx(weights[bucket_of("river")])}
    everywhere = np.full(features.BUCKETS, 9) * (np.bincount(matrix.indices, minlength=features.BUCKETS) > 0)
    found = top_buckets(weights, everywhere, [chunk], n=50)
    told = dict([*found["positive"], *found["negative"]])
    assert told == {w: pytest.approx(weights[bucket_of(w)]) for w in ["the", "river", "begins", "河", "流"]}


def test_words_that_share_a_bucket_are_named_together_the_commonest_first():
    words = pa.array([f"w{number}" for number in range(20_000)])
    buckets = (segment(words).hashes >> np.uint64(64 - features.BUCKET_BITS)).astype(np.int64)
    values, counts = np.unique(buckets, return_counts=True)
    crowded = int(values[np.argmax(counts)])
    sharing = [f"w{number}" for number in np.flatnonzero(buckets == crowded)]
    assert len(sharing) >= 2
    weights = np.zeros(features.BUCKETS)
    weights[crowded] = 2.0
    chunks = [pa.array([" ".join(sharing), sharing[-1]])]
    found = top_buckets(weights, (weights > 0).astype(np.int64) * 5, chunks)
    expected = [sharing[-1], *sharing[:-1]][:WORDS_OF_A_BUCKET]
    assert found == {"positive": [[", ".join(expected), 2.0]], "negative": []}
    often = pa.array([" ".join([sharing[-1]] * 11 + sharing[:1])])
    found = top_buckets(weights, (weights > 0).astype(np.int64) * 5, [often])
    assert found["positive"] == [[sharing[-1], 2.0]]


def test_top_words_are_ranked_by_weight_then_name():
    found = top_words(["c", "a", "b", "d", "e"], np.array([1.0, 1.0, -3.0, 0.0, -1.0]), n=2)
    assert found == {"positive": [["c", 1.0], ["a", 1.0]], "negative": [["b", -3.0], ["e", -1.0]]}
    assert top_words([], np.empty(0)) == {"positive": [], "negative": []}
