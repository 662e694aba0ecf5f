import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from quality.classifiers import features
from text.words import segment

TEXTS = [
    "the cat sat on the mat, the end",
    "",
    "!!! ... --",
    "今天天气很好,今天我们去公园。",
    "word " * 5000 + "another",  # a count past the logarithm table
    "Ünïcode naïve façade 中文 and english mixed 123",
    " ".join(f"w{i}" for i in range(3000)),
]


def oracle(text: str) -> dict[int, float]:
    """Bucket and value of a text, one Python number at a time."""
    counts = Counter(int(h) >> 46 for h in segment(pa.array([text])).hashes)
    values = {bucket: math.log1p(n) for bucket, n in counts.items()}
    norm = math.sqrt(math.fsum(v * v for v in values.values()))
    return {bucket: v / norm for bucket, v in values.items()}


def as_dicts(matrix):
    return [dict(zip(row.indices.tolist(), row.data.tolist(), strict=True)) for row in matrix]


def test_matrix_holds_log_counts_of_unit_length_in_the_hash_top_bits():
    matrix = features.csr(pa.array(TEXTS))
    assert matrix.shape == (len(TEXTS), 2**18)
    assert matrix.dtype == np.float64
    assert matrix.has_sorted_indices
    for found, text in zip(as_dicts(matrix), TEXTS, strict=True):
        assert found == pytest.approx(oracle(text), rel=1e-14)


@given(st.lists(st.lists(st.sampled_from(["one", "two", "three", "四", "五"]), max_size=12), max_size=6))
def test_rows_do_not_depend_on_their_neighbours(documents):
    texts = [" ".join(words) for words in documents]
    together = as_dicts(features.csr(pa.array(texts, pa.string())))
    alone = [as_dicts(features.csr(pa.array([text])))[0] for text in texts]
    assert together == alone


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).normal(scale=3.0, size=features.BUCKETS)


def sigmoid_model(weights, intercept):
    model = LogisticRegression(solver="liblinear")
    model.classes_ = np.array([0, 1])
    model.coef_, model.intercept_ = weights[None], np.array([intercept])
    return model


@pytest.mark.parametrize("intercept", [-0.7, 0.0, 40.0, -800.0])
def test_scores_equal_scikit_learns_predict_proba(weights, intercept):
    texts = pa.array(TEXTS)
    ours = features.linear_scores(segment(texts), weights, intercept)
    theirs = sigmoid_model(weights, intercept).predict_proba(features.csr(texts))[:, 1]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_a_text_without_words_scores_as_the_intercept(weights):
    scores = features.linear_scores(segment(pa.array(["", "?!"])), weights, -1.0)
    np.testing.assert_allclose(scores, 1 / (1 + math.e), rtol=1e-15)


@given(st.permutations(range(len(TEXTS))))
def test_scores_do_not_depend_on_the_batch(order):
    weights = np.linspace(-1, 1, features.BUCKETS)
    together = features.linear_scores(segment(pa.array(TEXTS)), weights, 0.1)
    shuffled = features.linear_scores(segment(pa.array([TEXTS[i] for i in order])), weights, 0.1)
    assert (shuffled == together[list(order)]).all()


@pytest.mark.parametrize(
    "weights",
    [np.zeros(10), np.zeros(features.BUCKETS, np.float32)],
    ids=["too few", "float32"],
)
def test_weights_of_another_form_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be float64"):
        features.linear_scores(segment(pa.array(["a"])), weights, 0.0)
