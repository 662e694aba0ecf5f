"""Lines, paragraphs and sentences of documents as byte spans, each with a hash of its normalised text.

**Units**, all found in one pass over UTF-8 bytes; a span begins and ends at a byte that is no ASCII white
space or control character, and a stretch of white space alone is no unit:

    line       what stands between two line ends (\\n or \\r)
    paragraph  what stands between two blank lines
    sentence   ends behind . ! ? with white space or nothing after it, behind 。 ！ ？ ｡ । whatever follows,
               and at every line end; quotes and brackets that close right after the mark belong to it.
               Abbreviations are not known: "Mr. Smith" is cut in two, everywhere alike.

**Normalised text** (white space is what `str.isspace` accepts; a run of it becomes one space, none at the
ends):

    spaces  nothing else is changed
    case    simple lower case (text.unicode_classes)
    ccnet   lower case, every decimal digit to 0, and only letters, marks, numbers and white space are left

Hash: the normalised text as UTF-8 in blocks of 8 bytes, h = fmix64(h ^ block), at last the number of
bytes; 64 bits. Among n different units some two collide with a chance of n**2 / 2**65: 3e-8 for a
million, 3 % for a billion, and the harm is one unit taken for the other. Malformed UTF-8 counts as U+FFFD
byte by byte.
"""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from text.buffers import text_buffer
from text.hashing import GOLDEN, fmix64_scalar
from text.jit import kernel
from text.unicode_classes import CLASS_SHIFT, SEPARATOR, word_table
from text.utf8 import encode
from text.words import decode

UnitKind = Literal["line", "paragraph", "sentence"]
Normalisation = Literal["spaces", "case", "ccnet"]

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Table = npt.NDArray[np.uint32]

_KINDS: dict[UnitKind, int] = {"line": 0, "paragraph": 1, "sentence": 2}
_PARAGRAPH, _SENTENCE = 1, 2
_SPACE, _ZERO_DIGIT, _REPLACEMENT = 0x20, 0x30, np.int64(0xFFFD)
_UNIT_SEED = np.uint64(0x2545F4914F6CDD1D)
_ZERO, _3, _8, _64 = map(np.uint64, (0, 3, 8, 64))


class Units(NamedTuple):
    """Units of a batch of documents; those of document i are `offsets[i]` to `offsets[i + 1]`, in order.

    `starts` and `ends` are byte offsets within the document's own text; `sizes` are UTF-8 bytes of
    the normalised text, 0 where nothing is left of it.
    """

    hashes: Hashes
    starts: Positions
    ends: Positions
    sizes: Positions
    offsets: Positions


def units(texts: pa.Array | pa.ChunkedArray, kind: UnitKind, normalisation: Normalisation) -> Units:
    """Cut each text into units of one kind, as this module defines them. Nulls are a ValueError."""
    data, text_offsets = text_buffer(texts)
    offsets = np.zeros(len(text_offsets), np.int64)
    nothing = np.empty(0, np.int64)
    _find(data, text_offsets, _KINDS[kind], False, nothing, nothing, offsets)
    np.cumsum(offsets, out=offsets)
    starts = np.empty(offsets[-1], np.int64)
    ends = np.empty(offsets[-1], np.int64)
    _find(data, text_offsets, _KINDS[kind], True, starts, ends, offsets)
    hashes = np.empty(len(starts), np.uint64)
    sizes = np.empty(len(starts), np.int64)
    _hash(data, text_offsets, offsets, starts, ends, _table(normalisation), hashes, sizes)
    return Units(hashes, starts, ends, sizes, offsets)


@cache
def _table(normalisation: Normalisation) -> Table:
    """What each code point becomes, uint32[0x110000]: 0 is dropped, a space stands for white space."""
    words = word_table()
    table = np.arange(len(words), dtype=np.uint32)
    if normalisation != "spaces":
        table = words & np.uint32((1 << CLASS_SHIFT) - 1)
    characters = [chr(code) for code in range(len(words))]
    if normalisation == "ccnet":
        table[words >> np.uint32(CLASS_SHIFT) == SEPARATOR] = 0
        table[[character.isdecimal() for character in characters]] = _ZERO_DIGIT
    table[[character.isspace() for character in characters]] = _SPACE
    table.setflags(write=False)
    return table


@kernel
def _find(
    data: Bytes,
    text_offsets: Positions,
    kind: int,
    fill: bool,
    starts: Positions,
    ends: Positions,
    offsets: Positions,
) -> None:
    """Count the units of document i into `offsets[i + 1]`, or fill their spans in where they are counted."""
    for document in range(len(text_offsets) - 1):
        origin, stop = text_offsets[document], text_offsets[document + 1]
        found = offsets[document] if fill else 0
        position, start, last, line_ends = origin, np.int64(-1), origin, 0
        while position < stop:
            byte = data[position]
            closed = False
            if byte <= 0x20:
                line_end = byte == 0x0A or byte == 0x0D
                line_ends += byte == 0x0A
                closed = line_ends > 1 if kind == _PARAGRAPH else line_end
                position += 1
            else:
                line_ends = 0
                if start < 0:
                    start = position
                mark = _mark(data, position, stop) if kind == _SENTENCE else 0
                position += max(abs(mark), 1)
                if mark != 0:
                    position, told = _closers(data, position, stop, mark > 1)
                    closed = told or position >= stop or data[position] <= 0x20
                last = position
            if start >= 0 and (closed or position >= stop):
                if fill:
                    starts[found] = start - origin
                    ends[found] = last - origin
                found += 1
                start, line_ends = np.int64(-1), 0
        if not fill:
            offsets[document + 1] = found


@kernel
def _mark(data: Bytes, position: int, stop: int) -> int:
    """Bytes of the sentence mark at `position`; 0 where there is none. More than 1: it needs no space."""
    byte = data[position]
    if byte < 0x80:
        return 1 if byte == 0x2E or byte == 0x21 or byte == 0x3F else 0
    if (byte != 0xE3 and byte != 0xEF and byte != 0xE0) or position + 3 > stop:
        return 0
    second, third = data[position + 1], data[position + 2]
    if byte == 0xE3:  # U+3002
        return 3 if second == 0x80 and third == 0x82 else 0
    if byte == 0xE0:  # U+0964
        return 3 if second == 0xA5 and third == 0xA4 else 0
    full_width = second == 0xBC and (third == 0x81 or third == 0x9F)  # U+FF01, U+FF1F
    return 3 if full_width or (second == 0xBD and third == 0xA1) else 0  # U+FF61


@kernel
def _closers(data: Bytes, position: int, stop: int, told: bool) -> tuple[int, bool]:
    """Where the quotes, brackets and further marks from `position` on end, and whether no space is needed."""
    while position < stop:
        byte = data[position]
        size = _mark(data, position, stop)
        told = told or size > 1
        if byte == 0x22 or byte == 0x27 or byte == 0x29 or byte == 0x5D or byte == 0x7D:
            size = 1
        elif byte == 0xC2 and position + 2 <= stop and data[position + 1] == 0xBB:  # U+00BB
            size = 2
        elif byte >= 0xE2 and position + 3 <= stop:
            second, third = data[position + 1], data[position + 2]
            quote = byte == 0xE2 and second == 0x80 and (third == 0x99 or third == 0x9D)  # U+2019, U+201D
            corner = byte == 0xE3 and second == 0x80 and (0x89 <= third <= 0x91) and third & 1 == 1
            bracket = byte == 0xEF and second == 0xBC and third == 0x89  # U+FF09
            size = 3 if quote or corner or bracket else size
        if size == 0:
            break
        position += size
    return position, told


@kernel
def _hash(
    data: Bytes,
    text_offsets: Positions,
    offsets: Positions,
    starts: Positions,
    ends: Positions,
    table: Table,
    hashes: Hashes,
    sizes: Positions,
) -> None:
    """Fill `hashes` and `sizes` from the normalised text of every unit."""
    for document in range(len(text_offsets) - 1):
        origin = text_offsets[document]
        for unit in range(offsets[document], offsets[document + 1]):
            position, end = origin + starts[unit], origin + ends[unit]
            h, block, filled, size, space = _UNIT_SEED, _ZERO, _ZERO, np.int64(0), False
            while position < end:
                byte = data[position]
                code, width = np.int64(byte), np.int64(1)
                if byte >= 0x80:
                    code, width = decode(data, position, end)
                    if code < 0:
                        code = _REPLACEMENT
                position += width
                folded = np.uint64(table[code])
                if folded == _SPACE:
                    space = bool(size > 0)
                    continue
                if folded == _ZERO:
                    continue
                encoded, bits = (folded, _8) if folded < np.uint64(0x80) else encode(folded)
                if space:
                    encoded, bits = encoded << _8 | np.uint64(_SPACE), bits + _8
                    space = False
                size += np.int64(bits >> _3)
                block |= encoded << filled
                filled += bits
                if filled >= _64:
                    h = fmix64_scalar(h ^ block)
                    filled -= _64
                    block = _ZERO if filled == _ZERO else encoded >> (bits - filled)
            h = fmix64_scalar(h ^ block) if filled > _ZERO else h
            hashes[unit] = fmix64_scalar(h ^ (np.uint64(size) * GOLDEN))
            sizes[unit] = size
