"""Texts without spans, against Python slices; spans that cannot be cut."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.spans import remove_spans


@st.composite
def texts_and_spans(draw):
    texts = draw(st.lists(st.text("ab山😀é\n", max_size=12), max_size=5))
    spans = [sorted(draw(st.lists(st.integers(0, len(text)), max_size=6))) for text in texts]
    return texts, [list(zip(edges[::2], edges[1::2], strict=False)) for edges in spans]


@given(texts_and_spans())
def test_what_is_outside_the_spans_stays(case):
    texts, spans = case
    starts, ends, offsets, expected = [], [], [0], []
    for text, cuts in zip(texts, spans, strict=True):
        left, at = "", 0
        for start, end in cuts:
            starts.append(len(text[:start].encode()))
            ends.append(len(text[:end].encode()))
            left, at = left + text[at:start], end
        expected.append(left + text[at:])
        offsets.append(len(starts))
    arrays = [np.array(column, np.int64) for column in (starts, ends, offsets)]
    result = remove_spans(pa.array(texts, pa.string()), *arrays)
    result.validate(full=True)
    assert result.to_pylist() == expected


@pytest.mark.parametrize(
    "spans",
    [[(0, 5)], [(3, 2)], [(2, 3), (0, 2)], [(2, 3), (2, 3)], [(1, 2)], [(0, 1)], [(-1, 0)]],
    ids=[
        "past the end",
        "backwards",
        "out of order",
        "twice",
        "starts in a character",
        "ends in one",
        "before it",
    ],
)
def test_spans_of_other_texts_are_refused(spans):
    starts, ends = (np.array(column, np.int64) for column in zip(*spans, strict=True))
    offsets = np.array([0, 0, len(spans)])
    with pytest.raises(ValueError, match="text 1: span"):
        remove_spans(pa.array(["x", "éa"]), starts, ends, offsets)


def test_spans_of_another_number_of_texts_are_refused():
    with pytest.raises(ValueError, match="spans of 1 texts for 2"):
        remove_spans(pa.array(["x", "y"]), *(np.array(c, np.int64) for c in ([], [], [0, 0])))
