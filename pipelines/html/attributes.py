"""Attributes of a start tag as a kernel: the names in class, id, role and itemprop, and whether it is shown."""

import numpy as np

from pipelines.html.borrow import borrowing
from pipelines.html.html_names import hash_name
from pipelines.html.html_scan import (
    DOUBLE,
    ENDS_NAME,
    EQUALS,
    FNV_START,
    FNV_STEP,
    GT,
    SINGLE,
    SLASH,
    Bytes,
    find,
    is_space,
)
from pipelines.html.page_arrays import N_NAMES, Hashes, State
from text.jit import kernel

# What a tag's attributes told, as bits.
COMPLETE, SELF_CLOSING, HIDDEN, LINKING = 1, 2, 4, 8

_CLASS, _ID, _ROLE, _ITEMPROP, _STYLE, _HIDDEN, _HREF = (
    np.uint64(hash_name(name)) for name in ("class", "id", "role", "itemprop", "style", "hidden", "href")
)
_MOST_NAMES_A_TAG = 32
_DIGIT_MARK = np.uint64(0x23)
_DISPLAY, _NONE = np.frombuffer(b"display", np.uint8), np.frombuffer(b"none", np.uint8)


@borrowing
@kernel
def read_attributes(data: Bytes, i: int, names: Hashes, state: State) -> tuple[int, int, np.uint64]:
    """From behind a tag's name: position behind its '>', bits, hash of its first class name (0: none).

    Hashes of its names are appended to `names` and counted in `state`.
    """
    n, told, first_class, slash = data.size, 0, np.uint64(0), False
    last = min(state[N_NAMES] + _MOST_NAMES_A_TAG, names.size - 2)
    while i < n:
        byte = data[i]
        if byte == GT:
            return i + 1, told | COMPLETE | (SELF_CLOSING if slash else 0), first_class
        slash = byte == SLASH
        i += 1
        if slash or is_space(byte):
            continue
        i, name = _attribute_name(data, i - 1)
        start, end, i = _value(data, i)
        if name in (_CLASS, _ID, _ROLE, _ITEMPROP):
            whole = _split(data, start, end, names, state, last)
            if name == _CLASS and first_class == 0:
                first_class = whole
        elif name == _HIDDEN or (name == _STYLE and _hides(data, start, end)):
            told |= HIDDEN
        elif name == _HREF:
            told |= LINKING
    return n, told, first_class


@borrowing
@kernel
def _attribute_name(data: Bytes, i: int) -> tuple[int, np.uint64]:
    name, start = FNV_START, i
    while i < data.size and (not ENDS_NAME[data[i]] or (i == start and data[i] == EQUALS)):
        byte = data[i]
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        name = (name ^ np.uint64(byte)) * FNV_STEP
        i += 1
    return i, name


@borrowing
@kernel
def _value(data: Bytes, i: int) -> tuple[int, int, int]:
    """Range of the value of the attribute whose name ends at `i`, and the position behind it."""
    n, after = data.size, i
    while after < n and is_space(data[after]):
        after += 1
    if after >= n or data[after] != EQUALS:
        return i, i, i
    i = after + 1
    while i < n and is_space(data[i]):
        i += 1
    if i < n and (data[i] == DOUBLE or data[i] == SINGLE):
        end = find(data, i + 1, data[i])
        return i + 1, end, min(n, end + 1)
    start = i
    while i < n and data[i] != GT and not is_space(data[i]):
        i += 1
    return start, i, i


@borrowing
@kernel
def _split(data: Bytes, start: int, end: int, names: Hashes, state: State, last: int) -> np.uint64:
    """Append the hashes of the words between blanks, digits as one sign, and of the parts they are made of.

    Parts end at signs, at digits and where a capital follows a small letter. Gives the first word's hash.
    """
    first, i = np.uint64(0), start
    while i < end and state[N_NAMES] < last:
        while i < end and is_space(data[i]):
            i += 1
        whole, part, length, parts, small = FNV_START, FNV_START, 0, 0, False
        while i < end and not is_space(data[i]) and state[N_NAMES] < last:
            byte = data[i]
            capital = 0x41 <= byte <= 0x5A
            lower = np.uint64(byte | 0x20 if capital else byte)
            letter = 0x61 <= lower <= 0x7A or byte >= 0x80
            whole = (whole ^ (_DIGIT_MARK if 0x30 <= byte <= 0x39 else lower)) * FNV_STEP
            if length and (not letter or (capital and small)):
                parts += _add(names, state, part, length)
                part, length = FNV_START, 0
            if letter:
                part = (part ^ lower) * FNV_STEP
                length += 1
            small = letter and not capital
            i += 1
        simple = parts == 0
        if length:
            parts += _add(names, state, part, length)
        if not (simple and parts) and whole != FNV_START:
            _add(names, state, whole * FNV_STEP, 2)
        if first == 0:
            first = whole
    return first


@borrowing
@kernel
def _add(names: Hashes, state: State, name: np.uint64, length: int) -> int:
    if length < 2:
        return 0
    names[state[N_NAMES]] = name
    state[N_NAMES] += 1
    return 1


@borrowing
@kernel
def _hides(data: Bytes, start: int, end: int) -> bool:
    """Whether a style says display: none."""
    i = start
    while i + _DISPLAY.size < end:
        if not _is(data, i, _DISPLAY):
            i += 1
            continue
        i += _DISPLAY.size
        while i < end and (is_space(data[i]) or data[i] == 0x3A):
            i += 1
        if i + _NONE.size <= end and _is(data, i, _NONE):
            return True
    return False


@borrowing
@kernel
def _is(data: Bytes, i: int, word: Bytes) -> bool:
    k = 0
    while k < word.size and data[i + k] | 0x20 == word[k]:
        k += 1
    return k == word.size
