"""Exact substrings: runs of n words that stand in several places, found by hashes in linear memory.

Lee et al. 2022 ("Deduplicating training data makes language models better", section 4.1) find every run of 50
tokens that occurs twice with a suffix array over the whole corpus. Here the same runs are found shard by
shard:

1. `fingerprints`: the minimal hash of each n-word window's k-grams, k = n // 2. Equal windows have equal
   minima, so a window whose minimum stands in one place of the corpus alone is unique. A minimum serves
   (n - k + 2) / 2 windows in a row on average: at n = 50 one row for 13 words.
2. `windows`: of the documents that hold a repeated minimum, the windows that have it, with 128 bits each.
3. Windows with equal 128 bits are equal.

**Collisions.** A window's hash and check are rolling hashes (text.ngrams) of two unrelated mixings of its
word hashes; among w windows some two different ones agree in both with a chance of w**2 / 2**129: 1e-15 for
10**12 windows. A polynomial modulo 2**64 has collisions that can be built (Thue-Morse words of 1024 and
more), so n is at most `MAX_WORDS`. Minima only propose: a collision there costs a row.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.spans import Passages
from text.buffers import text_buffer
from text.hashing import fmix64
from text.jit import kernel
from text.ngrams import ngrams
from text.words import Words, segment

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

MIN_WORDS, MAX_WORDS = 4, 512
_CHECK_SALT = np.uint64(0xC2B2AE3D27D4EB4F)


def fingerprints(words: Words, n: int) -> Passages:
    """The minimal k-grams of the n-word windows, each place once; documents of fewer than n words have none.

    `words` are those of `text.words.segment`, or any tokens in that form. `numbers` are words, the spans
    cover the k-gram. ValueError where n is out of range.
    """
    k = _check(n) // 2
    grams = ngrams(words, k)
    places, offsets = _minima(grams.hashes, grams.offsets, words.offsets, n, k)
    documents = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    rows = places + words.offsets[documents]
    return Passages(
        grams.hashes[places + grams.offsets[documents]],
        np.zeros(len(places), np.uint64),
        places,
        words.starts[rows],
        words.ends[rows + k - 1],
        offsets,
    )


def windows(
    texts: pa.Array | pa.ChunkedArray, n: int, wanted: tuple[Hashes, Int64s] | None = None
) -> Passages:
    """The n-word windows of each text; with `wanted` only those whose fingerprint is wanted.

    `wanted` are hashes of fingerprints, ascending (unsigned) within each text, and their offsets by text. A
    span ends where the next word or line begins, so that what separates two words is cut with the first.
    """
    data, text_offsets = text_buffer(texts)
    return windows_of(segment(texts), _check(n), data, text_offsets, wanted)


def windows_of(
    words: Words, n: int, data: Bytes, text_offsets: Int64s, wanted: tuple[Hashes, Int64s] | None = None
) -> Passages:
    """`windows` of given words: byte spans that ascend within the texts of a `TextBuffer`."""
    grams = ngrams(words, n)
    checks = ngrams(words._replace(hashes=fmix64(words.hashes ^ _CHECK_SALT)), n)
    if wanted is None:
        counts = np.maximum(np.diff(words.offsets) - n + 1, 0)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        documents = np.repeat(np.arange(len(counts)), counts)
        places = np.arange(offsets[-1]) - offsets[documents]
    else:
        minima = ngrams(words, n // 2)
        places, offsets = _wanted_windows(
            minima.hashes, minima.offsets, words.offsets, n, n // 2, wanted[0], wanted[1]
        )
        documents = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    rows = places + grams.offsets[documents]
    first = places + words.offsets[documents]
    ends = _ends(data, text_offsets, words.starts, words.ends, words.offsets, documents, first + n - 1)
    return Passages(grams.hashes[rows], checks.hashes[rows], places, words.starts[first], ends, offsets)


def _check(n: int) -> int:
    if not MIN_WORDS <= n <= MAX_WORDS:
        raise ValueError(f"n is {n} words, expected {MIN_WORDS} to {MAX_WORDS}")
    return n


@kernel
def _minima(
    grams: Hashes, gram_offsets: Int64s, word_offsets: Int64s, n: int, k: int
) -> tuple[Int64s, Int64s]:
    """Places (k-gram numbers within the document) of the sliding minima, the leftmost of equal ones."""
    width = n - k + 1
    out = np.empty(len(grams), np.int64)
    offsets = np.zeros(len(word_offsets), np.int64)
    queue = np.empty(width + 1, np.int64)
    used = 0
    for document in range(len(word_offsets) - 1):
        first = used
        if word_offsets[document + 1] - word_offsets[document] >= n:
            origin = gram_offsets[document]
            head, size = 0, 0
            for i in range(gram_offsets[document + 1] - origin):
                head, size = _push(grams, origin, i, width, queue, head, size)
                if i >= width - 1 and (used == first or out[used - 1] != queue[head]):
                    out[used] = queue[head]
                    used += 1
        offsets[document + 1] = used
    return out[:used].copy(), offsets


@kernel
def _wanted_windows(
    grams: Hashes,
    gram_offsets: Int64s,
    word_offsets: Int64s,
    n: int,
    k: int,
    wanted: Hashes,
    wanted_offsets: Int64s,
) -> tuple[Int64s, Int64s]:
    """First words of the windows whose minimal k-gram is wanted."""
    width = n - k + 1
    out = np.empty(len(grams), np.int64)
    offsets = np.zeros(len(word_offsets), np.int64)
    queue = np.empty(width + 1, np.int64)
    used = 0
    for document in range(len(word_offsets) - 1):
        begin, stop = wanted_offsets[document], wanted_offsets[document + 1]
        if word_offsets[document + 1] - word_offsets[document] >= n and begin < stop:
            origin = gram_offsets[document]
            head, size = 0, 0
            last, hit = np.int64(-1), False
            for i in range(gram_offsets[document + 1] - origin):
                head, size = _push(grams, origin, i, width, queue, head, size)
                if i < width - 1:
                    continue
                if queue[head] != last:
                    last = queue[head]
                    value = grams[origin + last]
                    place = begin + np.searchsorted(wanted[begin:stop], value)
                    hit = place < stop and wanted[place] == value
                if hit:
                    out[used] = i - width + 1
                    used += 1
        offsets[document + 1] = used
    return out[:used].copy(), offsets


@kernel
def _push(
    grams: Hashes, origin: int, i: int, width: int, queue: Int64s, head: int, size: int
) -> tuple[int, int]:
    """Add gram i to the ring of rising minima of the last `width` grams; its head is the minimum."""
    ring = len(queue)
    if size > 0 and queue[head] <= i - width:
        head, size = (head + 1) % ring, size - 1
    while size > 0 and grams[origin + queue[(head + size - 1) % ring]] > grams[origin + i]:
        size -= 1
    queue[(head + size) % ring] = i
    return head, size + 1


@kernel
def _ends(
    data: Bytes,
    text_offsets: Int64s,
    starts: Int64s,
    ends: Int64s,
    word_offsets: Int64s,
    documents: Int64s,
    last_words: Int64s,
) -> Int64s:
    """Where the cut behind each last word ends: at the next line end, word or at the end of the text."""
    out = np.empty(len(documents), np.int64)
    for i in range(len(documents)):
        document, word = documents[i], last_words[i]
        origin = text_offsets[document]
        stop = text_offsets[document + 1] - origin
        if word + 1 < word_offsets[document + 1]:
            stop = starts[word + 1]
        position = ends[word]
        while position < stop and data[origin + position] != 0x0A and data[origin + position] != 0x0D:
            position += 1
        out[i] = position
    return out
