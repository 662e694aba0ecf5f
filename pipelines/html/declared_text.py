"""The article text that a page declares for machines: `articleBody` of schema.org in a JSON-LD script.

It is often cut, repeated or badly broken, so it is not taken for the page's text; that a block stands in it
says much about the block.
"""

from typing import Any

import numpy as np

from pipelines.html.borrow import borrowing
from pipelines.html.html_scan import Bytes, find, is_letter, is_space
from text.jit import kernel
from text.utf8 import encode

_KEY = np.frombuffer(b'"articleBody"', np.uint8)
_QUOTE, _BACKSLASH, _COLON, _SPACE, _LOWER_U = 0x22, 0x5C, 0x3A, 0x20, 0x75
_BRACE, _BRACKET = 0x7B, 0x5B
_REPLACEMENT = 0xFFFD


@borrowing
@kernel
def declared_range(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """Range of the first articleBody's string, without quotes, in a script `data[i:end]`; (0, 0) if none."""
    while i < end and is_space(data[i]):
        i += 1
    if i >= end or (data[i] != _BRACE and data[i] != _BRACKET):
        return 0, 0
    while i < end:
        i = find(data, i, _QUOTE)
        if i + _KEY.size >= end:
            return 0, 0
        k = 0
        while k < _KEY.size and data[i + k] == _KEY[k]:
            k += 1
        if k < _KEY.size:
            i += 1
            continue
        i += k
        while i < end and (is_space(data[i]) or data[i] == _COLON):
            i += 1
        if i < end and data[i] == _QUOTE:
            return i + 1, min(end, _string_end(data, i + 1, end))
    return 0, 0


@borrowing
@kernel
def _string_end(data: Bytes, i: int, end: int) -> int:
    while i < end and data[i] != _QUOTE:
        i += 2 if data[i] == _BACKSLASH else 1
    return i


@borrowing
@kernel
def write_declared(data: Bytes, i: int, end: int, text: Bytes, at: int) -> int:
    """Write a JSON string's content to `text` from `at` on, no longer than it is; the position behind it."""
    while i < end:
        byte = data[i]
        i += 1
        if byte != _BACKSLASH or i >= end:
            text[at] = byte
            at += 1
            continue
        escape = data[i]
        i += 1
        if escape != _LOWER_U:
            text[at] = _SPACE if is_letter(escape) else escape  # \n, \t and the like
            at += 1
            continue
        code = _hex(data, i, end)
        i = min(end, i + 4)
        if 0xD800 <= code < 0xDC00 and i + 6 <= end and data[i] == _BACKSLASH and data[i + 1] == _LOWER_U:
            low = _hex(data, i + 2, end)
            if 0xDC00 <= low < 0xE000:
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                i += 6
        if code < 0 or 0xD800 <= code < 0xE000:
            code = _REPLACEMENT
        encoded, bits = encode(np.uint64(code))
        for k in range(bits >> np.uint64(3)):
            text[at] = (encoded >> np.uint64(8 * k)) & np.uint64(0xFF)
            at += 1
    return at


@borrowing
@kernel
def _hex(data: Bytes, i: int, end: int) -> int:
    """The number of four hexadecimal digits; -1 where they are not four."""
    if i + 4 > end:
        return -1
    code = 0
    for k in range(4):
        byte: Any = np.int64(data[i + k])
        if 0x30 <= byte <= 0x39:
            code = code * 16 + byte - 0x30
        elif 0x61 <= byte | 0x20 <= 0x66:
            code = code * 16 + (byte | 0x20) - 0x57
        else:
            return -1
    return code
