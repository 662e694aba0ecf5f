"""HTML to main-content text by the learned block classifier: one pass over the bytes, one over the blocks."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.html import html_tags as tags
from pipelines.html import page_arrays as room
from pipelines.html.block_model import ReadyModel, judge, shipped
from pipelines.html.blocks import Blocks, read_blocks
from pipelines.html.borrow import borrowing
from pipelines.html.html_scan import Bytes
from pipelines.html.page_arrays import Rows
from text.jit import kernel

_TAB, _NEWLINE = 0x09, 0x0A


class MainText(NamedTuple):
    """Text in UTF-8; `depth` of the nesting, at most the limit + 1.

    `sure`: at least one block is likelier to be main text than not.
    """

    text: bytes
    depth: int
    sure: bool


def main_text(html: bytes, max_depth: int, model: ReadyModel | None = None) -> MainText:
    """Main-content text of an HTML page in UTF-8; elements nested deeper than `max_depth` count as flat."""
    page = read_blocks(html, max_depth)
    verdict = judge(page, model or shipped())
    sure = bool(np.any(verdict.probabilities >= 0.5))
    return MainText(text_of(page, verdict.chosen), page.depth, sure)


def text_of(page: Blocks, chosen: npt.NDArray[np.bool_]) -> bytes:
    """Texts of the chosen blocks: tabs between cells, newlines between lines, blank lines around paragraphs."""
    out = np.empty(len(page.text) + 2 * len(page.blocks), np.uint8)
    return out[: _join(page.text, page.blocks, chosen, out)].tobytes()


@borrowing
@kernel
def _join(text: Bytes, blocks: Rows, chosen: npt.NDArray[np.bool_], out: Bytes) -> int:
    at, strength = 0, 0
    for i in range(blocks.shape[0]):
        strength = max(strength, blocks[i, room.BREAK])
        if not chosen[i]:
            continue
        if at:
            out[at] = _TAB if strength == tags.CELL_BREAK else _NEWLINE
            at += 1
            if strength >= tags.PARAGRAPH_BREAK:
                out[at] = _NEWLINE
                at += 1
        for k in range(blocks[i, room.START], blocks[i, room.END]):
            out[at] = text[k]
            at += 1
        strength = 0
    return at
