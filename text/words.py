"""The one word segmenter: word hashes and positions straight from UTF-8 bytes.

**A word** is a maximal run of letters, marks and numbers (general categories L*, M*, N*); anything else
separates, the apostrophe, the underscore and the zero-width joiners too. A letter of a script written without
spaces (Han, kana, Hangul syllables, Thai, Lao, Khmer, Myanmar, Tibetan and others, listed in
`text.unicode_classes`) is a word of its own together with the marks that follow it; the digits of those
scripts form runs as all others do. Nothing is normalised. Bytes that are not well-formed UTF-8 (stray or
missing continuation bytes, overlong forms, surrogates, past U+10FFFF) are separators.

**Folding**: each code point goes to its simple lower case (`text.unicode_classes`).

**The hash** of a word: encode the folded word as UTF-8, cut it into blocks of 8 bytes, pad the last with zero
bytes, read each as a little-endian integer; then, modulo 2^64 and with fmix64 of `text.hashing`,

    h = 0x9E3779B97F4A7C15;    for each block: h = fmix64(h ^ block)

No word holds a zero byte, so the padding is unambiguous; words of up to 8 bytes never collide.

**How it is fast**: up to 64 bytes at a time become two masks of one bit a byte: this byte is in a word; here
a new word begins although the byte before is in one too. Eight ASCII bytes are classified at once in a
register. Starts and ends are then the set bits of a few logical operations. Calling a kernel with arrays
costs more than hashing a word, so nothing that runs once a word is such a call.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from text.bits import count_ones, load_u64, trailing_zeros
from text.buffers import Texts, text_buffer
from text.hashing import fmix64_scalar, load_block
from text.jit import kernel
from text.unicode_classes import CLASS_SHIFT, LETTER, MARK, SEPARATOR, SOLO, word_table
from text.utf8 import decode_valid, encode

Bytes = npt.NDArray[np.uint8]
Place = int | np.int64
Table = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

WORD_SEED = np.uint64(0x9E3779B97F4A7C15)

_ZERO, _ONE, _EIGHT, _WIDTH = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(64)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_HIGH_BITS = np.uint64(0x8080808080808080)
_LOWER_BITS = np.uint64(0x2020202020202020)
# Added to ASCII bytes, they set the high bit of each that reaches "a", passes "z", reaches "0", passes "9".
_FROM_A, _PAST_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)
_FROM_0, _PAST_9 = np.uint64(0x5050505050505050), np.uint64(0x4646464646464646)
_GATHER = np.uint64(0x0102040810204080)  # moves the lowest bits of eight bytes into the top byte
_CODE_MASK = np.uint32((1 << CLASS_SHIFT) - 1)
_CLASS_SHIFT = np.uint32(CLASS_SHIFT)


class Words(NamedTuple):
    """Words of a batch of documents; those of document i are `offsets[i]` to `offsets[i + 1]`.

    `starts` and `ends` are byte offsets within the document's own text, the end exclusive.
    """

    hashes: Hashes
    starts: Positions
    ends: Positions
    offsets: Positions


def segment(texts: Texts) -> Words:
    """Split each text into words, as this module defines them. `text.buffers.as_texts` says what it takes."""
    data, offsets = text_buffer(texts)
    return segment_buffer(data, offsets)


def segment_buffer(data: Bytes, offsets: Positions) -> Words:
    """`segment` on raw arrays: document i is `data[offsets[i]:offsets[i + 1]]`, uint8 and int64.

    Raises ValueError unless the offsets ascend within the data: the kernels check no bounds.
    """
    inside = len(offsets) > 0 and offsets[0] >= 0 and offsets[-1] <= len(data)
    if not inside or np.any(offsets[1:] < offsets[:-1]):
        raise ValueError(
            f"offsets do not ascend from 0 or more to {len(data)}, the size of the data, at most"
        )
    table = word_table()
    word_offsets = np.zeros(len(offsets), np.int64)
    np.cumsum(count_kernel(data, offsets, table), out=word_offsets[1:])
    # Allocated here since NumPy asks for huge pages and numba does not: page faults would halve the speed.
    hashes = np.empty(word_offsets[-1], np.uint64)
    starts = np.empty(word_offsets[-1], np.int64)
    ends = np.empty(word_offsets[-1], np.int64)
    segment_kernel(data, offsets, table, word_offsets, hashes, starts, ends)
    return Words(hashes, starts, ends, word_offsets)


def word_hashes(texts: Texts) -> pa.ListArray:
    """Hashes of each text's words in order, list<uint64>. Nulls are a ValueError."""
    words = segment(texts)
    if len(words.hashes) > np.iinfo(np.int32).max:
        raise ValueError(
            f"{len(words.hashes)} words, expected at most 2^31 - 1 a list array: pass fewer texts"
        )
    return pa.ListArray.from_arrays(pa.array(words.offsets.astype(np.int32)), pa.array(words.hashes))


def count_words(texts: Texts) -> Positions:
    """Number of words of each text, int64[n]. Nulls are a ValueError."""
    data, offsets = text_buffer(texts)
    return count_kernel(data, offsets, word_table())


@kernel
def decode(data: Bytes, position: Place, end: Place) -> tuple[np.int64, np.int64]:
    """Code point at `position` < `end` and its size in bytes; (-1, 1) where malformed or cut by `end`."""
    malformed = np.int64(-1), np.int64(1)
    lead = np.int64(data[position])
    if lead < 0x80:
        return lead, np.int64(1)
    if lead < 0xC2 or lead > 0xF4:
        return malformed
    size = np.int64(2) + np.int64(lead >= 0xE0) + np.int64(lead >= 0xF0)
    if position + size > end:
        return malformed
    code = lead & (np.int64(0x7F) >> size)
    for i in range(1, size):
        byte = np.int64(data[position + i])
        if byte & 0xC0 != 0x80:
            return malformed
        code = code << 6 | (byte & 0x3F)
    overlong = (size == 3 and code < 0x800) or (size == 4 and code < 0x10000)
    if overlong or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return malformed
    return code, size


@kernel
def ascii_mask(block: np.uint64) -> np.uint64:
    """Eight ASCII bytes to eight bits: bit i is set where byte i is a letter or a digit."""
    lower = block | _LOWER_BITS
    letters = (lower + _FROM_A) & ~(lower + _PAST_Z)
    digits = (block + _FROM_0) & ~(block + _PAST_9)
    return (((letters | digits) & _HIGH_BITS) >> np.uint64(7)) * _GATHER >> np.uint64(56)


@kernel
def classify(
    data: Bytes, begin: Place, end: Place, table: Table, solo: bool
) -> tuple[np.uint64, np.uint64, np.int64, bool]:
    """Masks of up to 64 bytes from `begin` < `end`: (in a word, a new word begins, bytes used, solo).

    `solo` says, going in for the byte before and coming out for the last one, whether it belongs to a word of
    a script without spaces; bits from `bytes used` on are zero.
    """
    word, fresh, used = _ZERO, _ZERO, np.int64(0)
    while used <= 60 and begin + used < end:
        position = begin + used
        if used <= 56 and position + 8 <= end:
            block = load_u64(data, position)
            if block & _HIGH_BITS == _ZERO:
                bits = ascii_mask(block)
                if solo:
                    fresh |= (bits & _ONE) << np.uint64(used)
                    solo = False
                word |= bits << np.uint64(used)
                used += 8
                continue
        code, size = decode(data, position, end)
        kind = SEPARATOR if code < 0 else np.int64(table[code] >> _CLASS_SHIFT)
        if kind != SEPARATOR:
            word |= (_ALL >> np.uint64(64 - size)) << np.uint64(used)
            if kind == SOLO or (kind == LETTER and solo):
                fresh |= _ONE << np.uint64(used)
        if kind != MARK:
            solo = kind == SOLO
        used += size
    return word, fresh, used, solo


@kernel
def hash_words(
    data: Bytes,
    origin: np.int64,
    starts: Positions,
    ends: Positions,
    first: int,
    stop: int,
    table: Table,
    hashes: Hashes,
) -> None:
    """Fill `hashes[first:stop]`; word i is `data[origin + starts[i]:origin + ends[i]]`, well-formed UTF-8."""
    safe = len(data) - 8
    for i in range(first, stop):
        position, end = origin + starts[i], origin + ends[i]
        h, seen = WORD_SEED, _ZERO
        while position + 8 <= end:
            block = load_u64(data, position)
            seen |= block
            h = fmix64_scalar(h ^ (block | _LOWER_BITS))
            position += 8
        if position < end:
            keep = _ALL >> np.uint64(64 - 8 * (end - position))
            near = position > safe
            block = load_block(data, position, end - position) if near else load_u64(data, position) & keep
            seen |= block
            h = fmix64_scalar(h ^ (block | (_LOWER_BITS & keep)))
        if seen & _HIGH_BITS != _ZERO:  # not all ASCII: again from the start, by code points
            h, block, filled, position = WORD_SEED, _ZERO, _ZERO, origin + starts[i]
            while position < end:
                raw = (
                    load_u64(data, position)
                    if position <= safe
                    else load_block(data, position, end - position)
                )
                code, bits = decode_valid(raw)
                position = position + np.int64(bits >> np.uint64(3))
                folded = np.uint64(table[code] & _CODE_MASK)
                encoded = raw & (_ALL >> (_WIDTH - bits))
                if folded != code:
                    encoded, bits = encode(folded)
                block |= encoded << filled
                filled += bits
                if filled >= _WIDTH:
                    h = fmix64_scalar(h ^ block)
                    filled -= _WIDTH
                    block = _ZERO if filled == _ZERO else encoded >> (bits - filled)
            h = fmix64_scalar(h ^ block) if filled > _ZERO else h
        hashes[i] = h


@kernel
def count_kernel(data: Bytes, offsets: Positions, table: Table) -> Positions:
    """Number of words of each document of a `TextBuffer`, int64[n]; `table` is `word_table()`."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    for document in range(len(counts)):
        position, end = offsets[document], offsets[document + 1]
        carry, solo = _ZERO, False
        while position < end:
            word, fresh, used, solo = classify(data, position, end, table, solo)
            counts[document] += count_ones(word & (~((word << _ONE) | carry) | fresh))
            carry = (word >> np.uint64(used - 1)) & _ONE
            position += used
    return counts


@kernel
def segment_kernel(
    data: Bytes,
    offsets: Positions,
    table: Table,
    word_offsets: Positions,
    hashes: Hashes,
    starts: Positions,
    ends: Positions,
) -> None:
    """Fill the arrays of `Words` in place; `word_offsets` are running sums of what `count_kernel` counts."""
    for document in range(len(offsets) - 1):
        origin, end = offsets[document], offsets[document + 1]
        started = ended = word_offsets[document]
        position = origin
        carry, solo = _ZERO, False
        while position < end:
            word, fresh, used, solo = classify(data, position, end, table, solo)
            before = (word << _ONE) | carry
            opening = word & (~before | fresh)
            closing = before & (~word | fresh) & (_ALL >> np.uint64(64 - used))
            carry = (word >> np.uint64(used - 1)) & _ONE
            relative = position - origin
            position += used
            while opening != _ZERO:
                starts[started] = relative + trailing_zeros(opening)
                opening &= opening - _ONE
                started += 1
            while closing != _ZERO:
                ends[ended] = relative + trailing_zeros(closing)
                closing &= closing - _ONE
                ended += 1
        if carry != _ZERO:
            ends[ended] = end - origin
            ended += 1
        hash_words(data, origin, starts, ends, word_offsets[document], ended, table, hashes)
