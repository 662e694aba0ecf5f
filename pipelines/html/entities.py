"""Character references of HTML as a kernel: `&amp;`, `&#233;`, `&#xe9`, and the old names without semicolon."""

from html.entities import html5
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.html.borrow import borrowing
from pipelines.html.html_names import hash_name
from pipelines.html.html_scan import FNV_START, FNV_STEP, Bytes, is_letter
from text.jit import kernel

_SLOTS = 8192
_MASK, _FREE = np.uint64(_SLOTS - 1), np.uint64(0)
_LONGEST = max(map(len, html5))
_REPLACEMENT = 0xFFFD
# HTML standard, 13.2.5.80: numbers of C1 controls mean windows-1252.
_C1 = np.array([ord(bytes([b]).decode("cp1252", "replace")) for b in range(0x80, 0xA0)], np.int64)


def _table() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Hash of each name without semicolon: its one or two code points, and whether it needs a semicolon."""
    hashes, values = np.zeros(_SLOTS, np.uint64), np.zeros((_SLOTS, 3), np.int64)
    for name, text in html5.items():
        if not name.endswith(";"):
            continue
        bare = name[:-1]
        slot = hash_name(bare) % _SLOTS
        while hashes[slot]:
            slot = (slot + 1) % _SLOTS
        hashes[slot] = hash_name(bare)
        values[slot] = ord(text[0]), ord(text[1]) if len(text) > 1 else 0, int(bare not in html5)
    return hashes, values


_HASHES, _VALUES = _table()


@borrowing
@kernel
def reference(data: Bytes, i: int, end: int) -> tuple[int, int, int]:
    """What follows the '&' before `i`: first and second code point (0: none), position behind.

    The first is -1 where it is no reference; the position is `i` then.
    """
    if i >= end:
        return -1, 0, i
    if data[i] == 0x23:
        return _number(data, i, end)
    return _name(data, i, end)


@borrowing
@kernel
def _number(data: Bytes, i: int, end: int) -> tuple[int, int, int]:
    start = i
    i += 1
    base = 16 if i < end and data[i] | 0x20 == 0x78 else 10
    if base == 16:
        i += 1
    digits = 0
    code: Any = 0
    while i < end:
        byte: Any = np.int64(data[i])
        if 0x30 <= byte <= 0x39:
            digit: Any = byte - 0x30
        elif base == 16 and 0x61 <= byte | 0x20 <= 0x66:
            digit = (byte | 0x20) - 0x57
        else:
            break
        if code <= 0x10FFFF:
            code = code * base + digit
        digits += 1
        i += 1
    if digits == 0:
        return -1, 0, start
    if i < end and data[i] == 0x3B:
        i += 1
    if 0x80 <= code < 0xA0:
        code = _C1[code - 0x80]
    if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        code = _REPLACEMENT
    return code, 0, i


@borrowing
@kernel
def _name(data: Bytes, i: int, end: int) -> tuple[int, int, int]:
    start, name = i, FNV_START
    first, second, behind = -1, 0, i
    while i < end and i - start < _LONGEST:
        byte = data[i]
        if not (is_letter(byte) or 0x30 <= byte <= 0x39):
            break
        name = (name ^ np.uint64(byte)) * FNV_STEP
        i += 1
        closed = i < end and data[i] == 0x3B
        slot = np.int64(name & _MASK)
        while _HASHES[slot] != _FREE:
            if _HASHES[slot] == name:
                if closed or not _VALUES[slot, 2]:
                    first, second, behind = _VALUES[slot, 0], _VALUES[slot, 1], i + closed
                break
            slot = (slot + 1) % _SLOTS
    return first, second, behind
