"""HTML to blocks of text and the elements around them, in one pass over the bytes.

No tree is built: the scan keeps the stack of open elements with the parser's main rules (void elements,
implied end tags, scopes, formatting elements closed out of order) and notes for each element what is above
it, for each block where it stands. Time is linear in the bytes, times the depth limit at worst. Text is
UTF-8 with references decoded and white space collapsed (kept in pre); soft hyphens are left out.
"""

from typing import NamedTuple

import numpy as np

from pipelines.html import html_names as rules
from pipelines.html import html_tags as tags
from pipelines.html import page_arrays as room
from pipelines.html.attributes import HIDDEN, LINKING, SELF_CLOSING, read_attributes
from pipelines.html.block_text import end_block, end_text, read_text
from pipelines.html.borrow import borrowing
from pipelines.html.declared_text import declared_range, write_declared
from pipelines.html.html_names import name_bits
from pipelines.html.html_scan import (
    FNV_STEP,
    GT,
    LT,
    SLASH,
    Bytes,
    find,
    is_letter,
    skip_markup,
    skip_raw,
    tag_name,
)  # fmt: skip
from pipelines.html.html_tags import tag_number
from pipelines.html.page_arrays import Hashes, Rows, State, page_arrays
from text.jit import kernel

_A, _P, _DIV, _IMG, _TITLE, _PRE, _LISTING, _HTML, _BODY, _SCRIPT = (
    tags.TAG[name] for name in ("a", "p", "div", "img", "title", "pre", "listing", "html", "body", "script")
)
_INPUTS = rules.INPUT | rules.SELECT
_CELLS = rules.TABLE | rules.CELL | rules.ROW | rules.ROWS
_SIBLINGS, _ROW_PARTS = rules.ITEM | rules.DEFINITION, rules.CELL | rules.ROW | rules.ROWS
_THROUGH = rules.SPECIAL | rules.FORMATTING | rules.IMPLIED_END  # end tags that reach past a special element
_ROOTS = 3  # html, head and body are elements of their own while so many are open
_LINKED = 1 << 25  # set beside the flags of an open link that leads somewhere
_TAG_NAMES = np.uint64(0x9E3779B97F4A7C15)  # told apart from class names
_LOW_31 = np.uint64(0x7FFFFFFF)


class Blocks(NamedTuple):
    """A page as it was read: `text` holds the title, `text[:title]`, and then the blocks' texts.

    `declared` is the text that the page declares for machines (`pipelines.html.declared_text`), else empty.

    `blocks`, `nodes` and `names` are described in `pipelines.html.page_arrays`; `depth` is the deepest nesting,
    at most the limit + 1.
    """

    text: Bytes
    title: int
    declared: Bytes
    blocks: Rows
    nodes: Rows
    names: Hashes
    depth: int


def read_blocks(html: bytes, max_depth: int = 512) -> Blocks:
    """Blocks of an HTML page in UTF-8 (or any ASCII-compatible encoding); elements nested deeper count as flat."""
    page = page_arrays(len(html), max_depth)
    data = np.frombuffer(html, np.uint8)
    _read(data, *page)
    state = page.state
    end = int(state[room.AT])
    declared_end = write_declared(data, state[room.DECLARED_FROM], state[room.DECLARED_TO], page.text, end)
    return Blocks(
        page.text[:end],
        int(state[room.TITLE_END]),
        page.text[end:declared_end],
        page.blocks[: state[room.N_BLOCKS]],
        page.nodes[: state[room.N_NODES]],
        page.names[: state[room.N_NAMES]],
        int(state[room.DEEPEST]),
    )


@borrowing
@kernel
def _read(
    data: Bytes, text: Bytes, blocks: Rows, nodes: Rows, names: Hashes, stack: Rows, state: State
) -> None:
    n = data.size
    state[room.BEGUN], state[room.SKIPPING] = -1, -1
    _push(nodes, names, stack, state, 0, 0, np.uint64(0), False, np.uint64(0))
    i = 0
    while i < n:
        at = find(data, i, LT)
        if at > i and state[room.SKIPPING] < 0:
            read_text(data, i, at, text, stack, state)
        i = at + 1
        if i >= n:
            break
        closing = data[i] == SLASH
        name_at = i + 1 if closing else i
        if name_at >= n or not is_letter(data[name_at]):
            behind = skip_markup(data, i)
            if behind == i and state[room.SKIPPING] < 0:
                read_text(data, at, i, text, stack, state)
            i = behind
            continue
        name, i = tag_name(data, name_at)
        tag, bits = tag_number(name), name_bits(name)
        if closing:
            i = min(n, find(data, i, GT) + 1)
            _end_tag(text, blocks, nodes, stack, state, name, tag, bits)
            continue
        i = _start_tag(data, i, text, blocks, nodes, names, stack, state, name, tag, bits)
        if bits & rules.PLAIN:
            read_text(data, i, n, text, stack, state)
            break
    end_block(text, blocks, state, room.LAST)
    _pop_to(nodes, stack, state, 0)


@borrowing
@kernel
def _start_tag(
    data: Bytes,
    i: int,
    text: Bytes,
    blocks: Rows,
    nodes: Rows,
    names: Hashes,
    stack: Rows,
    state: State,
    name: np.uint64,
    tag: int,
    bits: int,
) -> int:
    """Read a start tag, and what it says to pass over; the position behind."""
    first_name = state[room.N_NAMES]
    i, told, kind = read_attributes(data, i, names, state)
    skip, shown = tags.SKIP_OF[tag], state[room.SKIPPING] < 0
    if skip == tags.RAW_SKIPPED:
        state[room.N_NAMES] = first_name
        return _pass_raw(data, i, text, stack, state, name, tag)
    if shown:
        if tags.BREAK_OF[tag]:
            end_block(text, blocks, state, tags.BREAK_OF[tag])
        _imply_ends(nodes, stack, state, tag, bits)
    top = stack[state[room.DEPTH] - 1, room.NODE]
    if bits & _INPUTS:
        nodes[top, room.INPUTS] += 1
    again = bits & rules.ROOT and state[room.DEPTH] > _ROOTS
    if bits & rules.VOID or again or (told & SELF_CLOSING and (skip or not shown)):
        nodes[top, room.IMAGES] += tag == _IMG
        state[room.N_NAMES] = first_name
        return i
    if tag == _A and told & LINKING:
        bits |= _LINKED
    if _push(nodes, names, stack, state, tag, bits, name, bool(told & HIDDEN), kind):
        if skip and shown:
            state[room.SKIPPING] = state[room.DEPTH] - 1
        state[room.IN_PRE] += bool(tag in (_PRE, _LISTING))
        state[room.IN_LINKS] += bool(bits & _LINKED)
        state[room.LINKS_SEEN] += bool(bits & _LINKED)
    return i


@borrowing
@kernel
def _pass_raw(data: Bytes, i: int, text: Bytes, stack: Rows, state: State, name: np.uint64, tag: int) -> int:
    """Pass over an element of raw text, keeping the page's first title; the position behind its end tag."""
    open_title = bool(tag == _TITLE and state[room.OPEN_TITLE])
    end = data.size if open_title else skip_raw(data, i, name)
    behind = min(data.size, find(data, end, GT) + 1)
    if tag == _TITLE and end == data.size:  # it would swallow the page: it ends at the next tag
        state[room.OPEN_TITLE] = 1
        end = behind = find(data, i, LT)
    untouched = state[room.BEGUN] < 0 and state[room.AT] == 0 and state[room.SKIPPING] < 0
    if tag == _TITLE and untouched:
        read_text(data, i, end, text, stack, state)
        if state[room.BEGUN] >= 0:
            state[room.AT] = state[room.TITLE_END] = end_text(text, state)
        state[room.BEGUN], state[room.SPACE], state[room.LINKED] = -1, 0, 0
    elif tag == _SCRIPT and state[room.DECLARED_TO] == 0:
        state[room.DECLARED_FROM], state[room.DECLARED_TO] = declared_range(data, i, end)
    return behind


@borrowing
@kernel
def _imply_ends(nodes: Rows, stack: Rows, state: State, tag: int, bits: int) -> None:
    """Close what the start tag of an element ends by implication."""
    if bits & rules.CLOSES_P:
        at = state[room.DEPTH] - 1
        while at > 0 and not stack[at, room.FLAGS] & rules.SPECIAL:
            at -= 1
        if stack[at, room.FLAGS] & rules.PARAGRAPH:
            _pop_to(nodes, stack, state, at)
    wanted, barrier = bits & _SIBLINGS, rules.SPECIAL
    if bits & _ROW_PARTS:
        wanted, barrier = bits & _ROW_PARTS, rules.TABLE
    if wanted:
        at = state[room.DEPTH] - 1
        while at > 0 and not stack[at, room.FLAGS] & wanted:
            if (
                stack[at, room.FLAGS] & barrier
                and stack[at, room.ELEMENT] != _DIV
                and stack[at, room.ELEMENT] != _P
            ):
                return
            at -= 1
        if at > 0:
            _pop_to(nodes, stack, state, at)
    elif tag == _A and state[room.IN_LINKS]:
        at = state[room.DEPTH] - 1
        while at > 0 and stack[at, room.ELEMENT] != _A:
            at -= 1
        if at > 0:
            _remove(nodes, stack, state, at)


@borrowing
@kernel
def _end_tag(
    text: Bytes,
    blocks: Rows,
    nodes: Rows,
    stack: Rows,
    state: State,
    name: np.uint64,
    tag: int,
    bits: int,
) -> None:
    """Close the element that the end tag `name` closes, if the parser would let it."""
    if tags.BREAK_OF[tag] and state[room.SKIPPING] < 0:
        end_block(text, blocks, state, tags.BREAK_OF[tag])
    if bits & rules.VOID or tag in (_BODY, _HTML):
        return
    if state[room.TOO_DEEP]:
        state[room.TOO_DEEP] -= 1
        return
    short = np.int64(name & _LOW_31)
    for at in range(state[room.DEPTH] - 1, 0, -1):
        over = stack[at, room.FLAGS]
        if stack[at, room.NAME] == short:
            if bits & rules.FORMATTING:
                _remove(nodes, stack, state, at)
            else:
                _pop_to(nodes, stack, state, at)
            return
        if bits & _CELLS:
            if over & rules.TABLE:
                return
        elif over & rules.SCOPE or (over & rules.SPECIAL and not bits & _THROUGH):
            return


@borrowing
@kernel
def _push(
    nodes: Rows,
    names: Hashes,
    stack: Rows,
    state: State,
    tag: int,
    bits: int,
    name: np.uint64,
    hidden: bool,
    kind: np.uint64,
) -> bool:
    """Open an element; false where it lies too deep, and is not on the stack then."""
    at, node = state[room.DEPTH], state[room.N_NODES]
    above = stack[at - 1, room.NODE] if at else -1
    first_name = nodes[node - 1, room.NAMES_TO] if node else 0
    if at >= stack.shape[0] - 1:
        state[room.TOO_DEEP] += 1
        state[room.DEEPEST] = at
        state[room.N_NAMES] = first_name
        return False
    state[room.DEEPEST] = max(state[room.DEEPEST], at)
    stack[at, room.ELEMENT], stack[at, room.FLAGS] = tag, bits
    stack[at, room.NAME] = np.int64(name & _LOW_31)
    state[room.DEPTH] += 1
    if state[room.SKIPPING] >= 0 or node == nodes.shape[0]:
        state[room.N_NAMES] = first_name
        stack[at, room.NODE], stack[at, room.LINES] = above, stack[at - 1, room.LINES]
        return True
    if state[room.N_NAMES] < names.size:
        names[state[room.N_NAMES]] = name + _TAG_NAMES
        state[room.N_NAMES] += 1
    for column in range(room.NODE_COLUMNS):
        nodes[node, column] = 0
    nodes[node, room.PARENT], nodes[node, room.TAG], nodes[node, room.MARKS] = above, tag, tags.MARKS_OF[tag]
    nodes[node, room.MARKS] |= tags.HIDDEN_MARK if hidden else 0
    nodes[node, room.NAMES_FROM], nodes[node, room.NAMES_TO] = first_name, state[room.N_NAMES]
    nodes[node, room.BLOCKS_FROM] = state[room.N_BLOCKS]
    nodes[node, room.KIND] = np.int64((name * FNV_STEP ^ kind) & _LOW_31)
    if at:
        nodes[node, room.MARKS] |= nodes[above, room.MARKS]
        nodes[node, room.PLACE] = nodes[above, room.KIDS]
        nodes[above, room.KIDS] += 1
    state[room.N_NODES] += 1
    stack[at, room.NODE] = node
    stack[at, room.LINES] = node if tags.BREAK_OF[tag] or not at else stack[at - 1, room.LINES]
    return True


@borrowing
@kernel
def _pop_to(nodes: Rows, stack: Rows, state: State, at: int) -> None:
    """Close the elements from the top of the stack down to index `at`."""
    while state[room.DEPTH] > at:
        state[room.DEPTH] -= 1
        _closed(nodes, stack, state, state[room.DEPTH])


@borrowing
@kernel
def _remove(nodes: Rows, stack: Rows, state: State, at: int) -> None:
    """Close the one element at index `at`, leaving open what was opened in it."""
    _closed(nodes, stack, state, at)
    state[room.DEPTH] -= 1
    for i in range(at, state[room.DEPTH]):
        for column in range(room.STACK_COLUMNS):
            stack[i, column] = stack[i + 1, column]
    if state[room.SKIPPING] > at:
        state[room.SKIPPING] -= 1


@borrowing
@kernel
def _closed(nodes: Rows, stack: Rows, state: State, at: int) -> None:
    """Note the end of the element at index `at` of the stack."""
    tag = stack[at, room.ELEMENT]
    if at == 0 or stack[at, room.NODE] != stack[at - 1, room.NODE]:
        nodes[stack[at, room.NODE], room.BLOCKS_TO] = state[room.N_BLOCKS] + (state[room.BEGUN] >= 0)
    if stack[at, room.FLAGS] & _LINKED:
        state[room.IN_LINKS] -= 1
    if tag in (_PRE, _LISTING):
        state[room.IN_PRE] -= 1
    if state[room.SKIPPING] == at:
        state[room.SKIPPING] = -1
    elif state[room.SKIPPING] < 0:
        state[room.PENDING] = max(state[room.PENDING], tags.BREAK_OF[tag])
