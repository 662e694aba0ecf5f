"""Passages of documents as byte spans: which of them to cut, joined and tidied, and texts without them.

Cuts end where the next text begins. Blanks behind a cut passage go with it; where it also began a line, so
do the line ends behind it. So a cut line leaves no empty line, and a cut at the end of a line leaves the
line end.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from text.buffers import text_buffer
from text.jit import kernel

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_MAX_STRING = np.iinfo(np.int32).max


class Passages(NamedTuple):
    """Candidate passages of a batch of documents, in order; those of document i are `offsets[i:i + 2]`.

    Two passages are equal where `hashes` and `checks` are. `numbers` count units or words from the document's
    start; `starts` and `ends` are byte offsets within its text. Passages may overlap.
    """

    hashes: Hashes
    checks: Hashes
    numbers: Int64s
    starts: Int64s
    ends: Int64s
    offsets: Int64s


class Found(NamedTuple):
    """Passages to cut, by document i `offsets[i:i + 2]`, there sorted by hash (unsigned).

    Where `keeps` is set, the occurrence with the number `firsts` stays.
    """

    hashes: Hashes
    checks: Hashes
    firsts: Int64s
    keeps: Flags
    offsets: Int64s


class Spans(NamedTuple):
    """Byte spans of a batch of documents, ascending and apart; those of document i are `offsets[i:i + 2]`.

    `evidence` is for each span the row of `Found` with the greatest weight among those that made it.
    """

    starts: Int64s
    ends: Int64s
    offsets: Int64s
    evidence: Int64s


def distinct(passages: Passages) -> tuple[Int64s, Int64s, Int64s]:
    """Different passages of each document: (document, row in `passages` of the first, occurrences)."""
    n = len(passages.hashes)
    documents, rows, counts = np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n, np.int64)
    used = _distinct(passages.hashes, passages.checks, passages.offsets, documents, rows, counts)
    return documents[:used], rows[:used], counts[:used]


def spans_to_cut(
    texts: pa.Array | pa.ChunkedArray, passages: Passages, found: Found, weights: Int64s
) -> Spans:
    """The passages that `found` names as spans of `texts`; `weights` has one number for each of its rows."""
    data, text_offsets = text_buffer(texts)
    hits = _match(passages, found)
    n = int(np.count_nonzero(hits >= 0))
    starts, ends, evidence = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    offsets = np.zeros(len(text_offsets), np.int64)
    _join(data, text_offsets, passages, hits, weights, starts, ends, evidence, offsets)
    used = offsets[-1]
    return Spans(starts[:used], ends[:used], offsets, evidence[:used])


def remove_spans(
    texts: pa.Array | pa.ChunkedArray, starts: Int64s, ends: Int64s, offsets: Int64s
) -> pa.Array:
    """`texts` without the spans, as a string array (large_string past 2 GiB); the other bytes stay as they
    are.

    Text i loses `starts[j]:ends[j]` for j from `offsets[i]` to `offsets[i + 1]`, byte offsets within the
    text, ascending and apart. ValueError naming the row where they are not, leave the text or split a
    character.
    """
    data, text_offsets = text_buffer(texts)
    if len(offsets) != len(text_offsets):
        raise ValueError(f"spans of {len(offsets) - 1} texts for {len(text_offsets) - 1} texts")
    wrong = _first_wrong(data, text_offsets, starts, ends, offsets)
    if wrong >= 0:
        row = int(np.searchsorted(offsets, wrong, side="right")) - 1
        raise ValueError(
            f"text {row}: span {starts[wrong]}..{ends[wrong]} leaves the text, overlaps the one before or "
            "splits a UTF-8 character; make the spans again from these texts"
        )
    out_offsets = np.zeros(len(text_offsets), np.int64)
    lost = np.concatenate([[0], np.cumsum(ends - starts)])
    np.cumsum(np.diff(text_offsets) - np.diff(lost[offsets]), out=out_offsets[1:])
    out = np.empty(out_offsets[-1], np.uint8)
    _copy(data, text_offsets, starts, ends, offsets, out)
    small = len(out) <= _MAX_STRING
    kind, width = (pa.string(), np.int32) if small else (pa.large_string(), np.int64)
    buffers = [None, pa.py_buffer(out_offsets.astype(width)), pa.py_buffer(out)]
    return pa.Array.from_buffers(kind, len(out_offsets) - 1, buffers)


@kernel
def _distinct(
    hashes: Hashes, checks: Hashes, offsets: Int64s, documents: Int64s, rows: Int64s, counts: Int64s
) -> int:
    """Open addressing in one table that is reused and grows; a slot holds the output row plus 1."""
    used = 0
    table = np.zeros(16, np.int64)
    for document in range(len(offsets) - 1):
        first, stop = offsets[document], offsets[document + 1]
        size = 16
        while size < 2 * (stop - first):
            size *= 2
        if size > len(table):
            table = np.empty(size, np.int64)
        table[:size] = 0
        mask = np.uint64(size - 1)
        for i in range(first, stop):
            slot = hashes[i] & mask
            while table[slot] != 0:
                row = rows[table[slot] - 1]
                if hashes[row] == hashes[i] and checks[row] == checks[i]:
                    break
                slot = (slot + np.uint64(1)) & mask
            if table[slot] == 0:
                documents[used], rows[used] = document, i
                used += 1
                table[slot] = used
            counts[table[slot] - 1] += 1
    return used


@kernel
def _match(passages: Passages, found: Found) -> Int64s:
    """For every passage the row of `found` that cuts it, -1 where it stays."""
    hits = np.full(len(passages.hashes), np.int64(-1))
    for document in range(len(passages.offsets) - 1):
        begin, stop = found.offsets[document], found.offsets[document + 1]
        if begin == stop:
            continue
        for i in range(passages.offsets[document], passages.offsets[document + 1]):
            low, high = begin, stop
            while low < high:
                middle = (low + high) // 2
                if found.hashes[middle] < passages.hashes[i]:
                    low = middle + 1
                else:
                    high = middle
            while low < stop and found.hashes[low] == passages.hashes[i]:
                if found.checks[low] == passages.checks[i]:
                    if not (found.keeps[low] and found.firsts[low] == passages.numbers[i]):
                        hits[i] = low
                    break
                low += 1
    return hits


@kernel
def _join(
    data: Bytes,
    text_offsets: Int64s,
    passages: Passages,
    hits: Int64s,
    weights: Int64s,
    starts: Int64s,
    ends: Int64s,
    evidence: Int64s,
    offsets: Int64s,
) -> None:
    """Fill the arrays of `Spans`: spans that touch become one."""
    used = 0
    for document in range(len(offsets) - 1):
        origin, stop = text_offsets[document], text_offsets[document + 1]
        first, whole_line = used, False
        for i in range(passages.offsets[document], passages.offsets[document + 1]):
            if hits[i] < 0:
                continue
            start = passages.starts[i]
            end = passages.ends[i]
            if used > first and start <= ends[used - 1]:
                if end > ends[used - 1]:
                    ends[used - 1] = _tidy(data, origin, stop, end, whole_line)
                if weights[hits[i]] > weights[evidence[used - 1]]:
                    evidence[used - 1] = hits[i]
                continue
            starts[used], evidence[used] = start, hits[i]
            whole_line = _begins_line(data, origin, start)
            ends[used] = _tidy(data, origin, stop, end, whole_line)
            used += 1
        offsets[document + 1] = used


@kernel
def _begins_line(data: Bytes, origin: int, start: int) -> bool:
    position = origin + start
    while position > origin and (data[position - 1] == 0x20 or data[position - 1] == 0x09):
        position -= 1
    return position == origin or data[position - 1] == 0x0A or data[position - 1] == 0x0D


@kernel
def _tidy(data: Bytes, origin: int, stop: int, end: int, whole_line: bool) -> int:
    """The end of a cut with the blanks, and for one that began a line the line ends too, behind `end`."""
    position = origin + end
    while position < stop and (data[position] == 0x20 or data[position] == 0x09):
        position += 1
    at_line_end = position < stop and (data[position] == 0x0A or data[position] == 0x0D)
    while whole_line and at_line_end and position < stop and data[position] <= 0x20:
        position += 1
    return position - origin


@kernel
def _first_wrong(data: Bytes, text_offsets: Int64s, starts: Int64s, ends: Int64s, offsets: Int64s) -> int:
    for document in range(len(text_offsets) - 1):
        origin, size = text_offsets[document], text_offsets[document + 1] - text_offsets[document]
        least = np.int64(0)
        for i in range(offsets[document], offsets[document + 1]):
            if starts[i] < least or ends[i] < starts[i] or ends[i] > size:
                return i
            for edge in (starts[i], ends[i]):
                if edge < size and data[origin + edge] & 0xC0 == 0x80:
                    return i
            least = ends[i]
    return -1


@kernel
def _copy(
    data: Bytes, text_offsets: Int64s, starts: Int64s, ends: Int64s, offsets: Int64s, out: Bytes
) -> None:
    used = 0
    for document in range(len(text_offsets) - 1):
        origin = text_offsets[document]
        position = origin
        for i in range(offsets[document], offsets[document + 1]):
            size = origin + starts[i] - position
            out[used : used + size] = data[position : position + size]
            used += size
            position = origin + ends[i]
        size = text_offsets[document + 1] - position
        out[used : used + size] = data[position : position + size]
        used += size
