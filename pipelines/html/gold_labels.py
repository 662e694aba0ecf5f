"""What of a page is its main text, learned from the text that a person took from it.

The page's words and the gold text's are aligned in order: the heaviest common subsequence, in which every
match counts 1 and every break between matches costs `_BREAK`, so that runs win over words met by chance. A
block's label is the share of its words that are matched.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipelines.html import page_arrays as room
from pipelines.html.blocks import Blocks
from text.jit import kernel
from text.words import segment, segment_buffer

Hashes = npt.NDArray[np.uint64]
Shares = npt.NDArray[np.float32]

MOST_CELLS = 150_000_000
"""Words of the page times words of the gold text that are aligned; beyond it a page gets no labels."""
_BREAK = np.float32(0.75)


def bag_f1(found: str, gold: str) -> tuple[float, float, float]:
    """(F1, precision, recall) of the words of `found` as a bag against those of `gold`; 1 where both are empty.

    A word is one of `text.words`: each Han character is one.
    """
    bags = [Counter(segment([text]).hashes.tolist()) for text in (found, gold)]
    sizes = [sum(bag.values()) for bag in bags]
    common = sum((bags[0] & bags[1]).values())
    if not any(sizes):
        return 1.0, 1.0, 1.0
    precision = common / sizes[0] if sizes[0] else 0.0
    recall = common / sizes[1] if sizes[1] else 0.0
    return 2 * common / sum(sizes), precision, recall


def block_words(page: Blocks) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Words of the page's blocks, and the offsets of each block's: block i has those from i to i + 1."""
    if not len(page.blocks):
        return np.empty(0, np.uint64), np.zeros(1, np.int64)
    edges = np.append(page.blocks[:, room.START].astype(np.int64), len(page.text))
    words = segment_buffer(page.text, edges)
    return words.hashes, words.offsets


def shares(page: Blocks, gold: str) -> Shares | None:
    """Share of each block's words that the gold text has, float32[n]; NaN where a block has no word.

    None where page and gold text are too long to be aligned.
    """
    words, offsets = block_words(page)
    target = segment([gold]).hashes
    if len(words) * len(target) > MOST_CELLS:
        return None
    matched = np.zeros(len(words), np.int64)
    if len(words) and len(target):
        _align(words, target, matched)
    sums = np.concatenate([[0], np.cumsum(matched)])
    sizes, hits = np.diff(offsets), sums[offsets[1:]] - sums[offsets[:-1]]
    with np.errstate(invalid="ignore"):
        return np.where(sizes > 0, hits / sizes, np.nan).astype(np.float32)


@kernel
def _align(words: Hashes, target: Hashes, matched: npt.NDArray[np.int64]) -> None:
    """Set `matched[i]` to 1 for each word on the heaviest path."""
    n, m = words.size, target.size
    best, run = np.zeros(m + 1, np.float32), np.full(m + 1, np.float32(-1e9))
    # Bits of a step: 1: these words match; 2: the best such match follows one right before it; 4: from the left.
    steps = np.zeros((n + 1, m + 1), np.uint8)
    for i in range(1, n + 1):
        corner_best, corner_run = best[0], run[0]
        for j in range(1, m + 1):
            above_best, above_run = best[j], run[j]
            step, value, chain = 0, above_best, np.float32(-1e9)
            if best[j - 1] > value:
                value, step = best[j - 1], 4
            if words[i - 1] == target[j - 1]:
                chain = corner_best + np.float32(1) - _BREAK
                if corner_run + np.float32(1) > chain:
                    chain, step = corner_run + np.float32(1), step | 2
                if chain >= value:
                    value, step = chain, (step & 2) | 1
            steps[i, j] = step
            corner_best, corner_run = above_best, above_run
            best[j], run[j] = value, chain
    i, j, chained = n, m, False
    while i > 0 and j > 0:
        step = steps[i, j]
        if chained or step & 1:
            matched[i - 1] = 1
            chained = bool(step & 2)
            i, j = i - 1, j - 1
        elif step & 4:
            j -= 1
        else:
            i -= 1


def snippet_labels(page: Blocks, wanted: Sequence[str], unwanted: Sequence[str]) -> Shares:
    """Labels where only snippets are known, float32[n]: 1 for a block with a wanted one, 0 with an unwanted.

    NaN for a block with neither or both.
    """
    labels = np.full(len(page.blocks), np.nan, np.float32)
    for i, (start, end) in enumerate(page.blocks[:, [room.START, room.END]].tolist()):
        text = page.text[start:end].tobytes().decode("utf-8", "replace")
        good, bad = (any(snippet in text for snippet in snippets) for snippets in (wanted, unwanted))
        if good != bad:
            labels[i] = float(good)
    return labels


def snippets_found(text: str, wanted: Sequence[str], unwanted: Sequence[str]) -> tuple[int, int, int, int]:
    """Wanted snippets that the text has and has not, unwanted ones that it has and has not."""
    hits, faults = (sum(snippet in text for snippet in snippets) for snippets in (wanted, unwanted))
    return hits, len(wanted) - hits, faults, len(unwanted) - faults
