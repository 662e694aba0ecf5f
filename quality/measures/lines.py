"""Lines and paragraphs of each document as hashes and sizes, and the shares of lines with a property."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from quality.measures.characters import BULLET, CLOSER, TERMINAL, character_table
from quality.measures.gaps import Bytes, Flags, Integers, code_points
from quality.measures.tokens import Hashes, Lines
from text.hashing import GOLDEN, fmix64_scalar, hash64_bytes
from text.jit import kernel
from text.words import decode

SHORT_LINE = 30
"""Longest short line of FineWeb, in characters."""
SHORT_LINE_UNSPACED = 10
"""The same where a character is about a third of an English word's length worth: Chinese and Japanese."""

N_LINES, BULLET_LINES, ELLIPSIS_LINES, PUNCTUATED_LINES, SHORT_LINES, LINE_COUNTS = range(6)
_DOT = 0x2E
_ELLIPSIS = 0x2026


class Segments(NamedTuple):
    """Lines or paragraphs: hash of the text, code points, and where each document's end."""

    hashes: Hashes
    sizes: Integers
    offsets: Integers


def as_segments(data: Bytes, lines: Lines) -> Segments:
    """The lines themselves."""
    hashes, sizes = np.empty(len(lines.starts), np.uint64), np.empty(len(lines.starts), np.int64)
    hash_lines(data, lines.starts, lines.ends, hashes, sizes)
    return Segments(hashes, sizes, lines.offsets)


def paragraphs(segments: Segments, lines: Lines) -> Segments:
    """Lines joined up to the next blank one; a line feed inside is a character."""
    first = np.flatnonzero(lines.opens_paragraph)
    hashes, sizes = np.empty(len(first), np.uint64), np.empty(len(first), np.int64)
    ends = np.append(first[1:], len(lines.starts))
    join_lines(segments.hashes, segments.sizes, first, ends, hashes, sizes)
    return Segments(hashes, sizes, np.searchsorted(first, lines.offsets))


def line_counts(data: Bytes, lines: Lines, sizes: Integers, unspaced: npt.NDArray[np.bool_]) -> Integers:
    """A row a document, LINE_COUNTS columns.

    BULLET_LINES begin with one of `characters.BULLETS`, ELLIPSIS_LINES end with "..." or U+2026,
    PUNCTUATED_LINES with a sentence terminal, SHORT_LINES have at most SHORT_LINE characters. In documents
    that are `unspaced` (Chinese, Japanese) closing quotes and brackets may follow the terminal, U+2026 is one,
    and a short line has at most SHORT_LINE_UNSPACED characters.
    """
    counts = np.zeros((len(lines.offsets) - 1, LINE_COUNTS), np.int64)
    line_counts_kernel(
        data, lines.starts, lines.ends, lines.offsets, sizes, unspaced, character_table(), counts
    )
    return counts


def text_sizes(data: Bytes, offsets: Integers) -> Integers:
    """Code points of each document."""
    sizes = np.empty(len(offsets) - 1, np.int64)
    text_sizes_kernel(data, offsets, sizes)
    return sizes


@kernel
def text_sizes_kernel(data: Bytes, offsets: Integers, sizes: Integers) -> None:
    """Fill what `text_sizes` returns."""
    for document in range(len(sizes)):
        sizes[document] = code_points(data, offsets[document], offsets[document + 1])


@kernel
def hash_lines(data: Bytes, starts: Integers, ends: Integers, hashes: Hashes, sizes: Integers) -> None:
    """Hash and code points of each line."""
    for line in range(len(starts)):
        hashes[line] = hash64_bytes(data, starts[line], ends[line], np.uint64(0))
        sizes[line] = code_points(data, starts[line], ends[line])


@kernel
def join_lines(
    line_hashes: Hashes,
    line_sizes: Integers,
    first: Integers,
    ends: Integers,
    hashes: Hashes,
    sizes: Integers,
) -> None:
    """Hash and code points of each paragraph from those of its lines."""
    for paragraph in range(len(first)):
        h, size = GOLDEN, np.int64(-1)
        for line in range(first[paragraph], ends[paragraph]):
            h = fmix64_scalar(h ^ line_hashes[line])
            size += line_sizes[line] + 1
        hashes[paragraph], sizes[paragraph] = h, size


@kernel
def last_character(data: Bytes, start: int, end: int) -> tuple[np.int64, int]:
    """Last code point of data[start:end] (not empty) and where it begins."""
    position = end - 1
    while position > start and position > end - 4 and data[position] & 0xC0 == 0x80:
        position -= 1
    code, _ = decode(data, position, end)
    return code, position


@kernel
def ends_sentence(data: Bytes, start: int, end: int, table: Flags, closers: bool) -> bool:
    """Whether the last character is a sentence terminal; with `closers`, seen past them, and an ellipsis too."""
    if end == start:
        return False
    code, position = last_character(data, start, end)
    if closers:
        while position > start and code >= 0 and table[code] & CLOSER:
            code, position = last_character(data, start, position)
        if code == _ELLIPSIS:
            return True
    return bool(code >= 0 and table[code] & TERMINAL != 0)


@kernel
def line_counts_kernel(
    data: Bytes,
    starts: Integers,
    ends: Integers,
    offsets: Integers,
    sizes: Integers,
    unspaced: npt.NDArray[np.bool_],
    table: Flags,
    counts: Integers,
) -> None:
    """Fill the rows of `line_counts`."""
    for document in range(len(offsets) - 1):
        short = SHORT_LINE_UNSPACED if unspaced[document] else SHORT_LINE
        for line in range(offsets[document], offsets[document + 1]):
            start, end = starts[line], ends[line]
            counts[document, N_LINES] += 1
            counts[document, SHORT_LINES] += sizes[line] <= short
            counts[document, PUNCTUATED_LINES] += ends_sentence(data, start, end, table, unspaced[document])
            code, _ = decode(data, start, end)
            counts[document, BULLET_LINES] += code >= 0 and table[code] & BULLET != 0
            dots = (
                end - start >= 3 and data[end - 1] == _DOT and data[end - 2] == _DOT and data[end - 3] == _DOT
            )
            ellipsis = dots or last_character(data, start, end)[0] == _ELLIPSIS
            counts[document, ELLIPSIS_LINES] += ellipsis
