import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.measures.repetition import LENGTHS, gram_characters, repeats, running_sums
from tests.quality import plain_signals as plain
from text.hashing import hash64

WORDS = ["a", "bb", "ccc", "dddd"]


def arrays(documents):
    hashes = hash64(pa.array([word for words in documents for word in words], pa.string()))
    sizes = np.array([len(word) for words in documents for word in words], np.int32)
    return hashes, running_sums(sizes), np.cumsum([0, *map(len, documents)])


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=40), max_size=4))
def test_grams_agree_with_counting_them(documents):
    paper = gram_characters(*arrays(documents), greedy=False)
    greedy = gram_characters(*arrays(documents), greedy=True)
    for row, words in enumerate(documents):
        assert paper[row].tolist() == [
            (plain.top_gram if n < 5 else plain.covered_by_repeats)(words, n) for n in LENGTHS
        ]
        assert greedy[row].tolist() == [
            (plain.first_top_gram if n < 5 else plain.greedy_repeats)(words, n) for n in LENGTHS
        ]


CASES = {
    "overlapping_occurrences_count_once": ("a a a a a a a", 5, 7, 5),
    "paper_counts_the_first_too": ("a b c d e x a b c d e", 5, 10, 5),
    "nothing_repeats": ("a b c d e f g h i j k l", 5, 0, 0),
    "too_short": ("a b c", 5, 0, 0),
}


@pytest.mark.parametrize(("text", "n", "paper", "greedy"), CASES.values(), ids=CASES)
def test_readings(text, n, paper, greedy):
    found = [gram_characters(*arrays([text.split()]), greedy=reading)[0, n - 2] for reading in (False, True)]
    # In the first case datatrove's scan meets the second occurrence at word 1 and goes on behind it.
    assert found == [paper, greedy]


def test_the_longest_of_equally_frequent_grams_is_the_papers_top():
    words = ["a", "a", "bb", "bb", "a", "a", "bb", "bb"]
    paper, greedy = (gram_characters(*arrays([words]), greedy=reading)[0, 0] for reading in (False, True))
    assert paper == 2 * 4
    assert greedy == 2 * 3


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=12), max_size=4))
def test_repeats_agree_with_counting_them(documents):
    hashes, ends, offsets = arrays(documents)
    found = repeats(hashes, np.diff(ends), offsets)
    for row, items in enumerate(documents):
        share, characters = plain.every_occurrence(items)
        assert found.items[row] == len(items)
        assert found.all_items[row] == round((share or 0) * len(items))
        assert found.all_characters[row] == round((characters or 0) * sum(map(len, items)))
        assert (found.later_items[row], found.later_characters[row]) == plain.later_occurrences(items)
