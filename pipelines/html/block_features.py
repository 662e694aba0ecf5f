"""Numbers about each block that a classifier can tell main text from the rest by; any language, any site.

They say what the block's text is made of, which elements it stands in, how much text and how many links
those hold, whether its siblings are built alike, where on the page it is and what its neighbours are like.
Shares are 0..1; sizes are natural logarithms of 1 + units (`pipelines.html.block_stats`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.html import block_stats as stats
from pipelines.html import html_tags as tags
from pipelines.html import page_arrays as room
from pipelines.html.block_stats import Stats, block_stats
from pipelines.html.blocks import Blocks
from pipelines.html.borrow import borrowing
from pipelines.html.hash_slots import slot_of, slots_for
from pipelines.html.page_arrays import Hashes, Rows
from text.jit import kernel

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]
Sums = npt.NDArray[np.float64]

LEVELS = 5
"""Elements around a block that are measured: the nearest that breaks lines, and up."""
_PER_LEVEL = 8
_REACH = 3
_PER_NEIGHBOUR = 4
_WINDOWS = (4, 12)
# A block of at least so many units and with at most this share of them in links is taken for running text.
_LONG_UNITS, _LONG_LINKS = 60, 0.34

_OWN = 28
_NAMES = 6
_PLACE = 14
_REPEATS_AT = 24
_MARKS_AT = _OWN
_NAMES_AT = _MARKS_AT + tags.MARK_BITS
_PLACE_AT = _NAMES_AT + _NAMES
_LEVELS_AT = _PLACE_AT + _PLACE
_NEAR_AT = _LEVELS_AT + LEVELS * _PER_LEVEL
_WINDOWS_AT = _NEAR_AT + 2 * _REACH * _PER_NEIGHBOUR
WIDTH = _WINDOWS_AT + 2 * len(_WINDOWS)
"""Number of features."""

_HEAD_MARK, _SUBHEAD_MARK = 1 << tags.MARKS.index("h1 h2"), 1 << tags.MARKS.index("h3 h4 h5 h6")
# Columns of the running sums over blocks.
_UNITS, _LINKED, _LONG, _STOPS, _WORDS = range(5)
_SUMS = 5


class Features(NamedTuple):
    """`matrix`: float32[n, WIDTH]; `units`: int64[n]; `boxes`: int32[n, LEVELS], the elements measured.

    `stats` is what the texts are made of, from which part of the features come.
    """

    matrix: Floats
    units: npt.NDArray[np.int64]
    boxes: Rows
    stats: Stats


def block_features(page: Blocks, scores: Floats) -> Features:
    """Features of the page's blocks; `scores` are those of its elements' names, float32[nodes, 2]: near, all."""
    n = len(page.blocks)
    told = block_stats(page)
    figures, hashes, grams, offsets = told
    sums = np.zeros((n + 1, _SUMS), np.float64)
    slots = slots_for(max(len(page.nodes), n))
    keys, counts = np.zeros(slots, np.uint64), np.zeros(slots, np.int32)
    alike, copies = np.zeros(len(page.nodes), np.int32), np.zeros(n, np.int32)
    boxes = np.full((n, LEVELS), -1, np.int32)
    matrix = np.zeros((n, WIDTH), np.float32)
    if n:
        _sum(page.blocks, figures, sums)
        _count_alike(page.nodes, keys, counts, alike)
        keys[:] = 0
        counts[:] = 0
        _count_copies(hashes, keys, counts, copies)
        _own(page.blocks, page.nodes, figures, copies, matrix)
        _score(page.blocks, page.nodes, scores, matrix)
        _repeats(*_gram_table(grams), grams, offsets, matrix)
        _place(page.blocks, page.nodes, figures, sums, matrix)
        _levels(page.blocks, page.nodes, sums, alike, boxes, matrix)
        _around(page.blocks, figures, sums, matrix)
    return Features(matrix, figures[:, stats.UNITS].astype(np.int64), boxes, told)


@borrowing
@kernel
def _log(value: float | np.int64) -> np.float32:
    return np.float32(np.log1p(value))


@borrowing
@kernel
def _sum(blocks: Rows, figures: Rows, sums: Sums) -> None:
    for i in range(blocks.shape[0]):
        units = figures[i, stats.UNITS]
        size = max(1, blocks[i, room.END] - blocks[i, room.START])
        linked = blocks[i, room.LINK_BYTES] / size
        running = units >= _LONG_UNITS and linked <= _LONG_LINKS
        sums[i + 1, _UNITS] = sums[i, _UNITS] + units
        sums[i + 1, _LINKED] = sums[i, _LINKED] + units * linked
        sums[i + 1, _LONG] = sums[i, _LONG] + (units if running else 0)
        sums[i + 1, _STOPS] = sums[i, _STOPS] + figures[i, stats.STOPS]
        sums[i + 1, _WORDS] = sums[i, _WORDS] + figures[i, stats.WORDS]


@borrowing
@kernel
def _count_alike(nodes: Rows, keys: Hashes, counts: Counts, alike: Counts) -> None:
    """How many elements each has beside it, itself included, of its own name and class."""
    for turn in range(2):
        for i in range(1, nodes.shape[0]):
            key = (np.uint64(nodes[i, room.PARENT]) << np.uint64(32)) | np.uint64(nodes[i, room.KIND])
            slot = slot_of(keys, key)
            if turn == 0:
                counts[slot] += 1
            else:
                alike[i] = counts[slot]


@borrowing
@kernel
def _count_copies(hashes: Hashes, keys: Hashes, counts: Counts, copies: Counts) -> None:
    """How many blocks of the page have the words of each, itself included."""
    for turn in range(2):
        for i in range(hashes.size):
            slot = slot_of(keys, hashes[i])
            if turn == 0:
                counts[slot] += 1
            else:
                copies[i] = counts[slot]


@borrowing
@kernel
def _own(blocks: Rows, nodes: Rows, figures: Rows, copies: Counts, out: Floats) -> None:
    for i in range(blocks.shape[0]):
        units, words = figures[i, stats.UNITS], figures[i, stats.WORDS]
        signs, per = figures[i, stats.SIGNS], np.float32(1) / max(1, words)
        size = max(1, blocks[i, room.END] - blocks[i, room.START])
        out[i, 0] = _log(units)
        out[i, 1] = words
        out[i, 2] = blocks[i, room.LINK_BYTES] / size
        out[i, 3] = blocks[i, room.LINKS]
        out[i, 4] = figures[i, stats.CAPITALS] * per
        out[i, 5] = figures[i, stats.DIGITS] / max(1, units)
        out[i, 6] = figures[i, stats.STOPS]
        out[i, 7] = figures[i, stats.STOPS] * per
        out[i, 8] = figures[i, stats.COMMAS] * per
        out[i, 9] = signs / max(1, units + signs)
        out[i, 10] = figures[i, stats.BARS]
        out[i, 11] = figures[i, stats.FIRST]
        out[i, 12] = figures[i, stats.LAST]
        out[i, 13] = units * per
        out[i, 14] = copies[i]
        out[i, 15] = figures[i, stats.IN_TITLE] * per
        out[i, 16] = figures[i, stats.IN_TITLE]
        out[i, 17] = blocks[i, room.BREAK]
        out[i, 18] = blocks[i + 1, room.BREAK] if i + 1 < blocks.shape[0] else room.LAST
        box, leaf = blocks[i, room.BOX], blocks[i, room.LEAF]
        out[i, 19] = nodes[box, room.BLOCKS_TO] - nodes[box, room.BLOCKS_FROM]
        out[i, 20] = i - nodes[box, room.BLOCKS_FROM]
        out[i, 21] = leaf - box
        out[i, 22] = nodes[box, room.PLACE]
        out[i, 23] = figures[i, stats.DIGITS]
        marks = nodes[leaf, room.MARKS]
        for bit in range(tags.MARK_BITS):
            out[i, _MARKS_AT + bit] = (marks >> bit) & 1


def _gram_table(grams: Hashes) -> tuple[Hashes, Rows]:
    slots = slots_for(len(grams))
    return np.zeros(slots, np.uint64), np.zeros((slots, 3), np.int32)


@borrowing
@kernel
def _repeats(keys: Hashes, holders: Rows, grams: Hashes, offsets: Places, out: Floats) -> None:
    """Shares of a block's grams that stand in another one too, in one before it, and in the declared text."""
    n = out.shape[0]
    for block in range(n):
        for k in range(offsets[block], offsets[block + 1]):
            slot = slot_of(keys, grams[k])
            if holders[slot, 0] == 0:
                holders[slot, 0] = block + 1
            holders[slot, 1] = block + 1
    for k in range(offsets[n], offsets[n + 1]):
        holders[slot_of(keys, grams[k]), 2] = 1
    declared = _log(offsets[n + 1] - offsets[n])
    for block in range(n):
        elsewhere = earlier = told = 0
        for k in range(offsets[block], offsets[block + 1]):
            slot = slot_of(keys, grams[k])
            first, last = holders[slot, 0] - 1, holders[slot, 1] - 1
            elsewhere += first != block or last != block
            earlier += first < block
            told += holders[slot, 2]
        per = np.float32(1) / max(1, offsets[block + 1] - offsets[block])
        out[block, _REPEATS_AT] = elsewhere * per
        out[block, _REPEATS_AT + 1] = earlier * per
        out[block, _REPEATS_AT + 2] = told * per
        out[block, _REPEATS_AT + 3] = declared


@borrowing
@kernel
def _score(blocks: Rows, nodes: Rows, scores: Floats, out: Floats) -> None:
    """What the names of the elements around a block say: the nearest three, all, the best and the worst."""
    for i in range(blocks.shape[0]):
        node, hops = np.int64(blocks[i, room.LEAF]), 0
        near = total = best = worst = own = np.float32(0)
        own = scores[node, 1]
        while node >= 0:
            if hops < 3:
                near += scores[node, 0]
            total += scores[node, 1]
            best = max(best, scores[node, 1])
            worst = min(worst, scores[node, 1])
            node = nodes[node, room.PARENT]
            hops += 1
        out[i, _NAMES_AT] = near + total
        out[i, _NAMES_AT + 1] = near
        out[i, _NAMES_AT + 2] = best
        out[i, _NAMES_AT + 3] = worst
        out[i, _NAMES_AT + 4] = own
        out[i, _NAMES_AT + 5] = hops


@borrowing
@kernel
def _place(blocks: Rows, nodes: Rows, figures: Rows, sums: Sums, out: Floats) -> None:
    """Where on the page a block is, from its headings and its running text; and what the page is like."""
    n = blocks.shape[0]
    units, running = sums[n, _UNITS], sums[n, _LONG]
    first = last = heading = -1
    for i in range(n):
        if nodes[blocks[i, room.BOX], room.MARKS] & _HEAD_MARK and first < 0:
            first = i
        if sums[i + 1, _LONG] > sums[i, _LONG]:
            last = i
    seen_long = -1
    for i in range(n):
        marks = nodes[blocks[i, room.BOX], room.MARKS]
        at = _PLACE_AT
        out[i, at] = i / n
        out[i, at + 1] = sums[i, _UNITS] / max(1.0, units)
        out[i, at + 2] = sums[i, _LONG] / max(1.0, running)
        out[i, at + 3] = i - first if first >= 0 else -1000
        out[i, at + 4] = i - heading if heading >= 0 else 1000
        out[i, at + 5] = last - i
        out[i, at + 6] = i - seen_long if seen_long >= 0 else 1000
        out[i, at + 7] = _log(n)
        out[i, at + 8] = _log(units)
        out[i, at + 9] = sums[n, _LINKED] / max(1.0, units)
        out[i, at + 10] = running / max(1.0, units)
        out[i, at + 11] = sums[n, _STOPS] / max(1.0, sums[n, _WORDS])
        out[i, at + 12] = i
        out[i, at + 13] = n - i
        if marks & (_HEAD_MARK | _SUBHEAD_MARK):
            heading = i
        if sums[i + 1, _LONG] > sums[i, _LONG]:
            seen_long = i


@borrowing
@kernel
def _levels(blocks: Rows, nodes: Rows, sums: Sums, alike: Counts, boxes: Rows, out: Floats) -> None:
    """What the elements around a block hold, from the nearest up; single wrappers are passed over."""
    n = blocks.shape[0]
    running = max(1.0, sums[n, _LONG])
    for i in range(n):
        node = np.int64(blocks[i, room.BOX])
        for level in range(LEVELS):
            boxes[i, level] = node
            low, high = nodes[node, room.BLOCKS_FROM], nodes[node, room.BLOCKS_TO]
            inside = sums[high, _UNITS] - sums[low, _UNITS]
            at = _LEVELS_AT + level * _PER_LEVEL
            out[i, at] = _log(inside)
            out[i, at + 1] = (sums[high, _LINKED] - sums[low, _LINKED]) / max(1.0, inside)
            out[i, at + 2] = (sums[high, _LONG] - sums[low, _LONG]) / max(1.0, inside)
            out[i, at + 3] = (sums[high, _LONG] - sums[low, _LONG]) / running
            out[i, at + 4] = alike[node]
            out[i, at + 5] = high - low
            out[i, at + 6] = nodes[node, room.KIDS]
            out[i, at + 7] = nodes[node, room.INPUTS]
            size = high - low
            while (
                nodes[node, room.PARENT] >= 0
                and nodes[node, room.BLOCKS_TO] - nodes[node, room.BLOCKS_FROM] <= size
            ):
                node = np.int64(nodes[node, room.PARENT])


@borrowing
@kernel
def _around(blocks: Rows, figures: Rows, sums: Sums, out: Floats) -> None:
    """The blocks before and behind."""
    n = blocks.shape[0]
    for i in range(n):
        at = _NEAR_AT
        for step in range(-_REACH, _REACH + 1):
            k = i + step
            if step == 0:
                continue
            if 0 <= k < n:
                out[i, at] = out[k, 0]
                out[i, at + 1] = out[k, 2]
                out[i, at + 2] = figures[k, stats.STOPS]
                out[i, at + 3] = out[k, _NAMES_AT]
            else:
                out[i, at] = -1
            at += _PER_NEIGHBOUR
        for reach in _WINDOWS:
            low, high = max(0, i - reach), min(n, i + reach + 1)
            inside = sums[high, _UNITS] - sums[low, _UNITS]
            out[i, at] = (sums[high, _LONG] - sums[low, _LONG]) / max(1.0, inside)
            out[i, at + 1] = (sums[high, _LINKED] - sums[low, _LINKED]) / max(1.0, inside)
            at += 2
