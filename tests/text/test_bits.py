"""The instructions against Python's integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from text.bits import count_ones, load_u64, trailing_zeros
from text.jit import kernel


@kernel
def _zeros(value):
    return trailing_zeros(value)


@kernel
def _ones(value):
    return count_ones(value)


@kernel
def _load(data, position):
    return load_u64(data, position)


@given(st.integers(1, 2**64 - 1))
def test_trailing_zeros_is_the_place_of_the_lowest_bit(value):
    assert 1 << _zeros(np.uint64(value)) == value & -value


@given(st.integers(0, 2**64 - 1))
def test_count_ones_counts_the_bits(value):
    assert _ones(np.uint64(value)) == value.bit_count()


@given(st.binary(min_size=8, max_size=24), st.data())
def test_load_reads_eight_bytes_from_any_place(raw, data):
    place = data.draw(st.integers(0, len(raw) - 8))
    loaded = _load(np.frombuffer(raw, np.uint8), place)
    assert int(loaded) == int.from_bytes(raw[place : place + 8], "little")
