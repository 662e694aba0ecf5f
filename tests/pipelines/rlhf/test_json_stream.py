"""Arrays in pieces: the elements that json.loads gives, wherever the text is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf import json_stream
from pipelines.rlhf.bad_row import BadRow
from pipelines.rlhf.json_stream import array_items

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=8), st.integers(1, 40), st.sampled_from([None, 1]))
def test_any_cut_gives_the_same_elements(values: list, step: int, indent: int | None) -> None:
    text = json.dumps(values, indent=indent)
    pieces = (text[start : start + step] for start in range(0, len(text), step))
    assert list(array_items(pieces, 10_000)) == values


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_a_number_ends_where_the_text_says(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(json_stream, "_FIRST_CHARS", 1)
    text = "[123456, -7.25, 89]"
    pieces = (text[start : start + step] for start in range(0, len(text), step))
    assert list(array_items(pieces, 100)) == [123456, -7.25, 89]


def test_an_element_beyond_the_limit_ends_the_array() -> None:
    text = json.dumps(["a", "b" * 1_000_000, "c"])
    found = list(array_items((text[start : start + 1000] for start in range(0, len(text), 1000)), 100_000))
    assert found[0] == "a"
    assert [type(item) for item in found[1:]] == [BadRow]
    assert found[1].reason == "row_too_long"


def test_the_window_does_not_grow_with_the_array() -> None:
    """Only the pieces around an element are asked for when it is."""
    taken = 0

    def pieces() -> object:
        nonlocal taken
        yield "["
        for _ in range(1000):
            taken += 1
            yield json.dumps("x" * 1000) + ","
        yield "0]"

    items = array_items(pieces(), 10_000)
    for _ in range(10):
        next(items)
    assert taken < 100


@pytest.mark.parametrize("text", ['["a", }', '["a" '], ids=["no-json", "cut-off"])
def test_what_is_no_json_ends_the_array(text: str) -> None:
    found = list(array_items(iter([text]), 100))
    assert (found[0], found[1].reason, len(found)) == ("a", "broken_json", 2)
