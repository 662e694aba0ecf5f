"""Steps of HTML's tokeniser as kernels: names, raw text, comments; each linear in what it passes over."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.html.borrow import borrowing
from text.bits import load_u64, trailing_zeros
from text.jit import kernel

# Elements of arrays are Any to the type checker here: kernels mix them with int, which numba allows.
Bytes = npt.NDArray[Any]

LT, GT, SLASH, BANG, QUESTION, EQUALS = 0x3C, 0x3E, 0x2F, 0x21, 0x3F, 0x3D
DOUBLE, SINGLE, DASH = 0x22, 0x27, 0x2D
_EACH_BYTE, _HIGH_BITS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_SPACES = np.isin(np.arange(256), [0x20, 0x0A, 0x09, 0x0D, 0x0C])
ENDS_NAME = _SPACES | np.isin(np.arange(256), [SLASH, GT, EQUALS])
FNV_START, FNV_STEP = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@borrowing
@kernel
def is_letter(byte: int) -> bool:
    """Whether a byte is one of a-z and A-Z."""
    return 0x61 <= (byte | 0x20) <= 0x7A


@borrowing
@kernel
def is_space(byte: int) -> bool:
    """Whether a byte is HTML's white space."""
    return bool(_SPACES[byte])


@borrowing
@kernel
def tag_name(data: Bytes, i: int) -> tuple[np.uint64, int]:
    """FNV-1a of the lower-cased name that begins at `i`, and the position behind it."""
    name = FNV_START
    while i < data.size:
        byte = data[i]
        if ENDS_NAME[byte] and byte != EQUALS:
            break
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        name = (name ^ np.uint64(byte)) * FNV_STEP
        i += 1
    return name, i


@borrowing
@kernel
def skip_value(data: Bytes, i: int) -> int:
    """Position behind the attribute value that begins, blanks first, at `i`."""
    n = data.size
    while i < n and _SPACES[data[i]]:
        i += 1
    if i < n and (data[i] == DOUBLE or data[i] == SINGLE):
        return min(n, find(data, i + 1, data[i]) + 1)
    while i < n and data[i] != GT and not _SPACES[data[i]]:
        i += 1
    return i


@borrowing
@kernel
def skip_markup(data: Bytes, i: int) -> int:
    """From behind a '<' that begins no tag: position behind the comment, declaration or lone character."""
    n = data.size
    if data[i] == BANG and i + 2 < n and data[i + 1] == DASH and data[i + 2] == DASH:
        i += 3
        start = i
        while i < n:
            if data[i] == GT:
                dashes = data[i - 1] == DASH and data[i - 2] == DASH and (i - start >= 2 or i - start <= 1)
                bang = data[i - 1] == BANG and data[i - 2] == DASH and data[i - 3] == DASH and i - start >= 3
                if dashes or bang or i == start:
                    return i + 1
            i += 1
        return n
    if data[i] == BANG or data[i] == QUESTION or data[i] == SLASH:
        return min(n, find(data, i, GT) + 1)
    return i


@borrowing
@kernel
def skip_raw(data: Bytes, i: int, name: np.uint64) -> int:
    """Position of the end tag `name` of a raw text element, else the end of the data."""
    n = data.size
    while i < n:
        i = find(data, i, LT)
        if i + 2 < n and data[i + 1] == SLASH and is_letter(data[i + 2]):
            found, _ = tag_name(data, i + 2)
            if found == name:
                return i
        i += 1
    return n


@borrowing
@kernel
def find(data: Bytes, i: int, byte: int) -> int:
    """Position of the first `byte` from `i` on, else the end of the data; eight bytes at a time."""
    n, wanted = data.size, np.uint64(byte) * _EACH_BYTE
    while i + 8 <= n:
        difference = load_u64(data, i) ^ wanted
        # The lowest byte of `difference` that is zero sets the lowest high bit (Mycroft).
        zeros = (difference - _EACH_BYTE) & ~difference & _HIGH_BITS
        if zeros:
            return i + (trailing_zeros(zeros) >> 3)
        i += 8
    while i < n and data[i] != byte:
        i += 1
    return i
