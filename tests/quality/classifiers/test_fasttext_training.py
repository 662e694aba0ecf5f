from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.classifiers.fasttext_training import (
    LABELS,
    FastTextConfig,
    TrainingError,
    repeated,
    train,
    write_lines,
)
from tests.quality.classifiers.test_logistic_regression import NEGATIVE, POSITIVE

SMALL = FastTextConfig(dimension=8, buckets=1024, epochs=2)


def chunked(texts, cut=0):
    return pa.chunked_array([texts[:cut], texts[cut:]], pa.string())


def written(path, positive, negative, seed=0):
    n_lines = write_lines(path, chunked(positive), chunked(negative), seed)
    return n_lines, path.read_text().split("\n")[:-1]


def test_the_smaller_class_is_repeated_evenly(tmp_path):
    positive, negative = [f"good {i}" for i in range(7)], [f"bad {i}" for i in range(31)]
    n_lines, lines = written(tmp_path / "lines", positive, negative)
    counts = Counter(lines)
    assert n_lines == 31
    assert {counts[f"{LABELS[False]} bad {i} "] for i in range(31)} == {1}
    times = [counts[f"{LABELS[True]} good {i} "] for i in range(7)]
    assert sum(times) == 31
    assert set(times) == {4, 5}
    assert sum(counts.values()) == 62


def test_lines_do_not_depend_on_order_or_chunks_and_are_mixed(tmp_path):
    draw = np.random.default_rng(1)
    positive, negative = [f"good {i}" for i in range(60)], [f"bad {i}" for i in range(200)]
    _, one = written(tmp_path / "one", positive, negative)
    shuffled = [[texts[i] for i in draw.permutation(len(texts))] for texts in (positive, negative)]
    write_lines(tmp_path / "two", chunked(shuffled[0], 9), chunked(shuffled[1], 50), 0)
    assert (tmp_path / "two").read_text().split("\n")[:-1] == one
    assert written(tmp_path / "three", positive, negative, seed=1)[1] != one
    # Runs of one label: mixed lines change label at about every other line.
    changes = sum(a.split()[0] != b.split()[0] for a, b in pairwise(one))
    assert 150 < changes < 250


@given(st.integers(1, 9), st.integers(0, 40))
def test_rows_are_repeated_as_often_as_each_other_or_once_more(n_keys, more):
    keys = pa.array([f"key {i}" for i in range(n_keys)])
    rows, copies = repeated(keys, n_keys + more, 0)
    counts = np.bincount(rows, minlength=n_keys)
    assert counts.sum() == n_keys + more
    assert counts.max() - counts.min() <= 1
    assert sorted(zip(rows.tolist(), copies.tolist(), strict=True)) == [
        (row, copy) for row in range(n_keys) for copy in range(counts[row])
    ]


def test_equal_examples_give_equal_models():
    one, two = (train(chunked(POSITIVE), chunked(NEGATIVE), SMALL) for _ in range(2))
    assert one.model.words == two.model.words
    np.testing.assert_array_equal(one.model.word_weights, two.model.word_weights)
    np.testing.assert_array_equal(one.model.ngram_weights, two.model.ngram_weights)
    other = train(chunked(POSITIVE), chunked(NEGATIVE), SMALL.model_copy(update={"seed": 1}))
    assert (other.model.ngram_weights != one.model.ngram_weights).any()


def test_chinese_characters_are_words_and_case_is_folded():
    trained = train(chunked(["The River 河流", "河"]), chunked(["BUY 购物", "buy"]), SMALL)
    assert set(trained.model.words) == {"the", "river", "buy", *"河流购物", "</s>"}
    counts = dict(zip(trained.model.words, trained.word_counts.tolist(), strict=True))
    assert (counts["buy"], counts["河"], counts["</s>"]) == (2, 2, 4)


def test_a_diverging_training_names_its_key():
    with pytest.raises(TrainingError, match=r"fasttext\.learning_rate: 1e\+30 made the training diverge"):
        train(chunked(POSITIVE), chunked(NEGATIVE), SMALL.model_copy(update={"learning_rate": 1e30}))
