"""One linear look at a page before a parser with worse than linear corners gets it.

Measured on resiliparse 2.0.1: its main-content extraction takes O(depth²) on nested elements (10,000 nested
div 1 s, 40,000 19 s), its parser O(n²) in the attributes of one tag and in the options of one select. The
scan here tells the nesting depth, so that a deep page can go to the plain extractor, and the byte ranges to
cut: the attributes of a tag that is too long or has too many, and the options of a select past a limit
(extraction never shows them). The deepest of 6,000 real pages nests 250 elements.

The scan tokenises as the HTML standard does and keeps a stack of open elements with the parser's main rules
(void elements, implied end tags, scopes, formatting elements that survive their block). It errs towards too
deep. It is a gate, not a proof: what slips through is stopped by the CPU limit of pipelines.html.guarded.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.html.html_names import (
    CELL,
    CLOSES_P,
    DEFINITION,
    FOREIGN,
    FORMATTING,
    IMPLIED_END,
    INPUT,
    ITEM,
    OPTION,
    PARAGRAPH,
    PLAIN,
    RAW,
    ROOT,
    ROW,
    ROWS,
    SCOPE,
    SCRIPT,
    SELECT,
    SPECIAL,
    TABLE,
    VOID,
    name_bits,
)  # fmt: skip
from text.bits import load_u64, trailing_zeros
from text.jit import kernel

Bytes = npt.NDArray[np.uint8]
Ranges = npt.NDArray[np.int64]

# No cut is made for less than this many bytes of input: bounds the number of cuts.
_BYTES_A_CUT = 256
_LT, _GT, _SLASH, _BANG, _QUESTION, _EQUALS = 0x3C, 0x3E, 0x2F, 0x21, 0x3F, 0x3D
_DOUBLE, _SINGLE, _DASH = 0x22, 0x27, 0x2D
_EACH_BYTE, _HIGH_BITS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_SPACES = np.isin(np.arange(256), [0x20, 0x0A, 0x09, 0x0D, 0x0C])
_ENDS_NAME = _SPACES | np.isin(np.arange(256), [_SLASH, _GT, _EQUALS])
_FNV_START, _FNV_STEP = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Survey(NamedTuple):
    """What the scan saw: depth (at most the limit + 1), most attributes of a tag, most options, cuts."""

    depth: int
    attributes: int
    options: int
    cuts: Ranges


def survey(html: bytes, max_depth: int, max_tag_bytes: int, max_attributes: int, max_options: int) -> Survey:
    """Scan UTF-8 (or any ASCII-compatible) HTML; time is linear in its length for a fixed `max_depth`."""
    data = np.frombuffer(html, np.uint8)
    cuts = np.empty((data.size // _BYTES_A_CUT + 2, 2), np.int64)
    figures = np.zeros(4, np.int64)
    _scan(data, max_depth, max_tag_bytes, max_attributes, max_options, cuts, figures)
    return Survey(int(figures[0]), int(figures[1]), int(figures[2]), cuts[: figures[3]])


def without(html: bytes, cuts: Ranges) -> bytes:
    """`html` without the byte ranges `cuts`, ascending and apart."""
    parts, position = [], 0
    for start, end in cuts.tolist():
        parts.append(html[position:start])
        position = end
    parts.append(html[position:])
    return b"".join(parts)


@kernel
def _scan(
    data: Bytes,
    max_depth: int,
    max_tag_bytes: int,
    max_attributes: int,
    max_options: int,
    cuts: Ranges,
    figures: Ranges,
) -> None:
    n = data.size
    stack, bits_of = np.empty(max_depth + 2, np.uint64), np.empty(max_depth + 2, np.int64)
    # Depth, formatting elements that outlived their block, index of the outermost svg or math (else -1),
    # whether in a select, options of it, where their cut began (else -1).
    state = np.array([0, 0, -1, 0, 0, -1], np.int64)
    i = 0
    while i < n:
        at = _find(data, i, _LT)
        i = at + 1
        if i >= n:
            break
        closing = data[i] == _SLASH
        name_at = i + 1 if closing else i
        if name_at >= n or not _is_letter(data[name_at]):
            i = _skip_markup(data, i)
            continue
        name, name_end = _tag_name(data, name_at)
        bits = name_bits(name)
        i, attributes, self_closing, complete = _skip_tag(data, name_end)
        figures[1] = max(figures[1], attributes)
        _select(state, cuts, figures, bits, closing, at, max_options)
        if state[5] < 0 and (attributes > max_attributes or i - at > max_tag_bytes):
            _add(cuts, figures, name_end, i - 1 if complete else n)
        if not complete:
            break
        if closing:
            _close(stack, bits_of, state, name, bits)
            continue
        is_text = state[2] < 0 and (state[3] == 0 or bool(bits & SCRIPT))
        if bits & PLAIN and is_text:
            break
        if bits & RAW and is_text:
            i = _skip_raw(data, i, name)
        elif not (state[2] >= 0 and self_closing) and not bits & (VOID | ROOT) and state[0] <= max_depth:
            _open(stack, bits_of, state, name, bits)
            figures[0] = max(figures[0], state[0] + state[1])
    if state[5] >= 0:
        _add(cuts, figures, state[5], n)


@kernel
def _select(
    state: Ranges, cuts: Ranges, figures: Ranges, bits: int, closing: bool, at: int, max_options: int
) -> None:
    """Keep track of the select element that the tag at `at` begins, ends or fills."""
    if bits & (SELECT | INPUT):
        if state[5] >= 0:
            _add(cuts, figures, state[5], at)
        # In a select, the start tag of another ends it as an end tag does, and so does an input's.
        state[3] = 1 if bits & SELECT and not closing and state[3] == 0 else 0
        state[4], state[5] = 0, -1
    elif bits & OPTION and not closing and state[3]:
        state[4] += 1
        figures[2] = max(figures[2], state[4])
        if state[4] > max_options and state[5] < 0:
            state[5] = at


@kernel
def _add(cuts: Ranges, figures: Ranges, start: int, end: int) -> None:
    if figures[3] < cuts.shape[0] and end > start:
        cuts[figures[3], 0], cuts[figures[3], 1] = start, end
        figures[3] += 1


@kernel
def _is_letter(byte: int) -> bool:
    return 0x61 <= (byte | 0x20) <= 0x7A


@kernel
def _is_space(byte: int) -> bool:
    return _SPACES[byte]


@kernel
def _tag_name(data: Bytes, i: int) -> tuple[np.uint64, int]:
    """FNV-1a of the lower-cased name that begins at `i`, and the position behind it."""
    name = _FNV_START
    while i < data.size:
        byte = data[i]
        if _ENDS_NAME[byte] and byte != _EQUALS:
            break
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        name = (name ^ np.uint64(byte)) * _FNV_STEP
        i += 1
    return name, i


@kernel
def _skip_tag(data: Bytes, i: int) -> tuple[int, int, bool, bool]:
    """From behind a tag's name: position behind its '>', attributes, if it closes itself, if it has a '>'."""
    n, attributes, slash = data.size, 0, False
    while i < n:
        byte = data[i]
        if byte == _GT:
            return i + 1, attributes, slash, True
        slash = byte == _SLASH
        i += 1
        if slash or _is_space(byte):
            continue
        attributes += 1
        while i < n and not _ENDS_NAME[data[i]]:
            i += 1
        after = i
        while after < n and _is_space(data[after]):
            after += 1
        if after < n and data[after] == _EQUALS:
            i = _skip_value(data, after + 1)
    return n, attributes, False, False


@kernel
def _skip_value(data: Bytes, i: int) -> int:
    """Position behind the attribute value that begins, blanks first, at `i`."""
    n = data.size
    while i < n and _is_space(data[i]):
        i += 1
    if i < n and (data[i] == _DOUBLE or data[i] == _SINGLE):
        return min(n, _find(data, i + 1, data[i]) + 1)
    while i < n and data[i] != _GT and not _is_space(data[i]):
        i += 1
    return i


@kernel
def _skip_markup(data: Bytes, i: int) -> int:
    """From behind a '<' that begins no tag: position behind the comment, declaration or lone character."""
    n = data.size
    if data[i] == _BANG and i + 2 < n and data[i + 1] == _DASH and data[i + 2] == _DASH:
        i += 3
        start = i
        while i < n:
            if data[i] == _GT:
                dashes = data[i - 1] == _DASH and data[i - 2] == _DASH and (i - start >= 2 or i - start <= 1)
                bang = (
                    data[i - 1] == _BANG and data[i - 2] == _DASH and data[i - 3] == _DASH and i - start >= 3
                )
                if dashes or bang or i == start:
                    return i + 1
            i += 1
        return n
    if data[i] == _BANG or data[i] == _QUESTION or data[i] == _SLASH:
        return min(n, _find(data, i, _GT) + 1)
    return i


@kernel
def _skip_raw(data: Bytes, i: int, name: np.uint64) -> int:
    """Position of the end tag `name` of a raw text element, else the end of the data."""
    n = data.size
    while i < n:
        i = _find(data, i, _LT)
        if i + 2 < n and data[i + 1] == _SLASH and _is_letter(data[i + 2]):
            found, _ = _tag_name(data, i + 2)
            if found == name:
                return i
        i += 1
    return n


@kernel
def _find(data: Bytes, i: int, byte: int) -> int:
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


@kernel
def _open(stack: npt.NDArray[np.uint64], bits_of: Ranges, state: Ranges, name: np.uint64, bits: int) -> None:
    """Push an element, first closing the sibling on top that its start tag ends by implication."""
    top = state[0] - 1
    if top >= 0:
        over = bits_of[top]
        sibling = bits & over & (ITEM | DEFINITION | CELL | ROW | ROWS | OPTION)
        if sibling or (over & PARAGRAPH and bits & CLOSES_P):
            state[0] = top
        elif over & CELL and bits & (ROW | ROWS):
            state[0] = top
            if top > 0 and bits_of[top - 1] & ROW:
                state[0] = top - 1
    stack[state[0]], bits_of[state[0]] = name, bits
    if bits & FOREIGN and state[2] < 0:
        state[2] = state[0]
    state[0] += 1


@kernel
def _close(stack: npt.NDArray[np.uint64], bits_of: Ranges, state: Ranges, name: np.uint64, bits: int) -> None:
    """Pop to the element that the end tag `name` closes, if the parser would let it."""
    outlived = 0
    in_table = bool(bits & (TABLE | CELL | ROW | ROWS))
    for at in range(state[0] - 1, -1, -1):
        if stack[at] == name:
            state[0] = at
            state[1] += outlived
            if state[2] >= at:
                state[2] = -1
            return
        over = bits_of[at]
        if in_table:
            if over & TABLE:
                return
        elif over & SCOPE or (over & SPECIAL and not bits & SPECIAL and not over & IMPLIED_END):
            return
        elif over & FORMATTING:
            outlived += 1
    if bits & FORMATTING and state[1] > 0:
        state[1] -= 1
