"""Repeated lines, paragraphs and word n-grams (Gopher, Table A1), in the two readings that are in use.

- **paper**: every occurrence of what occurs twice counts, and characters in overlapping n-grams count once
  ("taking care not to count characters that occur in overlapping n-grams more than once"); as in DCLM.
- **datatrove**: the first occurrence does not count; repeated n-grams are found greedily from the left, past
  each hit by n words, and the top n-gram counts even where nothing repeats.

An (n + 1)-gram repeats only if both its n-grams do, and is told by their numbers: so each length looks only at
what the one before left over, which after the 2-grams of ordinary text is little.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from quality.measures.gaps import Integers
from quality.measures.tokens import Hashes
from text.hashing import GOLDEN
from text.jit import kernel
from text.ngrams import BASE

Figures = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]

TOP_LENGTHS = (2, 3, 4)
REPEATED_LENGTHS = (5, 6, 7, 8, 9, 10)
LENGTHS = TOP_LENGTHS + REPEATED_LENGTHS
_SHIFT = np.uint64(32)


class Repeats(NamedTuple):
    """Of n items with c characters: how many occur twice (`all`: every occurrence; `later`: but the first)."""

    items: Integers
    characters: Integers
    all_items: Integers
    all_characters: Integers
    later_items: Integers
    later_characters: Integers


def repeats(hashes: Hashes, sizes: Integers, offsets: Integers) -> Repeats:
    """Repeated items of each document, an item being told by its hash; `sizes` in code points."""
    found = np.zeros((6, len(offsets) - 1), np.int64)
    largest = int(np.diff(offsets).max(initial=0))
    slots = _slots(largest)
    slot_keys = np.empty(len(slots), np.uint64)
    repeats_kernel(hashes, sizes, offsets, slots, slot_keys, np.empty(largest, np.int32), found)
    return Repeats(*found)


def gram_characters(hashes: Hashes, ends: Integers, offsets: Integers, greedy: bool) -> Integers:
    """Characters of the top n-gram (lengths 2 to 4) and of the repeated n-grams (5 to 10), (documents, 9).

    `ends` are running sums of the words' code points, one more than words. `greedy` is datatrove's reading; its
    top n-gram is joined by spaces.
    """
    found = np.zeros((len(offsets) - 1, len(LENGTHS)), np.int64)
    largest = int(np.diff(offsets).max(initial=0))
    slots, marks = _slots(largest), np.empty(max(4, 2 * len(_slots(largest))), np.uint8)
    slot_keys, keys = np.empty(len(slots), np.uint64), np.empty(largest, np.uint64)
    room = np.empty((4, largest), np.int32)
    grams_kernel(hashes, ends, offsets, greedy, slots, slot_keys, marks, room, keys, found)
    return found


@kernel
def running_sums(sizes: Numbers) -> Integers:
    """0 and the sum up to each item, int64[n + 1]."""
    sums = np.empty(len(sizes) + 1, np.int64)
    total = np.int64(0)
    sums[0] = 0
    for i in range(len(sizes)):
        total += sizes[i]
        sums[i + 1] = total
    return sums


def _slots(items: int) -> Numbers:
    """Room of a hash table for so many items, half full at most."""
    return np.empty(max(2, 1 << (2 * max(items, 1) - 1).bit_length()), np.int32)


@kernel
def number_keys(
    keys: Hashes, first: int, stop: int, slots: Numbers, slot_keys: Hashes, numbers: Numbers, firsts: Numbers
) -> int:
    """Number equal keys equally, in order of their first places; returns how many there are.

    `numbers[i]` is for `keys[first + i]`; `firsts[number]` is the i that a number was first given to.
    """
    size = 2
    shift = np.uint64(63)
    while size < 2 * (stop - first):
        size *= 2
        shift -= np.uint64(1)
    slots[:size] = -1
    mask, found = size - 1, 0
    for i in range(stop - first):
        key = keys[first + i]
        slot = np.int64((key * GOLDEN) >> shift)
        while slots[slot] >= 0 and slot_keys[slot] != key:
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            slots[slot], slot_keys[slot] = found, key
            firsts[found] = i
            found += 1
        numbers[i] = slots[slot]
    return found


@kernel
def first_grams(
    hashes: Hashes, first: int, stop: int, marks: npt.NDArray[np.uint8], keys: Hashes, places: Numbers
) -> int:
    """Keys and places of the 2-grams that may repeat; returns how many there are.

    Those are the ones that share a mark with another: all that repeat, and about a fifth of the others. It
    keeps most of a text out of the hash tables.
    """
    size = 2
    shift = np.uint64(63)
    while size < 4 * (stop - first):
        size *= 2
        shift -= np.uint64(1)
    marks[:size] = 0
    for i in range(first, stop - 1):
        key = (hashes[i] * BASE + hashes[i + 1]) * GOLDEN
        keys[i - first] = key
        mark = np.int64(key >> shift)
        marks[mark] = min(marks[mark] + 1, 2)
    kept = 0
    for i in range(stop - first - 1):
        key = keys[i]
        keys[kept], places[kept] = key, i
        kept += marks[np.int64(key >> shift)] > 1
    return kept


@kernel
def repeats_kernel(
    hashes: Hashes,
    sizes: Integers,
    offsets: Integers,
    slots: Numbers,
    slot_keys: Hashes,
    numbers: Numbers,
    found: Integers,
) -> None:
    """Fill the rows of `Repeats`."""
    firsts = np.empty(len(numbers), np.int32)
    counted = np.empty(len(numbers), np.int32)
    for document in range(len(offsets) - 1):
        first, stop = offsets[document], offsets[document + 1]
        n = number_keys(hashes, first, stop, slots, slot_keys, numbers, firsts)
        counted[:n] = 0
        for i in range(stop - first):
            counted[numbers[i]] += 1
        for i in range(stop - first):
            size, often = sizes[first + i], counted[numbers[i]] > 1
            found[0, document] += 1
            found[1, document] += size
            if often:
                found[2, document] += 1
                found[3, document] += size
            if often and firsts[numbers[i]] != i:
                found[4, document] += 1
                found[5, document] += size


@kernel
def top_gram(
    places: Numbers,
    firsts: Numbers,
    counted: Numbers,
    n_grams: int,
    ends: Integers,
    first: int,
    n: int,
    greedy: bool,
) -> int:
    """Characters of the most frequent n-gram's occurrences: the first of equals, or the longest (paper)."""
    best, most = 0, 1
    for gram in range(n_grams):
        if counted[gram] < max(most, 2):
            continue
        place = first + places[firsts[gram]]
        size = ends[place + n] - ends[place] + (n - 1 if greedy else 0)
        if counted[gram] > most or (not greedy and size * most > best):
            best, most = size * counted[gram], counted[gram]
    return best


@kernel
def repeated_characters(
    places: Numbers,
    numbers: Numbers,
    counted: Numbers,
    m: int,
    ends: Integers,
    first: int,
    n: int,
    greedy: bool,
    seen: Numbers,
) -> int:
    """Characters of the repeated n-grams; see the module for the two readings."""
    total, free = 0, 0
    for i in range(m):
        place, gram = places[i], numbers[i]
        if counted[gram] < 2 or (greedy and place < free):
            continue
        if not greedy:
            start = max(place, free)
            total += ends[first + place + n] - ends[first + start]
            free = place + n
        elif seen[gram] == n:
            total += ends[first + place + n] - ends[first + place]
            free = place + n
        else:
            seen[gram] = n
    return total


@kernel
def next_grams(places: Numbers, numbers: Numbers, counted: Numbers, m: int, last: int, keys: Hashes) -> int:
    """Keep the places up to `last` whose gram and whose right neighbour's repeat; their pairs become `keys`."""
    kept = 0
    for i in range(m - 1):
        if counted[numbers[i]] < 2 or places[i + 1] != places[i] + 1 or places[i] > last:
            continue
        if counted[numbers[i + 1]] < 2:
            continue
        keys[kept] = (np.uint64(numbers[i]) << _SHIFT) | np.uint64(numbers[i + 1])
        places[kept] = places[i]
        kept += 1
    return kept


@kernel
def grams_kernel(
    hashes: Hashes,
    ends: Integers,
    offsets: Integers,
    greedy: bool,
    slots: Numbers,
    slot_keys: Hashes,
    marks: npt.NDArray[np.uint8],
    room: Numbers,
    keys: Hashes,
    found: Integers,
) -> None:
    """Fill the rows of `gram_characters`; `room` is scratch of four rows, `keys` of one."""
    places, numbers, firsts, counted = room[0], room[1], room[2], room[3]
    seen = np.zeros(len(places), np.int32)
    for document in range(len(offsets) - 1):
        first, stop = offsets[document], offsets[document + 1]
        m = first_grams(hashes, first, stop, marks, keys, places)
        seen[: stop - first] = 0
        for n in range(2, 11):
            if m == 0 and (n > 4 or not greedy):
                break
            n_grams = number_keys(keys, 0, m, slots, slot_keys, numbers, firsts)
            counted[:n_grams] = 0
            for i in range(m):
                counted[numbers[i]] += 1
            if n > 4:
                found[document, n - 2] = repeated_characters(
                    places, numbers, counted, m, ends, first, n, greedy, seen
                )
            else:
                found[document, n - 2] = top_gram(places, firsts, counted, n_grams, ends, first, n, greedy)
                if greedy and found[document, n - 2] == 0 and stop - first >= n:
                    found[document, n - 2] = ends[first + n] - ends[first] + n - 1
            m = next_grams(places, numbers, counted, m, stop - first - n - 1, keys)
