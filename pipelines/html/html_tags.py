"""What reading a page must know of HTML elements: how they break lines, what they mark, what never shows.

Each known element has a number; arrays by that number tell the rest. 0 stands for every unknown element.
"""

import numpy as np
import numpy.typing as npt

from pipelines.html.html_names import hash_name, name_bits
from text.jit import kernel

# How strong a boundary an element makes before and behind its text.
INLINE, CELL_BREAK, LINE_BREAK, PARAGRAPH_BREAK = 0, 1, 2, 3
# What becomes of its content: shown; passed over up to its end tag as raw text, or as markup.
SHOWN, RAW_SKIPPED, SKIPPED = 0, 1, 2

_BREAKS = {
    CELL_BREAK: "td th",
    LINE_BREAK: """
        br li dt dd tr div option optgroup legend caption center body html figcaption summary
        section article main header footer aside nav form fieldset address tbody thead tfoot hgroup
        search frameset dir menu noscript""",
    PARAGRAPH_BREAK: """
        p h1 h2 h3 h4 h5 h6 table ul ol dl blockquote pre listing xmp plaintext figure hr details
        dialog""",
}
_SKIPS = {
    RAW_SKIPPED: "script style textarea iframe noembed noframes title",
    SKIPPED: """
        template svg select datalist canvas audio video object applet annotation annotation-xml
        rp map optgroup option""",
}
# Marks that an element hands down to everything in it.
MARKS = (
    "nav menu", "aside", "header", "footer", "form fieldset", "table", "ul ol dl menu dir", "li dd dt",
    "article", "main", "section", "figure figcaption picture", "blockquote q", "pre listing xmp code samp",
    "a", "button label legend", "h1 h2", "h3 h4 h5 h6", "p", "details dialog", "strong b", "em i cite small",
    "td th", "dl dt dd", "time address", "noscript",
)  # fmt: skip
HIDDEN_MARK = 1 << len(MARKS)
"""The mark of an element with the attribute hidden, or with display:none in its style."""
MARK_BITS = len(MARKS) + 1

_OTHERS = "span font img input a u s sub sup big tt abbr kbd var del ins mark ruby rt rb wbr math label code"


def _names() -> list[str]:
    texts = [*_BREAKS.values(), *_SKIPS.values(), *MARKS, _OTHERS]
    return sorted({name for text in texts for name in text.split()})


NAMES = _names()
"""Known element names; element i + 1 is `NAMES[i]`."""
TAG = {name: number + 1 for number, name in enumerate(NAMES)}
_SLOTS = 1024


def _numbers(groups: dict[int, str]) -> npt.NDArray[np.int64]:
    values = np.zeros(len(NAMES) + 1, np.int64)
    for value, text in groups.items():
        for name in text.split():
            values[TAG[name]] |= value
    return values


def _table() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Open-addressed table of name hashes and element numbers; 0 marks a free slot."""
    hashes, numbers = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.int64)
    for name, number in TAG.items():
        slot = hash_name(name) % _SLOTS
        while hashes[slot]:
            slot = (slot + 1) % _SLOTS
        hashes[slot], numbers[slot] = hash_name(name), number
    return hashes, numbers


BREAK_OF, SKIP_OF = _numbers(_BREAKS), _numbers(_SKIPS)
MARKS_OF = _numbers({1 << bit: names for bit, names in enumerate(MARKS)})
_HASHES, _NUMBERS = _table()
_MASK, _FREE = np.uint64(_SLOTS - 1), np.uint64(0)


@kernel
def tag_number(name: np.uint64) -> int:
    """Number of the element whose name hashes to `name`; 0 for an unknown one."""
    slot = np.int64(name & _MASK)
    while _HASHES[slot] != _FREE:
        if _HASHES[slot] == name:
            return _NUMBERS[slot]
        slot = (slot + 1) % _SLOTS
    return 0


__all__ = ["BREAK_OF", "MARKS_OF", "SKIP_OF", "name_bits", "tag_number"]
