"""One code point in a register: UTF-8 bytes as a little-endian integer, the first byte lowest.

Kernels for kernels; they take no array, so a call costs nothing.
"""

import numpy as np

from text.jit import kernel

_LOW = np.uint64(0x3F)
_CONTINUATION = np.uint64(0x80)
_6, _8, _12, _16, _18, _24, _32 = map(np.uint64, (6, 8, 12, 16, 18, 24, 32))
_2_BYTES, _3_BYTES, _4_BYTES = np.uint64(0xC0), np.uint64(0xE0), np.uint64(0xF0)


@kernel
def decode_valid(block: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Code point that the block begins with and its size in bits; the bytes must be well-formed."""
    lead, second = block & np.uint64(0xFF), (block >> _8) & _LOW
    if lead < _CONTINUATION:
        return lead, _8
    if lead < _3_BYTES:
        return (lead & np.uint64(0x1F)) << _6 | second, _16
    third = (block >> _16) & _LOW
    if lead < _4_BYTES:
        return (lead & np.uint64(0x0F)) << _12 | second << _6 | third, _24
    fourth = (block >> _24) & _LOW
    return (lead & np.uint64(0x07)) << _18 | second << _12 | third << _6 | fourth, _32


@kernel
def encode(code: np.uint64) -> tuple[np.uint64, np.uint64]:
    """UTF-8 of a code point and its size in bits."""
    if code < np.uint64(0x80):
        return code, _8
    last = _CONTINUATION | (code & _LOW)
    if code < np.uint64(0x800):
        return _2_BYTES | (code >> _6) | last << _8, _16
    third = _CONTINUATION | ((code >> _6) & _LOW)
    if code < np.uint64(0x10000):
        return _3_BYTES | (code >> _12) | third << _8 | last << _16, _24
    second = _CONTINUATION | ((code >> _12) & _LOW)
    return _4_BYTES | (code >> _18) | second << _8 | third << _16 | last << _24, _32
