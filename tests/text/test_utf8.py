"""UTF-8 in a register against Python's codec."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from text.utf8 import decode_valid, encode

BOUNDS = [0x0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF]


@pytest.mark.parametrize("code", BOUNDS, ids=lambda code: f"U+{code:04X}")
def test_first_and_last_code_point_of_every_size(code):
    raw = chr(code).encode()
    assert tuple(map(int, encode(np.uint64(code)))) == (int.from_bytes(raw, "little"), 8 * len(raw))


@given(st.characters(exclude_categories=["Cs"]), st.binary(max_size=4))
def test_decoding_undoes_encoding_whatever_follows(character, rest):
    raw = character.encode()
    block = np.uint64(int.from_bytes((raw + rest)[:8], "little"))
    assert tuple(map(int, decode_valid(block))) == (ord(character), 8 * len(raw))
    assert int(encode(np.uint64(ord(character)))[0]) == int.from_bytes(raw, "little")
