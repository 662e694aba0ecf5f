"""Where two texts differ, for a person to read: lines first, then the words of lines that have no equal.

A word is a run of characters without spaces, or one character of a script that is written without them, with
the white space behind it. The comparison (difflib) takes time that grows with the product of the lengths, so it
sees at most MOST_LINES lines, and MOST_WORDS words of each stretch of unlike lines.
"""

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

MOST_LINES = 2_000
MOST_WORDS = 1_500
CONTEXT_WORDS = 6
_WIDE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_WIDE}]\s*|[^\s{_WIDE}]+\s*|\s+")


class Passage(NamedTuple):
    """What stands in the one text where something else, or nothing, stands in the other.

    before: the last words that both have in front of it, within the same stretch of unlike lines.
    """

    before: str
    left: str
    right: str


class Differences(NamedTuple):
    """Differing passages in order, the number of equal lines, and whether the texts were too long to see all."""

    passages: list[Passage]
    equal_lines: int
    cut: bool


def differences(left: str, right: str) -> Differences:
    """How `left` and `right` differ; lines without text and spaces at the ends of lines do not count."""
    sides = [[line.strip() for line in text.splitlines() if line.strip()] for text in (left, right)]
    cut = any(len(lines) > MOST_LINES for lines in sides)
    one, other = (lines[:MOST_LINES] for lines in sides)
    passages: list[Passage] = []
    equal = 0
    for tag, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag == "equal":
            equal += b - a
            continue
        words = [_WORD.findall("\n".join(lines)) for lines in (one[a:b], other[c:d])]
        cut = cut or any(len(side) > MOST_WORDS for side in words)
        passages.extend(_unlike_words(words[0][:MOST_WORDS], words[1][:MOST_WORDS]))
    return Differences(passages, equal, cut)


def side_by_side(left: str, right: str, width: int) -> Iterator[str]:
    """The two texts in columns, `width` characters of the terminal in all, wrapped."""
    column = (width - 3) // 2
    one, other = _wrapped(left, column), _wrapped(right, column)
    for i in range(max(len(one), len(other))):
        text = one[i] if i < len(one) else ""
        padding = " " * (column - _columns(text))
        yield f"{text}{padding} | {other[i] if i < len(other) else ''}".rstrip()


def _unlike_words(one: list[str], other: list[str]) -> Iterator[Passage]:
    bare = [[word.strip() for word in words] for words in (one, other)]
    common = 0
    for tag, a, b, c, d in SequenceMatcher(None, bare[0], bare[1], autojunk=False).get_opcodes():
        if tag == "equal":
            common = b - a
            continue
        before = " ".join("".join(one[a - min(common, CONTEXT_WORDS) : a]).split())
        yield Passage(before, "".join(one[a:b]).strip(), "".join(other[c:d]).strip())
        common = 0


def _wrapped(text: str, width: int) -> list[str]:
    lines = []
    for line in text.splitlines():
        taken = ""
        for word in _WORD.findall(printable(line)):
            for piece in _pieces(word, width):
                if taken and _columns(taken) + _columns(piece.rstrip()) > width:
                    lines.append(taken.rstrip())
                    taken = ""
                taken += piece
        lines.append(taken.rstrip())
    return lines


def _pieces(word: str, width: int) -> list[str]:
    """A word that is longer than a line (an address), in lines."""
    if _columns(word.rstrip()) <= width:
        return [word]
    step = max(width // 2, 1)
    return [word[i : i + step] for i in range(0, len(word), step)]


def printable(text: str) -> str:
    """`text` without control characters, which could steer the terminal; lines and tabs become spaces."""
    kept = ("" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\t\n" else c for c in text)
    return "".join(kept).replace("\t", " ").replace("\n", " ")


def _columns(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in ("W", "F")) for c in text
    )
