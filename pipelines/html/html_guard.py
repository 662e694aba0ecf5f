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
from pipelines.html.html_scan import (
    ENDS_NAME,
    EQUALS,
    GT,
    LT,
    SLASH,
    Bytes,
    find,
    is_letter,
    is_space,
    skip_markup,
    skip_raw,
    skip_value,
    tag_name,
)
from text.jit import kernel

Ranges = npt.NDArray[np.int64]

# No cut is made for less than this many bytes of input: bounds the number of cuts.
_BYTES_A_CUT = 256


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
        at = find(data, i, LT)
        i = at + 1
        if i >= n:
            break
        closing = data[i] == SLASH
        name_at = i + 1 if closing else i
        if name_at >= n or not is_letter(data[name_at]):
            i = skip_markup(data, i)
            continue
        name, name_end = tag_name(data, name_at)
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
            i = skip_raw(data, i, name)
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
def _skip_tag(data: Bytes, i: int) -> tuple[int, int, bool, bool]:
    """From behind a tag's name: position behind its '>', attributes, if it closes itself, if it has a '>'."""
    n, attributes, slash = data.size, 0, False
    while i < n:
        byte = data[i]
        if byte == GT:
            return i + 1, attributes, slash, True
        slash = byte == SLASH
        i += 1
        if slash or is_space(byte):
            continue
        attributes += 1
        while i < n and not ENDS_NAME[data[i]]:
            i += 1
        after = i
        while after < n and is_space(data[after]):
            after += 1
        if after < n and data[after] == EQUALS:
            i = skip_value(data, after + 1)
    return n, attributes, False, False


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
