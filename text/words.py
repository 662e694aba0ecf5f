"""The one word segmenter: word hashes and positions straight from UTF-8 bytes, no Python object per word.

**A word** is a maximal run of letters, marks and numbers (general categories L*, M*, N*); anything else separates,
the apostrophe, the underscore and the zero-width joiners too. A character of a script written without spaces (Han,
kana, Hangul syllables, Thai, Lao, Khmer, Myanmar, Tibetan and the others of `text.unicode_classes`) is a word of its own together with the
marks that follow it; the digits of those scripts run together as everywhere. No normalisation is applied. Bytes that are
not well-formed UTF-8 (stray or missing continuation bytes, overlong forms, surrogates, past U+10FFFF) are separators.

**Folding**: each code point goes to its simple lower case (`text.unicode_classes`).

**The hash** of a word: encode the folded word as UTF-8, cut it into blocks of 8 bytes, pad the last with zero bytes, read
each as a little-endian integer; then, with fmix64 of `text.hashing`,

    h = 0x9E3779B97F4A7C15;    for each block: h = fmix64(h ^ block)

No word holds a zero byte, so the padding is unambiguous, and words of up to 8 bytes never collide with each other.

How it is fast: up to 64 bytes at a time become two bit masks, one bit a byte: inside a word, and a new word begins here
although the byte before is in a word too. Eight ASCII bytes are classified at once in one register.
Starts and ends are then the set bits of three logical operations.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from text.bits import count_ones, load_u64, trailing_zeros
from text.buffers import text_buffer
from text.hashing import fmix64_scalar, load_block
from text.jit import kernel
from text.unicode_classes import CLASS_SHIFT, LETTER, MARK, SEPARATOR, SOLO, word_table

Bytes = npt.NDArray[np.uint8]
Table = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

WORD_SEED = np.uint64(0x9E3779B97F4A7C15)

_ZERO, _ONE, _EIGHT, _WIDTH = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(64)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_HIGH_BITS = np.uint64(0x8080808080808080)
_LOWER_BITS = np.uint64(0x2020202020202020)
# Added to eight ASCII bytes, each sets the high bit of the bytes that reach "a", pass "z", reach "0", pass "9".
_FROM_A, _PAST_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)
_FROM_0, _PAST_9 = np.uint64(0x5050505050505050), np.uint64(0x4646464646464646)
_GATHER = np.uint64(0x0002040810204081)  # moves the eight high bits into the top byte
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


def segment(texts: pa.Array | pa.ChunkedArray) -> Words:
    """Split each text into words (this module's definition) with hashes and positions. Nulls are a ValueError."""
    data, offsets = text_buffer(texts)
    return segment_buffer(data, offsets)


def segment_buffer(data: Bytes, offsets: Positions) -> Words:
    """`segment` on raw arrays: document i is `data[offsets[i]:offsets[i + 1]]`, offsets ascending within data."""
    table = word_table()
    word_offsets = np.zeros(len(offsets), np.int64)
    np.cumsum(count_kernel(data, offsets, table), out=word_offsets[1:])
    # NumPy asks the kernel for huge pages where numba's allocator does not: page faults would halve the speed.
    hashes = np.empty(word_offsets[-1], np.uint64)
    starts = np.empty(word_offsets[-1], np.int64)
    ends = np.empty(word_offsets[-1], np.int64)
    segment_kernel(data, offsets, table, word_offsets, hashes, starts, ends)
    return Words(hashes, starts, ends, word_offsets)


def word_hashes(texts: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """Hashes of each text's words in order, list<uint64>. Nulls are a ValueError."""
    words = segment(texts)
    if len(words.hashes) > np.iinfo(np.int32).max:
        raise ValueError(
            f"{len(words.hashes)} words do not fit one list array (2^31 - 1): pass smaller batches"
        )
    return pa.ListArray.from_arrays(pa.array(words.offsets.astype(np.int32)), pa.array(words.hashes))


def count_words(texts: pa.Array | pa.ChunkedArray) -> Positions:
    """Number of words of each text, int64[n]. Nulls are a ValueError."""
    data, offsets = text_buffer(texts)
    return count_kernel(data, offsets, word_table())


@kernel
def decode(data: Bytes, position: int, end: int) -> tuple[int, int]:
    """Code point at `position` and its length in bytes; (-1, 1) where `data[position:end]` is not well-formed UTF-8."""
    lead = np.int64(data[position])
    if lead < 0x80:
        return lead, 1
    if lead < 0xC2 or lead > 0xF4:
        return -1, 1
    size = 2 + (lead >= 0xE0) + (lead >= 0xF0)
    if position + size > end:
        return -1, 1
    code = lead & (0x7F >> size)
    for i in range(1, size):
        byte = np.int64(data[position + i])
        if byte & 0xC0 != 0x80:
            return -1, 1
        code = code << 6 | (byte & 0x3F)
    overlong = (size == 3 and code < 0x800) or (size == 4 and code < 0x10000)
    if overlong or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return -1, 1
    return code, size


@kernel
def ascii_mask(block: np.uint64) -> np.uint64:
    """Eight ASCII bytes to eight bits: bit i is set where byte i is a letter or a digit."""
    lower = block | _LOWER_BITS
    letters = (lower + _FROM_A) & ~(lower + _PAST_Z)
    digits = (block + _FROM_0) & ~(block + _PAST_9)
    return (((letters | digits) & _HIGH_BITS) >> np.uint64(7)) * np.uint64(0x0102040810204080) >> np.uint64(
        56
    )


@kernel
def classify(
    data: Bytes, begin: int, end: int, table: Table, solo: bool
) -> tuple[np.uint64, np.uint64, int, bool]:
    """Masks of up to 64 bytes from `begin` < `end`: (in a word, a new word begins, bytes used, solo).

    `solo` says, going in for the byte before and coming out for the last one, whether it belongs to a word of
    a script without spaces; bits from `bytes used` on are zero.
    """
    word, fresh, used = _ZERO, _ZERO, 0
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
    origin: int,
    starts: Positions,
    ends: Positions,
    first: int,
    stop: int,
    table: Table,
    hashes: Hashes,
) -> None:
    """Fill `hashes[first:stop]` with the hashes of the words `data[origin + starts[i]:origin + ends[i]]`.

    A loop of its own because a call that passes an array costs more than hashing a word.
    """
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
            if position <= safe:
                block = load_u64(data, position) & keep
            else:
                block = load_block(data, position, end - position)
            seen |= block
            h = fmix64_scalar(h ^ (block | (_LOWER_BITS & keep)))
        if seen & _HIGH_BITS != _ZERO:
            h = _hash_any(data, origin + starts[i], end, table)
        hashes[i] = h


@kernel
def _hash_any(data: Bytes, start: int, end: int, table: Table) -> np.uint64:
    h = WORD_SEED
    block, filled = _ZERO, _ZERO
    position = start
    while position < end:
        code, size = decode(data, position, end)
        position += size
        folded = np.uint64(table[code] & _CODE_MASK)
        encoded, length = encode(folded)
        block |= encoded << filled
        filled += length
        if filled >= _WIDTH:
            h = fmix64_scalar(h ^ block)
            filled -= _WIDTH
            # The bits that did not fit; a shift by 64 would be undefined.
            block = _ZERO if filled == _ZERO else encoded >> (length - filled)
    if filled > _ZERO:
        h = fmix64_scalar(h ^ block)
    return h


@kernel
def encode(code: np.uint64) -> tuple[np.uint64, np.uint64]:
    """UTF-8 of a code point: (bytes as a little-endian integer, number of bits)."""
    low = np.uint64(0x3F)
    mark = np.uint64(0x80)
    if code < np.uint64(0x80):
        return code, np.uint64(8)
    last = mark | (code & low)
    if code < np.uint64(0x800):
        return np.uint64(0xC0) | (code >> np.uint64(6)) | (last << np.uint64(8)), np.uint64(16)
    middle = mark | ((code >> np.uint64(6)) & low)
    if code < np.uint64(0x10000):
        lead = np.uint64(0xE0) | (code >> np.uint64(12))
        return lead | (middle << np.uint64(8)) | (last << np.uint64(16)), np.uint64(24)
    lead = np.uint64(0xF0) | (code >> np.uint64(18))
    second = mark | ((code >> np.uint64(12)) & low)
    return lead | (second << np.uint64(8)) | (middle << np.uint64(16)) | (last << np.uint64(24)), np.uint64(
        32
    )


@kernel
def count_kernel(data: Bytes, offsets: Positions, table: Table) -> Positions:
    """Number of words of each document, int64[n]; `data` and `offsets` as in `TextBuffer`, `table` = word_table()."""
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
    """Fill the arrays of `Words` in place; `word_offsets` are the running sums of what `count_kernel` counts."""
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
