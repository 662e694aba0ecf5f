"""Repeated shares against counting with Python's own dictionaries."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.repetition import repeated_shares

TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=30).map(" ".join), max_size=6)


@given(TEXTS, st.integers(1, 4))
def test_share_of_copies(texts: list[str], n: int) -> None:
    expected = []
    for text in texts:
        words = text.split()
        grams = [tuple(words[i : i + n]) for i in range(max(len(words) - n + 1, min(len(words), 1)))]
        expected.append((len(grams) - len(set(grams))) / max(len(grams), 1))
    assert repeated_shares(pa.array(texts, pa.string()), n, 1).tolist() == expected


def test_short_texts_have_none() -> None:
    assert repeated_shares(pa.array(["a a a a", "a a a a a"]), 1, 5).tolist() == [0.0, 0.8]
