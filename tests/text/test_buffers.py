"""Arrow text as raw arrays: what is viewed, what is refused, what slices and chunks come to."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from text.buffers import text_buffer

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
    "array",
    [pa.array([1]), pa.array([["a"]]), pa.array(["a"]).dictionary_encode(), pa.nulls(2)],
    ids=lambda array: str(array.type),
)
def test_any_other_type_is_named(array):
    with pytest.raises(TypeError, match="expected string, large_string, binary or large_binary"):
        text_buffer(array)


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
