"""Text of a page as it is read: characters into the buffer, and where a block begins and ends."""

from typing import Any

import numpy as np

from pipelines.html import page_arrays as room
from pipelines.html.borrow import borrowing
from pipelines.html.entities import reference
from pipelines.html.html_scan import Bytes
from pipelines.html.page_arrays import Rows, State
from text.jit import kernel
from text.utf8 import encode

_PLAIN, _BLANK, _AMPERSAND, _LATIN = range(4)
_TAB, _NEWLINE, _SPACE, _NO_BREAK_SPACE, _SOFT_HYPHEN = 0x09, 0x0A, 0x20, 0xA0, 0xAD
# What each byte may be: UTF-8 of the no-break space and of the soft hyphen begins with 0xC2.
_KIND = np.zeros(256, np.uint8)
_KIND[[_TAB, _NEWLINE, 0x0B, 0x0C, 0x0D, _SPACE]] = _BLANK
_KIND[0x26] = _AMPERSAND
_KIND[0xC2] = _LATIN


@borrowing
@kernel
def read_text(data: Bytes, i: int, end: int, text: Bytes, stack: Rows, state: State) -> None:
    """Append the text `data[i:end]`, which holds no tag, to the block that is being read."""
    at = state[room.AT]
    before = at + bool(state[room.SPACE] and state[room.BEGUN] >= 0)  # the blank that is due is no link's
    while i < end:
        kind = _KIND[data[i]]
        if kind == _PLAIN:
            at = _begin(text, at, stack, state)
            while i < end and _KIND[data[i]] == _PLAIN:
                text[at] = data[i]
                at += 1
                i += 1
            continue
        if kind == _BLANK:
            at = _blank(text, at, data[i], state)
            i += 1
            continue
        code: Any = np.int64(data[i])
        second, behind = 0, i + 1
        if kind == _AMPERSAND:
            code, second, behind = reference(data, i + 1, end)
            if code < 0:
                code = np.int64(data[i])
        elif i + 1 < end and (data[i + 1] == _NO_BREAK_SPACE or data[i + 1] == _SOFT_HYPHEN):
            code, behind = np.int64(data[i + 1]), i + 2
        else:  # another character of the same lead byte: its bytes go as they are
            at = _begin(text, at, stack, state)
            text[at] = data[i]
            at += 1
            i += 1
            continue
        i = behind
        if code == _NO_BREAK_SPACE or (code < 0x80 and _KIND[code] == _BLANK):
            at = _blank(text, at, _SPACE, state)
        elif code != _SOFT_HYPHEN:
            at = _put(text, _begin(text, at, stack, state), code)
            if second:
                at = _put(text, at, second)
    if state[room.IN_LINKS] > 0:
        state[room.LINKED] += max(0, at - before)
    state[room.AT] = at


@borrowing
@kernel
def _begin(text: Bytes, at: int, stack: Rows, state: State) -> int:
    """Begin a block if none is begun, else write the blank that is due; position to write at."""
    if state[room.BEGUN] < 0:
        state[room.BEGUN] = at
        top = state[room.DEPTH] - 1
        state[room.FIRST_LEAF] = stack[top, room.NODE]
        state[room.FIRST_BOX] = stack[top, room.LINES]
    elif state[room.SPACE]:
        text[at] = _SPACE
        at += 1
    state[room.SPACE] = 0
    return at


@borrowing
@kernel
def _blank(text: Bytes, at: int, byte: int, state: State) -> int:
    if not state[room.IN_PRE]:
        state[room.SPACE] = 1
    elif state[room.BEGUN] >= 0 and (byte in (_SPACE, _NEWLINE, _TAB)):
        text[at] = byte
        at += 1
    return at


@borrowing
@kernel
def _put(text: Bytes, at: int, code: int) -> int:
    """Write the UTF-8 of a code point; the position behind it."""
    encoded, bits = encode(np.uint64(code))
    size: Any = np.int64(bits >> np.uint64(3))
    for k in range(size):
        text[at + k] = (encoded >> np.uint64(8 * k)) & np.uint64(0xFF)
    return at + size


@borrowing
@kernel
def end_text(text: Bytes, state: State) -> int:
    """The position behind what was read, blanks at its end left out."""
    at = state[room.AT]
    while at > state[room.BEGUN] and _KIND[text[at - 1]] == _BLANK:
        at -= 1
    return at


@borrowing
@kernel
def end_block(text: Bytes, blocks: Rows, state: State, strength: int) -> None:
    """A boundary: what was read since the last one becomes a block, if it is any text."""
    if state[room.BEGUN] >= 0:
        if state[room.N_BLOCKS] == blocks.shape[0] - 1 and strength < room.LAST:
            text[state[room.AT]] = _NEWLINE  # no room for more blocks: this one goes on
            state[room.AT] += 1
            state[room.SPACE] = 0
            return
        end = end_text(text, state)
        if end > state[room.BEGUN]:
            _store(blocks, state, end)
        state[room.AT], state[room.BEGUN] = end, -1
        state[room.LINKED], state[room.LINKS_SEEN] = 0, min(state[room.IN_LINKS], 1)
    state[room.SPACE] = 0
    state[room.PENDING] = max(state[room.PENDING], strength)


@borrowing
@kernel
def _store(blocks: Rows, state: State, end: int) -> None:
    at = state[room.N_BLOCKS]
    blocks[at, room.START], blocks[at, room.END] = state[room.BEGUN], end
    blocks[at, room.LINK_BYTES] = min(state[room.LINKED], end - state[room.BEGUN])
    blocks[at, room.LINKS] = state[room.LINKS_SEEN]
    blocks[at, room.LEAF], blocks[at, room.BOX] = state[room.FIRST_LEAF], state[room.FIRST_BOX]
    blocks[at, room.BREAK] = state[room.PENDING]
    state[room.N_BLOCKS] += 1
    state[room.PENDING] = 0
