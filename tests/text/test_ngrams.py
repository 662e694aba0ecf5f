"""Rolling grams against brute force over big integers."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text import reference
from text.ngrams import Grams, ngrams
from text.words import Words, segment

hashes = st.integers(0, 2**64 - 1)
documents = st.lists(st.lists(hashes | st.integers(0, 2), max_size=12), max_size=6)


def words_of(documents: list[list[int]]) -> Words:
    flat = np.array([h for document in documents for h in document], np.uint64)
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    places = np.zeros(len(flat), np.int64)
    return Words(flat, places, places, offsets)


def listed(grams: Grams) -> list[list[int]]:
    bounds = zip(grams.offsets[:-1], grams.offsets[1:], strict=True)
    return [grams.hashes[a:b].tolist() for a, b in bounds]


@given(documents, st.integers(1, 15))
def test_rolling_is_hashing_every_window(documents, n):
    expected = [reference.grams(document, n) for document in documents]
    assert listed(ngrams(words_of(documents), n)) == expected


@pytest.mark.parametrize(
    ("text", "n", "count"),
    [("", 3, 0), ("one", 3, 1), ("one two", 3, 1), ("a b c", 3, 1), ("a b c d", 3, 2), ("a b c", 1, 3)],
    ids=["no words", "one word", "a word short", "exactly n", "one more", "unigrams"],
)
def test_number_of_grams(text, n, count):
    assert len(ngrams(segment(pa.array([text])), n).hashes) == count


@given(st.lists(hashes, min_size=1, max_size=8), st.integers(1, 9))
def test_a_gram_differs_from_all_its_prefixes(document, n):
    prefixes = [document[:length] for length in range(1, len(document) + 1)]
    whole = [listed(ngrams(words_of([prefix]), len(document)))[0][0] for prefix in prefixes]
    assert len(set(whole)) == len(prefixes)


@pytest.mark.parametrize(
    ("one", "other"),
    [([5], [0, 5]), ([0], [0, 0]), ([1, 2], [2, 1]), ([0, 7], [7, 0]), ([1, 2, 3], [1, 3, 2])],
    ids=["leading zero", "only zeros", "order of two", "order with zero", "order of three"],
)
def test_length_and_order_count(one, other):
    first, second = listed(ngrams(words_of([one, other]), 9))
    assert first != second


def test_a_short_document_has_the_gram_of_its_own_length():
    text = segment(pa.array(["just three words"]))
    assert listed(ngrams(text, 5)) == listed(ngrams(text, 3))


@given(documents, st.integers(1, 6))
def test_documents_do_not_touch_each_other(documents, n):
    together = listed(ngrams(words_of(documents), n))
    assert together == [listed(ngrams(words_of([document]), n))[0] for document in documents]


def test_grams_of_real_words_spread_over_all_bits():
    words = segment(pa.array([" ".join(map(str, range(20_000)))]))
    hashes = ngrams(words, 5).hashes
    assert len(np.unique(hashes)) == len(hashes) == 19_996
    ones = [int(np.count_nonzero(hashes & np.uint64(1 << bit))) for bit in range(64)]
    # Five standard deviations of a fair coin.
    assert max(abs(count - len(hashes) / 2) for count in ones) < 5 * np.sqrt(len(hashes)) / 2


@pytest.mark.parametrize("n", [0, -1])
def test_n_below_one_is_refused(n):
    with pytest.raises(ValueError, match=f"n is {n}, expected at least 1"):
        ngrams(words_of([[1]]), n)
