"""The arrays that a page is read into: its text, its blocks, its elements, and the names they carry.

A block is a run of text that no element boundary breaks: a paragraph, a cell, a line before a <br>. All
numbers are of one page; positions are byte offsets in `text`.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.html.html_scan import Bytes

# Columns of `blocks`: the text's range; bytes of it in links; links; the innermost element at its first
# character; the nearest element around it that breaks lines; how strong the boundary before it is.
START, END, LINK_BYTES, LINKS, LEAF, BOX, BREAK = range(7)
BLOCK_COLUMNS = 7
# Columns of `nodes`: the element around it (-1: none), its number in html_tags, marks of its own and from
# above, range of its names in `names`, images and form inputs right in it, range of the blocks in it (end
# exclusive), what its siblings are compared by, its place among its siblings.
PARENT, TAG, MARKS, NAMES_FROM, NAMES_TO, IMAGES, INPUTS, BLOCKS_FROM, BLOCKS_TO, KIND, PLACE, KIDS = range(
    12
)
NODE_COLUMNS = 12

LAST = 4
"""Strength of the boundary at the end of the page."""

# Columns of `stack`, the open elements: its row in `nodes` (that of the one around it, where it has none), its
# number and flags, the row of the nearest element that breaks lines, 31 bits of the hash of its name.
NODE, ELEMENT, FLAGS, LINES, NAME = range(5)
STACK_COLUMNS = 5

# What the kernel keeps of where it is: entries of one int64 array.
(
    AT, N_BLOCKS, N_NODES, N_NAMES, DEPTH, BEGUN, SPACE, PENDING, IN_LINKS, LINKED, LINKS_SEEN, SKIPPING, IN_PRE,
    TOO_DEEP, FIRST_LEAF, FIRST_BOX, TITLE_END, DEEPEST,
    DECLARED_FROM, DECLARED_TO, OPEN_TITLE,
) = range(21)  # fmt: skip
STATE_SIZE = 21

# Past these a page's further blocks run together and its further elements go unnoticed.
MOST_BLOCKS, MOST_NODES, MOST_NAMES = 1 << 16, 1 << 19, 1 << 20

# int32 and int64; elements are Any to the type checker, as in `pipelines.html.html_scan`.
Rows = npt.NDArray[Any]
State = npt.NDArray[Any]
Hashes = npt.NDArray[np.uint64]


class PageArrays(NamedTuple):
    """Room for one page, filled by `pipelines.html.blocks`; `stack` and `state` are of no use afterwards."""

    text: Bytes
    blocks: Rows
    nodes: Rows
    names: Hashes
    stack: Rows
    state: State


def page_arrays(size: int, max_depth: int) -> PageArrays:
    """Room for a page of `size` bytes; memory that is not written costs nothing."""
    return PageArrays(
        # A reference gives at most 6 bytes for 5; everything else no more than it takes; declared text comes twice.
        np.empty(2 * size + size // 4 + 64, np.uint8),
        np.empty((min(size // 3 + 2, MOST_BLOCKS), BLOCK_COLUMNS), np.int32),
        np.empty((min(size // 3 + 2, MOST_NODES), NODE_COLUMNS), np.int32),
        np.empty(min(size + 2, MOST_NAMES), np.uint64),
        np.empty((max_depth + 2, STACK_COLUMNS), np.int32),
        np.zeros(STATE_SIZE, np.int64),
    )
