"""The measures of the deduplication benchmarks, on sets small enough to know by heart."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dedup_sets import (
    SimilarPairs,
    constructed,
    edited,
    fit,
    parted_by_similarity,
    similar_pairs,
)

# Rows 0 and 1 are alike, 1 and 2 a little, 3 stands alone.
PAIRS = SimilarPairs(np.array([0, 1]), np.array([1, 2]), np.array([0.9, 0.6]))


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        pytest.param([1, 1, 1, 1], (0, 0, 1, 0), id="nothing removed: the similar pair is left"),
        pytest.param([1, 0, 1, 1], (1, 1, 1, 1), id="one of two alike removed"),
        pytest.param([0, 0, 1, 1], (2, 0, 1, 1), id="both removed: nothing stands in for them"),
        pytest.param([1, 1, 0, 1], (1, 0, 1, 0), id="removed for one that is too unlike"),
        pytest.param([1, 1, 1, 0], (1, 0, 1, 0), id="removed for nothing"),
    ],
)
def test_a_removal_is_right_where_a_kept_document_is_alike(kept, expected):
    assert fit(np.array(kept, dtype=bool), PAIRS, 0.75) == expected


def test_precision_and_recall_are_shares_of_removed_documents_and_of_similar_pairs():
    found = fit(np.array([1, 0, 0, 1], dtype=bool), PAIRS, 0.75)
    assert (found.precision, found.recall) == (0.5, 1.0)


def test_a_set_without_duplicates_of_which_nothing_is_removed_is_right():
    found = fit(np.array([True, True]), SimilarPairs(*(np.empty(0, dtype=int) for _ in range(3))), 0.75)
    assert (found.precision, found.recall) == (1.0, 1.0)


def test_a_bin_holds_its_lower_edge():
    kept = np.array([1, 0, 1, 1], dtype=bool)
    assert parted_by_similarity(kept, PAIRS, [0.5, 0.6, 0.9, 1.0]) == [(0, 0), (1, 1), (1, 1)]


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9).map(" ".join), min_size=2, max_size=12)
)
def test_similar_pairs_are_those_of_sets_of_five_words(texts):
    def grams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}

    sets = [grams(text) for text in texts]
    expected = {
        (i, j): len(a & b) / len(a | b)
        for i, a in enumerate(sets)
        for j, b in enumerate(sets)
        if i < j and len(a & b) >= 0.3 * len(a | b)
    }
    found = similar_pairs(pa.array(texts), 0.3)
    jaccard = {(i, j): value for i, j, value in zip(*(column.tolist() for column in found), strict=True)}
    assert jaccard == pytest.approx(expected)


@pytest.mark.parametrize("target", [0.5, 0.75, 0.95])
def test_an_edited_text_is_about_as_similar_as_was_asked_for(target):
    text = " ".join(f"w{i}" for i in range(600))
    copies = pa.array([text, edited(text, target, ["x", "y"], seed=3)])
    assert similar_pairs(copies, 0.1).jaccard[0] == pytest.approx(target, abs=0.06)


def test_copies_follow_their_originals_and_are_the_same_at_every_run():
    texts = [" ".join(f"w{i}" for i in range(start, start + 80)) for start in (0, 1000)]
    made = constructed(["\n" + text for text in texts], [0.9, 0.5])
    assert made[:2] == texts
    assert made == constructed(texts, [0.9, 0.5])
    assert all(copy != text for copy, text in zip(made[2:], texts, strict=True))
