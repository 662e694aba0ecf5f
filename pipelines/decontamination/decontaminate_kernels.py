"""Kernels of decontamination: find benchmark n-grams in documents, and cut windows of text around them.

One pass finds grams of every length. All grams of a set start with a prefix of as many words as the
shortest gram has. The prefix hash rolls over the document, a Bloom filter of prefixes rejects nearly
every position, and only where it does not is the hash carried on to the longer lengths and looked up in a
hash table. Gram hashes are those of `text.ngrams`.
"""

import numpy as np
import numpy.typing as npt

from text.hashing import GOLDEN, fmix64_scalar
from text.jit import kernel
from text.ngrams import BASE
from text.unicode_classes import CLASS_SHIFT, SOLO
from text.words import decode

Bits = npt.NDArray[np.uint64]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int32]

BITS_A_GRAM = 16  # with 3 bits set for each, fewer than 1 position in 100 passes by chance
_EMPTY = -1
_SIX_BITS = np.uint64(63)
_CLASS_SHIFT = np.uint32(CLASS_SHIFT)


@kernel
def gram_hash(hashes: Hashes, first: int, length: int) -> np.uint64:
    """Hash of the gram of words first .. first + length - 1, as `text.ngrams` makes it."""
    rolling = np.uint64(0)
    for i in range(first, first + length):
        rolling = rolling * BASE + hashes[i]
    return fmix64_scalar(rolling + np.uint64(length) * GOLDEN)


@kernel
def gram_hashes(hashes: Hashes, firsts: Ints, lengths: Ints) -> Hashes:
    """`gram_hash` of many grams."""
    grams = np.empty(len(firsts), np.uint64)
    for i in range(len(firsts)):
        grams[i] = gram_hash(hashes, firsts[i], lengths[i])
    return grams


@kernel
def build_table(grams: Hashes) -> Slots:
    """Open-addressing table of distinct grams, at most half full: a slot holds an index into them, or -1."""
    size = 2
    while size < 2 * len(grams):
        size *= 2
    table = np.full(size, _EMPTY, np.int32)
    mask = np.uint64(size - 1)
    for index in range(len(grams)):
        slot = grams[index] & mask
        while table[slot] != _EMPTY:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = index
    return table


@kernel
def build_bits(prefixes: Hashes) -> Bits:
    """Blocked Bloom filter: 3 bits of one 64-bit word for each prefix hash; a power of two of words."""
    size = 1
    while 64 * size < BITS_A_GRAM * len(prefixes):
        size *= 2
    bits = np.zeros(size, np.uint64)
    mask = np.uint64(size - 1)
    for prefix in prefixes:
        bits[prefix & mask] |= _three_bits(prefix)
    return bits


@kernel
def _three_bits(prefix: np.uint64) -> np.uint64:
    """Three bits chosen by the 18 highest of the hash; the lowest choose the word."""
    one = np.uint64(1)
    bits = one << (prefix >> np.uint64(58))
    bits |= one << ((prefix >> np.uint64(52)) & _SIX_BITS)
    return bits | one << ((prefix >> np.uint64(46)) & _SIX_BITS)


@kernel
def _index_of(gram: np.uint64, table: Slots, grams: Hashes) -> int:
    """Index of `gram` in `grams` by the table of `build_table`, or -1."""
    mask = np.uint64(len(table) - 1)
    slot = gram & mask
    while table[slot] != _EMPTY and grams[table[slot]] != gram:
        slot = (slot + np.uint64(1)) & mask
    return table[slot]


@kernel
def find(
    hashes: Hashes,
    offsets: Ints,
    bits: Bits,
    table: Slots,
    grams: Hashes,
    prefix: int,
    wanted: npt.NDArray[np.bool_],
) -> Ints:
    """All hits of a gram set in segmented documents, int64[n, 4]: document, its word, gram index, length.

    `wanted[k]` says whether the set has grams of k words; `prefix` is the least such k. The hits
    are in order of document, word and length.
    """
    found = np.empty((64, 4), np.int64)
    n = 0
    longest = len(wanted) - 1
    word_mask = np.uint64(len(bits) - 1)
    salt = np.uint64(prefix) * GOLDEN
    oldest = np.uint64(1)
    for _ in range(prefix):
        oldest *= BASE
    for document in range(len(offsets) - 1):
        first, stop = offsets[document], offsets[document + 1]
        if stop - first < prefix:
            continue
        rolling = np.uint64(0)
        for i in range(first, first + prefix):
            rolling = rolling * BASE + hashes[i]
        for i in range(first, stop - prefix + 1):
            start = fmix64_scalar(rolling + salt)
            wanted_bits = _three_bits(start)
            if bits[start & word_mask] & wanted_bits == wanted_bits:
                longer = rolling
                for length in range(prefix, min(longest, stop - i) + 1):
                    if length > prefix:
                        longer = longer * BASE + hashes[i + length - 1]
                    if not wanted[length]:
                        continue
                    gram = fmix64_scalar(longer + np.uint64(length) * GOLDEN)
                    index = _index_of(gram, table, grams)
                    if index != _EMPTY:
                        if n == len(found):
                            found = np.concatenate((found, np.empty((n, 4), np.int64)))
                        found[n, 0], found[n, 1] = document, i - first
                        found[n, 2], found[n, 3] = index, length
                        n += 1
            if i + prefix < stop:
                rolling = rolling * BASE + hashes[i + prefix] - hashes[i] * oldest
    return found[:n].copy()


@kernel
def windows(
    data: npt.NDArray[np.uint8],
    text_offsets: Ints,
    starts: Ints,
    ends: Ints,
    word_offsets: Ints,
    hits: Ints,
    window_chars: int,
) -> Ints:
    """Byte ranges to remove, int64[n, 3]: document, start, end; apart from each other and in order.

    For each hit the gram and `window_chars` code points on either side, widened so that no word is halved;
    windows that overlap or touch become one.
    """
    cuts = np.empty((len(hits), 3), np.int64)
    n = 0
    for h in range(len(hits)):
        document, word, length = hits[h, 0], hits[h, 1], hits[h, 3]
        origin = text_offsets[document]
        size = text_offsets[document + 1] - origin
        low_word, high_word = word_offsets[document], word_offsets[document + 1]
        i = low_word + word
        start = starts[i]
        end = ends[i + length - 1]
        start = _back(data, origin, start, window_chars)
        end = _forward(data, origin, size, end, window_chars)
        while i > low_word and starts[i] > start:
            i -= 1
        if starts[i] < start < ends[i]:
            start = starts[i]
        i = low_word + word + length - 1
        while i < high_word - 1 and ends[i] < end:
            i += 1
        if starts[i] < end < ends[i]:
            end = ends[i]
        if n and cuts[n - 1, 0] == document and start <= cuts[n - 1, 2]:
            cuts[n - 1, 2] = max(cuts[n - 1, 2], end)
            continue
        cuts[n, 0], cuts[n, 1], cuts[n, 2] = document, start, end
        n += 1
    return cuts[:n].copy()


@kernel
def _back(data: npt.NDArray[np.uint8], origin: int, position: int, chars: int) -> int:
    """Byte offset `chars` code points before `position` of the document at `origin`, or its begin."""
    while chars > 0 and position > 0:
        position -= 1
        while position > 0 and data[origin + position] & 0xC0 == 0x80:
            position -= 1
        chars -= 1
    return position


@kernel
def _forward(data: npt.NDArray[np.uint8], origin: int, size: int, position: int, chars: int) -> int:
    """Byte offset `chars` code points behind `position` of the document at `origin`, or its end."""
    while chars > 0 and position < size:
        position += 1
        while position < size and data[origin + position] & 0xC0 == 0x80:
            position += 1
        chars -= 1
    return position


@kernel
def count_chars(data: npt.NDArray[np.uint8], starts: Ints, ends: Ints) -> Ints:
    """Code points of each byte range of `data`."""
    counts = np.zeros(len(starts), np.int64)
    for i in range(len(starts)):
        for position in range(starts[i], ends[i]):
            counts[i] += data[position] & 0xC0 != 0x80
    return counts


@kernel
def gather(data: npt.NDArray[np.uint8], starts: Ints, ends: Ints) -> npt.NDArray[np.uint8]:
    """The byte ranges of `data`, one behind the other."""
    gathered = np.empty(np.sum(ends - starts), np.uint8)
    position = 0
    for i in range(len(starts)):
        size = ends[i] - starts[i]
        gathered[position : position + size] = data[starts[i] : ends[i]]
        position += size
    return gathered


@kernel
def solo_words(
    data: npt.NDArray[np.uint8],
    text_offsets: Ints,
    starts: Ints,
    ends: Ints,
    word_offsets: Ints,
    table: npt.NDArray[np.uint32],
) -> npt.NDArray[np.bool_]:
    """Whether each word is a character of a script written without spaces; `table` is `word_table()`."""
    solo = np.zeros(len(starts), np.bool_)
    for document in range(len(word_offsets) - 1):
        origin = text_offsets[document]
        for i in range(word_offsets[document], word_offsets[document + 1]):
            code, _ = decode(data, origin + starts[i], origin + ends[i])
            solo[i] = table[code] >> _CLASS_SHIFT == SOLO
    return solo
