"""What stands between the words: white space and symbols, one event each, and what they do to the words.

A symbol inside of a number, an address or an abbreviation holds its neighbours together (3.14, 10:30, a_b,
example.com, covid-19, https://...), after the infix rules of spaCy's English tokenizer. The kernels call none
that takes an array on their hot path: numba counts references at such calls, which costs more than the work.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from quality.measures.characters import CAPITAL, LETTER, SPACE, UNSPACED, character_table
from text.bits import count_ones, load_u64
from text.buffers import TextBuffer
from text.hashing import load_block
from text.jit import kernel
from text.words import Words, decode

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int32]

ADJACENT, SPACED, APART, JOINED, APOSTROPHE = range(5)
HASH_SIGNS, ELLIPSES, BRACES, LINE_FEEDS, COUNTED = range(5)
BLANK, LINE_FEED = 32, 10
MAX_RUN = 1024
"""Of one symbol over and over, so many are taken: more changes no decision, and memory goes with their number."""

_HIGH = np.uint64(0x8080808080808080)
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_DOT, _SLASH, _ELLIPSIS, _SINGLE_QUOTE = 0x2E, 0x2F, 0x2026, 0x2019


class Gaps(NamedTuple):
    """Events of a batch in order: `codes` are code points (a run of white space without line feed is one
    BLANK, a malformed byte is -1), `places` bytes in the buffer. Those before word w end at `ends[w]`, those of
    document i at `document_ends[i]`, the last of which is an added LINE_FEED.

    `before` says how word w follows the one before: ADJACENT, SPACED (one space, no event), APART (events),
    or JOINED and APOSTROPHE (the events there are part of the words).
    """

    codes: Codes
    places: Integers
    ends: Integers
    before: Flags
    document_ends: Integers


class WordKinds(NamedTuple):
    """Code points of each word, and LETTER where one is a letter; of the first, CAPITAL (ASCII) and UNSPACED."""

    sizes: Lengths
    kinds: Flags


def find_gaps(buffer: TextBuffer, words: Words) -> Gaps:
    """Events between the words of the texts that `words` were segmented from."""
    data, offsets = buffer
    # Room for the worst case, an event a byte; memory that is not touched costs nothing.
    room = len(data) + len(offsets)
    codes, places = np.empty(room, np.int32), np.empty(room, np.int64)
    ends, before = np.empty(len(words.hashes), np.int64), np.empty(len(words.hashes), np.uint8)
    document_ends = np.empty(len(offsets) - 1, np.int64)
    table = character_table()
    gaps_kernel(
        data,
        offsets,
        words.starts,
        words.ends,
        words.offsets,
        table,
        codes,
        places,
        ends,
        before,
        document_ends,
    )
    n = int(document_ends[-1]) if len(document_ends) else 0
    join_kernel(data, offsets, words.starts, words.ends, words.offsets, codes, ends, before)
    return Gaps(codes[:n], places[:n], ends, before, document_ends)


def describe(buffer: TextBuffer, words: Words) -> WordKinds:
    """Sizes and kinds of the words."""
    sizes, kinds = np.empty(len(words.hashes), np.int32), np.empty(len(words.hashes), np.uint8)
    describe_words(*buffer, words.starts, words.ends, words.offsets, character_table(), sizes, kinds)
    return WordKinds(sizes, kinds)


def count_symbols(gaps: Gaps) -> Integers:
    """A row a document: HASH_SIGNS, ELLIPSES (three dots or U+2026), BRACES ("{") and LINE_FEEDS."""
    counts = np.zeros((len(gaps.document_ends), COUNTED), np.int64)
    count_kernel(gaps.codes, gaps.places, gaps.document_ends, counts)
    return counts


@kernel
def code_points(data: Bytes, start: int, end: int) -> int:
    """Number of code points of well-formed UTF-8."""
    continuing, position = 0, start
    while position + 8 <= end:
        block = load_u64(data, position)
        continuing += count_ones(block & ~(block << _ONE) & _HIGH)
        position += 8
    if position < end:
        block = load_block(data, position, end - position)
        continuing += count_ones(block & ~(block << _ONE) & _HIGH)
    return end - start - continuing


@kernel
def describe_words(
    data: Bytes,
    offsets: Integers,
    starts: Integers,
    ends: Integers,
    word_offsets: Integers,
    table: Flags,
    sizes: Lengths,
    kinds: Flags,
) -> None:
    """Code points of each word; LETTER where one is a letter; of the first, CAPITAL (ASCII) and UNSPACED."""
    safe = len(data) - 8
    for document in range(len(offsets) - 1):
        origin = offsets[document]
        for word in range(word_offsets[document], word_offsets[document + 1]):
            start, end = origin + starts[word], origin + ends[word]
            size = end - start
            if start <= safe and size <= 8:
                block = load_u64(data, start) & (_ALL >> np.uint64(64 - 8 * size))
                sizes[word] = size - count_ones(block & ~(block << _ONE) & _HIGH)
            else:
                sizes[word] = code_points(data, start, end)
            lead = data[start]
            if lead < 0x80 and lead > 57:
                kinds[word] = LETTER | (CAPITAL if lead <= 90 else 0)
                continue
            kind = np.uint8(0)
            position = start
            while position < end and not kind & LETTER:
                code, width = decode(data, position, end)
                kind |= table[code] & (LETTER | UNSPACED if position == start else LETTER)
                position += width
            kinds[word] = kind


@kernel
def gaps_kernel(
    data: Bytes,
    offsets: Integers,
    starts: Integers,
    ends: Integers,
    word_offsets: Integers,
    table: Flags,
    codes: Codes,
    places: Integers,
    event_ends: Integers,
    before: Flags,
    document_ends: Integers,
) -> None:
    """Fill the arrays of `Gaps`, but for the joins."""
    events = 0
    for document in range(len(offsets) - 1):
        position = origin = offsets[document]
        stop = word_offsets[document + 1]
        for word in range(word_offsets[document], stop + 1):
            start = origin + starts[word] if word < stop else offsets[document + 1]
            how = APART if start > position else ADJACENT
            after_blank, before_code, again = False, np.int64(-2), 0
            if start - position == 1 and data[position] == BLANK:
                how, position = SPACED, start
            while position < start:
                code, size = np.int64(data[position]), np.int64(1)
                if code >= 0x80:
                    code, size = decode(data, position, start)
                kind = table[code] if code >= 0 else np.uint8(0)
                blank = bool(kind & SPACE and code != LINE_FEED)
                again = again + 1 if code == before_code and code != LINE_FEED else 0
                if not (blank and after_blank) and again < MAX_RUN:
                    codes[events] = BLANK if blank else code
                    places[events] = position
                    events += 1
                after_blank, before_code = blank, code
                position += size
            if word < stop:
                event_ends[word], before[word] = events, how
                position = origin + ends[word]
        codes[events], places[events] = LINE_FEED, position
        events += 1
        document_ends[document] = events


@kernel
def _is_digit(byte: np.uint8) -> bool:
    return bool(48 <= byte <= 57)


@kernel
def joins(symbol: int, before: np.uint8, after: np.uint8) -> int:
    """What one symbol between two words does, after the infix rules of spaCy's English tokenizer."""
    numbers = _is_digit(before), _is_digit(after)
    if symbol == 0x27 or symbol == 0x2019:
        return APOSTROPHE
    if symbol == 0x2E:
        return APART if 97 <= before <= 122 and 65 <= after <= 90 else JOINED
    if symbol == 0x2C:
        return JOINED if numbers[0] or numbers[1] else APART
    if symbol == 0x3A or symbol == 0x2F or symbol == 0x3C or symbol == 0x3D or symbol == 0x3E:
        return JOINED if numbers[1] else APART
    if symbol == 0x2D or symbol == 0x7E:
        return JOINED if numbers[0] != numbers[1] else APART
    if symbol == 0x2B or symbol == 0x2A or symbol == 0x5E:
        return APART if numbers[0] and numbers[1] else JOINED
    if symbol == 0x22 or symbol == 0x28 or symbol == 0x29 or symbol == 0x5B or symbol == 0x5D:
        return APART
    return JOINED if symbol < 0x80 or symbol == 0xB7 else APART


@kernel
def join_kernel(
    data: Bytes,
    offsets: Integers,
    starts: Integers,
    ends: Integers,
    word_offsets: Integers,
    codes: Codes,
    event_ends: Integers,
    before: Flags,
) -> None:
    """Set `before` to JOINED or APOSTROPHE where the events between two words hold them together."""
    event = 0
    for document in range(len(offsets) - 1):
        origin, address, after_dot = offsets[document], False, False
        for word in range(word_offsets[document], word_offsets[document + 1]):
            how, first = before[word], event
            if how != APART or word == word_offsets[document]:
                address = address and how == ADJACENT
                after_dot = False
                event = event_ends[word]
                continue
            event = event_ends[word]
            n, symbol = event - first, codes[first]
            spaced = False
            for i in range(first, event):
                spaced |= codes[i] == BLANK or codes[i] == LINE_FEED or (address and codes[i] >= 0x80)
            if spaced:
                address = False
            elif address:
                how = JOINED
            elif n == 1 and symbol == _SLASH and after_dot:  # the path of a bare address
                how, address = JOINED, True
            elif n == 1:
                how = joins(symbol, data[origin + ends[word - 1] - 1], data[origin + starts[word]])
            elif n == 3 and symbol == 0x3A and codes[first + 1] == _SLASH and codes[first + 2] == _SLASH:
                how, address = JOINED, True
            after_dot = how == JOINED and n == 1 and symbol == _DOT
            before[word] = how


@kernel
def count_kernel(codes: Codes, places: Integers, document_ends: Integers, counts: Integers) -> None:
    """Fill the rows of `count_symbols`."""
    event = 0
    for document in range(len(document_ends)):
        dots = 0
        for place in range(event, document_ends[document] - 1):
            code = codes[place]
            follows = dots > 0 and places[place] == places[place - 1] + 1
            dots = (dots + 1 if follows else 1) if code == _DOT else 0
            if (code == _DOT and dots % 3 == 0) or code == _ELLIPSIS:
                counts[document, ELLIPSES] += 1
            elif code == 0x23:
                counts[document, HASH_SIGNS] += 1
            elif code == 0x7B:
                counts[document, BRACES] += 1
            elif code == LINE_FEED:
                counts[document, LINE_FEEDS] += 1
        event = document_ends[document]
