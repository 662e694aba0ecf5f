"""Kernels of the n-gram model: keys of n-grams, the table that holds them, and log probabilities read from it.

A token is a word's hash (`text.words`), BEGIN or END. Tokens t_1 .. t_k have the key, modulo 2^64 with fmix64,

    key(t_1) = t_1 | 1;    key(t_1 .. t_k) = fmix64(key(t_1 .. t_k-1) * B + t_k) | 1,    B = 0xD6E8FEB86659FD93

so that a word's n-grams of all orders follow from the keys of the word before it. Two n-grams meet in 63 bits: among
100 million with a chance of 1 in 2,000. One open-addressed table holds the n-grams of all orders, 16 bytes a slot
(key, log10 probability, log10 backoff weight), so that a look-up is one cache line.
"""

import numpy as np
from numpy.typing import NDArray

from text.hashing import fmix64_scalar
from text.jit import kernel

MAX_ORDER = 5
BEGIN = np.uint64(0xB5297A4D3F84D5B5)
END = np.uint64(0x68E31DA4C7A9B2E7)

_BASE = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)

Keys = NDArray[np.uint64]
Places = NDArray[np.int64]
Floats = NDArray[np.float32]


@kernel
def keys_at(tokens: Keys, ends: Places, order: int) -> Keys:
    """Key of the n-gram of `order` tokens that ends at each of the places `ends`, both ends included."""
    keys = np.empty(len(ends), np.uint64)
    for i in range(len(ends)):
        first = ends[i] - order + 1
        key = tokens[first] | _ONE
        for place in range(first + 1, ends[i] + 1):
            key = fmix64_scalar(key * _BASE + tokens[place]) | _ONE
        keys[i] = key
    return keys


@kernel
def fill_tokens(hashes: Keys, offsets: Places, tokens: Keys, places: NDArray[np.uint8]) -> None:
    """Lay out BEGIN, the words and END of every document that has words; `places` count from BEGIN = 0 up to 255."""
    used = 0
    for document in range(len(offsets) - 1):
        first, stop = offsets[document], offsets[document + 1]
        if first == stop:
            continue
        tokens[used], places[used] = BEGIN, 0
        for word in range(first, stop):
            tokens[used + 1 + word - first] = hashes[word]
            places[used + 1 + word - first] = min(word - first + 1, 255)
        used += stop - first + 2
        tokens[used - 1], places[used - 1] = END, min(stop - first + 1, 255)


def table_of(keys: Keys, logs: Floats, backoffs: Floats) -> Keys:
    """The table of some n-grams, uint64[2 * slots], filled by two thirds at most. `backoffs` may be shorter."""
    slots = 1 << max(4, (3 * len(keys) // 2).bit_length())
    table = np.zeros(2 * slots, np.uint64)
    _place(keys, logs, backoffs, table, table.view(np.float32))
    return table


@kernel
def _place(keys: Keys, logs: Floats, backoffs: Floats, table: Keys, values: Floats) -> None:
    mask = len(table) // 2 - 1
    for i in range(len(keys)):
        slot = np.int64(keys[i] >> _ONE) & mask
        while table[2 * slot] != 0:
            slot = (slot + 1) & mask
        table[2 * slot] = keys[i]
        values[4 * slot + 2] = logs[i]
        values[4 * slot + 3] = backoffs[i] if i < len(backoffs) else np.float32(0)


@kernel
def score_tokens(
    hashes: Keys,
    offsets: Places,
    table: Keys,
    values: Floats,
    order: int,
    unknown: np.float32,
    logs: Floats,
    unknowns: Places,
) -> None:
    """Fill `logs` with the log10 probability of every word and of each document's end, float32[words + documents].

    That of the longest n-gram in the table that ends with the word, plus the backoff weights of the longer
    contexts. `values` is the table seen as float32; `unknowns` gets each document's number of unknown words.
    """
    mask = len(table) // 2 - 1
    keys = np.empty(MAX_ORDER, np.uint64)  # of the contexts that end with the word before, by length - 1
    backoffs = np.empty(MAX_ORDER, np.float32)
    begin = np.int64(BEGIN >> _ONE) & mask
    while table[2 * begin] != (BEGIN | _ONE):
        begin = (begin + 1) & mask
    for document in range(len(offsets) - 1):
        first, stop = offsets[document], offsets[document + 1]
        keys[0], backoffs[0] = BEGIN | _ONE, values[4 * begin + 3]
        known = 1
        missing = 0
        for place in range(first, stop + 1):
            token = END if place == stop else hashes[place]
            log, released, shorter = unknown, np.float32(0), np.uint64(0)
            matched = 0
            for length in range(1, min(order, known + 1) + 1):
                key = token | _ONE if length == 1 else fmix64_scalar(shorter * _BASE + token) | _ONE
                slot = np.int64(key >> _ONE) & mask
                while table[2 * slot] != key and table[2 * slot] != 0:
                    slot = (slot + 1) & mask
                if table[2 * slot] == 0:
                    break
                log = values[4 * slot + 2]
                matched = length
                shorter, released = keys[length - 1], backoffs[length - 1]
                keys[length - 1], backoffs[length - 1] = key, values[4 * slot + 3]
            if 0 < matched <= known:
                log += released
            for length in range(matched + 1, known + 1):
                log += backoffs[length - 1]
            missing += matched == 0
            known = min(matched, order - 1)
            logs[place + document] = log
        unknowns[document] = missing


@kernel
def sum_logs(logs: Floats, offsets: Places) -> NDArray[np.float64]:
    """Sum of each document's log10 probabilities, as `score_tokens` lays them out; float64."""
    sums = np.zeros(len(offsets) - 1, np.float64)
    for document in range(len(sums)):
        for place in range(offsets[document] + document, offsets[document + 1] + document + 1):
            sums[document] += logs[place]
    return sums
