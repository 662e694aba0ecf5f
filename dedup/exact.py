"""Exact duplicates: a 128-bit hash of the text that does not see how its white space is laid out.

Runs of white space (what `str.split` splits at) become one space, and none is left at either end. Nothing
else is touched: case, punctuation and Unicode normal form count, so a text in NFC and the same text in NFD
are different here and are left to the near-duplicate search.
"""

import numpy as np
import pyarrow as pa

from text.buffers import Texts, text_buffer
from text.hashing import digest128
from text.jit import kernel

# Bit c is set for the ASCII character c that str.isspace accepts: U+0009..000D, U+001C..001F and the space.
_ASCII_SPACES = np.uint64(0x1F0003E00)


def exact_hashes(texts: Texts) -> pa.StringArray:
    """128-bit xxh3 of every text after `collapse_whitespace`, as 32 hex digits; a null is a ValueError."""
    return digest128(collapse_whitespace(texts))


def collapse_whitespace(texts: Texts) -> pa.LargeStringArray:
    """Every text as `" ".join(text.split())` would leave it."""
    data, offsets = text_buffer(texts)
    out = np.empty(len(data) + 1, dtype=np.uint8)
    out_offsets = np.zeros(len(offsets), dtype=np.int64)
    _collapse(data, offsets, out, out_offsets)
    buffers = [None, pa.py_buffer(out_offsets), pa.py_buffer(out)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


@kernel
def _collapse(data: np.ndarray, offsets: np.ndarray, out: np.ndarray, out_offsets: np.ndarray) -> None:
    """A space is written for each white-space character and the next byte overwrites all but the first.

    No branch depends on where words end: that would be mispredicted once a word.
    """
    written = 0
    for document in range(offsets.shape[0] - 1):
        start = written
        after_space = 1
        i = offsets[document]
        end = offsets[document + 1]
        while i < end:
            byte = data[i]
            width = 1
            space = np.int64(_ASCII_SPACES >> np.uint64(byte & 63)) & 1 & (byte < 0x40)
            # Only these begin white space past U+007F: most scripts never leave the straight way.
            if byte >= 0xC2 and (byte == 0xC2 or 0xE1 <= byte <= 0xE3):
                found = _wide_space(data, i, end)
                space = np.int64(found > 0)
                width = max(found, 1)
            out[written] = 0x20 if space else byte
            written += 1 - (space & after_space)
            after_space = space
            i += width
        if written > start and after_space:
            written -= 1
        out_offsets[document + 1] = written


@kernel
def _wide_space(data: np.ndarray, i: int, end: int) -> int:
    """UTF-8 bytes of the white-space character past U+007F at `i`, 0 if there is none."""
    byte = data[i]
    if byte == 0xC2 and i + 1 < end:
        return 2 if data[i + 1] == 0x85 or data[i + 1] == 0xA0 else 0
    if byte < 0xE1 or byte > 0xE3 or i + 2 >= end:
        return 0
    second, third = data[i + 1], data[i + 2]
    if byte == 0xE1:
        return 3 if second == 0x9A and third == 0x80 else 0
    if byte == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x80:
        return 3 if 0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0
    return 3 if second == 0x81 and third == 0x9F else 0
