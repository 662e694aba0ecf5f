"""Arrow text as raw arrays: what is viewed, what is refused, what slices and chunks come to."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text_forms import FIXED_WIDTH, FORMS
from text.buffers import as_texts, text_buffer

KINDS = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()]
texts = st.lists(st.text(max_size=12), max_size=8)


def rows(buffer) -> list[bytes]:
    data, offsets = buffer
    return [data[a:b].tobytes() for a, b in pairwise(offsets)]


def encoded(values: list[str]) -> list[bytes]:
    return [value.encode() for value in values]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(values=texts, cuts=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_rows_of_any_slice_are_the_bytes_of_its_texts(kind, values, cuts):
    array = pa.array(encoded(values), pa.binary()).cast(kind)[min(cuts) : max(cuts)]
    buffer = text_buffer(array)
    assert rows(buffer) == encoded(values)[min(cuts) : max(cuts)]
    assert buffer.offsets[0] == 0
    assert buffer.offsets[-1] == len(buffer.data)
    assert (buffer.data.dtype, buffer.offsets.dtype) == (np.uint8, np.int64)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(chunks=st.lists(texts, max_size=4))
def test_chunks_are_read_as_one_array(kind, chunks):
    chunked = pa.chunked_array([pa.array(encoded(c), pa.binary()).cast(kind) for c in chunks], type=kind)
    assert rows(text_buffer(chunked)) == [raw for chunk in chunks for raw in encoded(chunk)]


@pytest.mark.parametrize("make", [lambda a: a, lambda a: a[1:], lambda a: pa.chunked_array([a])])
def test_bytes_are_viewed_in_place(make):
    array = pa.array(["first", "second", "third"])
    data = text_buffer(make(array)).data
    memory = array.buffers()[2]
    assert memory.address <= data.ctypes.data < memory.address + memory.size
    assert not data.flags.writeable


def test_large_offsets_are_viewed_in_place():
    array = pa.array(["first", "second"], pa.large_string())
    assert text_buffer(array).offsets.ctypes.data == array.buffers()[1].address


@pytest.mark.parametrize(
    ("array", "row"),
    [
        (pa.array([None, "a"]), 0),
        (pa.array(["a", "b", None, None]), 2),
        (pa.array(["a", None, "b", None])[2:], 1),
        (pa.chunked_array([["a", "b"], ["c", None]]), 3),
        (pa.chunked_array([["a"], [None]], pa.large_string()), 1),
    ],
    ids=["first row", "first of two", "row counts within the slice", "row counts over chunks", "large"],
)
def test_a_null_is_named_by_its_row(array, row):
    with pytest.raises(ValueError, match=rf"^row {row} of the texts is null"):
        text_buffer(array)


def test_a_null_outside_the_slice_is_none_of_its_business():
    assert rows(text_buffer(pa.array(["a", None, "b"])[2:])) == [b"b"]


@pytest.mark.parametrize(
    ("given_texts", "found"),
    [
        (pa.array([1]), "texts are int64"),
        (pa.array([["a"]]), "texts are list"),
        (pa.array([1, 2]).dictionary_encode(), "texts are dictionary<values=int64"),
        (pa.nulls(2), "texts are null"),
        (pa.table({"a": ["b"]}), "texts are struct"),
        ("a text", "texts are one str"),
        (b"a text", "texts are one bytes"),
        (None, "texts are one NoneType"),
        ({"a": "b"}, "texts are one dict"),
        ((text for text in "ab"), "texts are one generator"),
        (["a", None, 7], "row 2 of the texts is int"),
        (["a", ["b"]], "row 1 of the texts is list"),
        (np.array([1, 2]), "row 0 of the texts is int64"),
        (np.array([["a", "b"]]), "texts are one ndarray"),
        (np.array("a"), "texts are one ndarray"),
        (pd.DataFrame({"a": ["b"]}), "texts are struct"),
        (pd.Series([1.5]), "row 0 of the texts is float"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_any_other_type_is_named(given_texts, found):
    with pytest.raises(
        TypeError, match=rf"^{re.escape(found)}.*, expected an Arrow array of string, .* of str$"
    ):
        text_buffer(given_texts)


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
@given(
    values=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), max_size=8)
)
def test_every_form_of_texts_has_the_same_rows(make, values):
    assert rows(text_buffer(make(values))) == encoded(values)


@pytest.mark.parametrize("form", [name for name in FORMS if name not in FIXED_WIDTH])
def test_a_missing_text_is_named_by_its_row_in_every_form(form):
    with pytest.raises(ValueError, match=r"^row 1 of the texts is null"):
        text_buffer(FORMS[form](["a", None, "b"]))


def test_nan_is_the_null_of_pandas():
    with pytest.raises(ValueError, match=r"^row 1 of the texts is null"):
        text_buffer(np.array(["a", np.nan], object))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([b"\xff", b"a", b"\xff"]),
        [b"\xff", b"a", b"\xff"],
        pa.array([b"\xff", b"a", b"\xff"], pa.binary_view()),
        pa.array([b"\xff", b"a", b"\xff"]).dictionary_encode(),
    ],
    ids=["binary", "list of bytes", "binary_view", "dictionary of binary"],
)
def test_bytes_need_not_be_utf8(array):
    assert rows(text_buffer(array)) == [b"\xff", b"a", b"\xff"]


def test_slices_of_dictionaries_keep_their_rows():
    array = pa.array(["a", "b", "a", "c"]).dictionary_encode()[1:3]
    assert rows(text_buffer(array)) == [b"b", b"a"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_arrays_of_texts_come_back_as_they_are(kind):
    array = pa.array([b"a", b"b"]).cast(kind)
    chunked = pa.chunked_array([array, array])
    assert as_texts(array) is array
    assert as_texts(chunked) is chunked


@pytest.mark.parametrize(
    "array",
    [
        pa.array([], pa.string()),
        pa.array([]),
        pa.array(["a"])[:0],
        pa.chunked_array([], pa.binary()),
    ],
    ids=["string", "no type", "slice", "no chunks"],
)
def test_empty_arrays_have_no_rows(array):
    assert rows(text_buffer(array)) == []


def test_empty_texts_have_empty_rows():
    assert rows(text_buffer(pa.array(["", "", ""]))) == [b"", b"", b""]
