"""What the text of each block is made of, counted by character class: no language is known here.

Length is counted in units: a letter, mark or digit is 1, a character of a script without spaces 3, so that
a line of Chinese and its English translation come out about as long.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.html import page_arrays as room
from pipelines.html.blocks import Blocks
from pipelines.html.borrow import borrowing
from pipelines.html.html_scan import FNV_START, FNV_STEP, Bytes
from pipelines.html.page_arrays import Hashes, Rows
from text.jit import kernel
from text.unicode_classes import CLASS_SHIFT, LETTER, MARK, SEPARATOR, SOLO, word_table
from text.words import Table, decode

# Columns of the figures: units; words; words with a capital first; digits; sentence ends; commas; other signs;
# signs that part the entries of a menu; words that the title has too; the kinds of the first and the last sign.
UNITS, WORDS, CAPITALS, DIGITS, STOPS, COMMAS, SIGNS, BARS, IN_TITLE, FIRST, LAST = range(11)
COLUMNS = 11
# Kinds of characters, as FIRST and LAST tell them.
NOTHING, WORD, CAPITAL, NUMBER, STOP, COMMA, COLON, BAR, QUOTE, OTHER = range(10)

_SIGNS = {
    STOP: ".!?\u2026\u3002\uff01\uff1f\uff0e\uff61\u061f\u0964\u0965",
    COMMA: ",;\uff0c\u3001\uff1b\u060c\u061b",
    COLON: ":\uff1a",
    BAR: "|/\\<>\u00b7\u2022\u00bb\u00ab\u203a\u2039\u2192\u2190\u25b6\u25cf\u2013\u00a9\u00ae\u2122\uff5c",
    QUOTE: "\"'\u2018\u2019\u201c\u201d\u300c\u300d\u300a\u300b()[]\uff08\uff09\u3010\u3011",
}
_KIND = np.full(0x10000, OTHER, np.uint8)
for _kind, _characters in _SIGNS.items():
    _KIND[[ord(character) for character in _characters]] = _kind
_KIND[[0x09, 0x0A, 0x0D, 0x20, 0xA0, 0x3000, 0x200B]] = NOTHING
_CODE_MASK, _SHIFT = np.uint32((1 << CLASS_SHIFT) - 1), np.uint32(CLASS_SHIFT)
_TITLE_SLOTS, _TITLE_WORDS = 512, 128
_TITLE_MASK, _FREE = np.uint64(_TITLE_SLOTS - 1), np.uint64(0)
_FULL_STOP = 0x2E
_GRAM = 4

Places = npt.NDArray[Any]


class Stats(NamedTuple):
    """`figures` int32[n, COLUMNS]; `hashes` uint64[n] of all words of a block.

    `grams` are hashes of every four words in a row (of all, where a block has fewer), those of block i from
    `offsets[i]` to `offsets[i + 1]`; those from `offsets[n]` to `offsets[n + 1]` are the declared text's.
    """

    figures: Rows
    hashes: Hashes
    grams: Hashes
    offsets: Places


def block_stats(page: Blocks) -> Stats:
    """Figures and hashes of each block's text."""
    n = len(page.blocks)
    figures, hashes = np.zeros((n + 1, COLUMNS), np.int32), np.empty(n + 1, np.uint64)
    title, offsets = np.zeros(_TITLE_SLOTS, np.uint64), np.zeros(n + 2, np.int64)
    grams = np.empty(len(page.text) + len(page.declared) + 1, np.uint64)
    _stats(
        page.text,
        page.title,
        page.declared,
        page.blocks,
        word_table(),
        title,
        figures,
        hashes,
        grams,
        offsets,
    )
    return Stats(figures[:n], hashes[:n], grams[: offsets[-1]], offsets)


@borrowing
@kernel
def _stats(
    text: Bytes,
    title_end: int,
    declared: Bytes,
    blocks: Rows,
    table: Table,
    title: Hashes,
    figures: Rows,
    hashes: Hashes,
    grams: Hashes,
    offsets: Places,
) -> None:
    n = blocks.shape[0]
    _count_words(text, 0, title_end, table, title, True, figures[n], grams, 0)
    for row in range(n):
        start: Any = np.int64(blocks[row, room.START])
        end: Any = np.int64(blocks[row, room.END])
        _count_characters(text, start, end, table, figures[row])
        hashes[row], offsets[row + 1] = _count_words(
            text, start, end, table, title, False, figures[row], grams, offsets[row]
        )
    _, offsets[n + 1] = _count_words(
        declared, 0, declared.size, table, title, False, figures[n], grams, offsets[n]
    )


@borrowing
@kernel
def _count_characters(text: Bytes, start: int, end: int, table: Table, out: Rows) -> None:
    """Fill in what is counted by characters; `out` is a row of zeros."""
    at, first = start, NOTHING
    last: Any = NOTHING
    while at < end:
        code: Any
        size: Any
        code, size = decode(text, at, end)
        at += size
        entry = table[code] if code >= 0 else np.uint32(0)
        kind = entry >> _SHIFT
        sign: Any = np.int64(_KIND[code]) if 0 <= code < 0x10000 else OTHER
        if kind != SEPARATOR:
            digit = 0x30 <= code <= 0x39
            out[DIGITS] += digit
            out[UNITS] += 3 if kind == SOLO else 1
            sign = NUMBER if digit else (CAPITAL if entry & _CODE_MASK != code else WORD)
        elif sign != NOTHING:
            if sign == STOP and code == _FULL_STOP and at < end and text[at] > 0x2F:
                sign = OTHER  # inside a number, an address or an abbreviation
            out[STOPS] += sign == STOP
            out[COMMAS] += sign == COMMA
            out[BARS] += sign == BAR
            out[SIGNS] += 1
        if sign != NOTHING:
            last = sign
            first = last if first == NOTHING else first
    out[FIRST], out[LAST] = first, last


@borrowing
@kernel
def _count_words(
    text: Bytes,
    start: int,
    end: int,
    table: Table,
    title: Hashes,
    learn: bool,
    out: Rows,
    grams: Hashes,
    gram: Any,
) -> tuple[np.uint64, int]:
    """Fill in what is counted by words, and the grams from `gram` on; the hash of all, the position behind.

    `learn` puts the words into `title` instead of looking them up there.
    """
    words, at, whole, word = 0, start, FNV_START, FNV_START
    word_1 = word_2 = word_3 = np.uint64(0)
    before: Any = SEPARATOR
    while at <= end:
        code: Any
        size: Any
        code, size = decode(text, at, end) if at < end else (np.int64(-1), np.int64(1))
        at += size
        entry = table[code] if code >= 0 else np.uint32(0)
        kind: Any = np.int64(entry >> _SHIFT)
        lower: Any = np.int64(entry & _CODE_MASK)
        fresh = kind == SOLO or before == SEPARATOR or (kind == LETTER and before == SOLO)
        if before != SEPARATOR and (fresh or kind == SEPARATOR):
            out[IN_TITLE] += _known(title, word, learn, words)
            whole = (whole ^ word) * FNV_STEP
            if words >= _GRAM:
                grams[gram] = ((word_3 * FNV_STEP ^ word_2) * FNV_STEP ^ word_1) * FNV_STEP ^ word
                gram += 1
            word_3, word_2, word_1, word = word_2, word_1, word, FNV_START
        if kind == SEPARATOR:
            before = SEPARATOR
            continue
        word = (word ^ np.uint64(lower)) * FNV_STEP
        words += fresh
        out[CAPITALS] += fresh and lower != code
        before = kind if kind != MARK or before == SEPARATOR else before
    if 0 < words < _GRAM and not learn:
        grams[gram] = whole
        gram += 1
    out[WORDS] = words
    return whole, gram


@borrowing
@kernel
def _known(title: Hashes, word: np.uint64, learn: bool, words: int) -> int:
    """Whether a word is in the title; `learn` puts it there."""
    slot: Any = np.int64((word >> np.uint64(32)) & _TITLE_MASK)
    while title[slot] != _FREE:
        if title[slot] == word:
            return 1
        slot = (slot + 1) & (_TITLE_SLOTS - 1)
    if learn and words <= _TITLE_WORDS:
        title[slot] = word
    return 0
