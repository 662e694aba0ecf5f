"""Texts as fastText sees them: the words of text.words, folded, one line a document.

fastText cuts a line at blanks and knows nothing of scripts or letter case. Given these lines its words are ours: a
Chinese character is a word, "Word" and "word" are one. The same kernel makes the lines of the training file and
the words that are scored.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from text.buffers import Texts, text_buffer
from text.hashing import load_block
from text.jit import kernel
from text.unicode_classes import CLASS_SHIFT, word_table
from text.utf8 import decode_valid, encode
from text.words import Words, segment

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_BLANK = np.uint8(0x20)
_LOWER_BIT = np.uint8(0x20)
_CODE_MASK = np.uint32((1 << CLASS_SHIFT) - 1)
_BYTE = np.uint64(0xFF)
_8, _LOW_32 = np.uint64(8), np.uint64(0xFFFFFFFF)
_SIGN_8, _SIGN_32 = np.uint64(0x80), np.uint64(0x80000000)
_EXTEND_8, _EXTEND_32 = np.uint64(0xFFFFFF00), np.uint64(0xFFFFFFFF00000000)
_FNV_START, _FNV_PRIME = np.uint64(2166136261), np.uint64(16777619)


class FoldedWords(NamedTuple):
    """The words of a batch, and their folded bytes: word i is `data[places[i]:places[i + 1]]`."""

    words: Words
    data: Bytes
    places: Positions


def fold(texts: Texts) -> FoldedWords:
    """The words of each text in lower case, back to back."""
    words, data, places = _folded(texts, 0)
    return FoldedWords(words, data[: places[-1]], places)


def lines(texts: Texts) -> pa.LargeStringArray:
    """Each text as its folded words with a blank after each; an empty line for a text without words."""
    words, data, places = _folded(texts, 1)
    offsets = pa.py_buffer(places[words.offsets])
    return pa.LargeStringArray.from_buffers(len(words.offsets) - 1, offsets, pa.py_buffer(data))


def fasttext_hashes(data: Bytes, places: Positions) -> Hashes:
    """fastText's hash of each word (32-bit FNV-1a over signed bytes) as the signed 64-bit number it counts with."""
    return _hash_rows(data, places)


def _folded(texts: Texts, gap: int) -> tuple[Words, Bytes, Positions]:
    data, offsets = text_buffer(texts)
    words = segment(texts)
    n_bytes = int((words.ends - words.starts).sum())
    # Folding makes three bytes of two at most; none of the letters that gain a byte has more than two.
    out = np.empty(n_bytes + n_bytes // 2 + gap * len(words.hashes), np.uint8)
    places = np.zeros(len(words.hashes) + 1, np.int64)
    _fold_rows(data, offsets, words.offsets, words.starts, words.ends, word_table(), gap, out, places)
    return words, out, places


@kernel
def _fold_rows(
    data: Bytes,
    offsets: Positions,
    word_offsets: Positions,
    starts: Positions,
    ends: Positions,
    table: NDArray[np.uint32],
    gap: int,
    out: Bytes,
    places: Positions,
) -> None:
    used = 0
    for document in range(len(word_offsets) - 1):
        origin = offsets[document]
        for word in range(word_offsets[document], word_offsets[document + 1]):
            position, end = origin + starts[word], origin + ends[word]
            while position < end:
                byte = data[position]
                if byte < 0x80:  # a letter or a digit: the bit that makes letters small is set in all digits
                    out[used] = byte | _LOWER_BIT
                    used += 1
                    position += 1
                    continue
                raw = load_block(data, position, min(8, end - position))
                code, bits = decode_valid(raw)
                position += np.int64(bits >> np.uint64(3))
                folded = np.uint64(table[code] & _CODE_MASK)
                encoded = raw
                if folded != code:
                    encoded, bits = encode(folded)
                for _ in range(np.int64(bits >> np.uint64(3))):
                    out[used] = np.uint8(encoded & _BYTE)
                    encoded >>= _8
                    used += 1
            if gap:
                out[used] = _BLANK
                used += 1
            places[word + 1] = used


@kernel
def _hash_rows(data: Bytes, places: Positions) -> Hashes:
    hashes = np.empty(len(places) - 1, np.uint64)
    for word in range(len(hashes)):
        h = _FNV_START
        for position in range(places[word], places[word + 1]):
            byte = np.uint64(data[position])
            if byte & _SIGN_8:
                byte |= _EXTEND_8
            h = ((h ^ byte) * _FNV_PRIME) & _LOW_32
        if h & _SIGN_32:
            h |= _EXTEND_32
        hashes[word] = h
    return hashes
