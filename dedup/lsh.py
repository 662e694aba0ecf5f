"""Locality-sensitive hashing: which pairs of documents are worth comparing, at a cost linear in documents.

A signature is cut into `bands` bands of `rows` components; documents that agree in a whole band share a
bucket. Two documents of similarity J share at least one with probability 1 - (1 - J**rows)**bands
(dedup.bands); 14 x 8 gives

    J     0.50   0.60   0.70   0.75   0.80   0.85   0.90
    P     0.053  0.211  0.565  0.772  0.924  0.988  0.9996

The number of pairs must not grow with the square of a bucket. Up to `max_pairs_bucket` documents all pairs
are candidates; in a larger bucket (a hub: thousands of copies, or of pages from one template) every
document is paired with the first one and with the next one, 2 s - 3 pairs for s documents. Within a bucket
the documents stand in the order of their content ids, so that the pairs depend neither on shards nor on
their order; the same documents in several buckets then also yield the same pairs, which fall together.

Everything that an engine has to shuffle is int64: (key, order, location).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.minhash import EMPTY, MinHashConfig
from text.buffers import text_buffer
from text.hashing import fmix64, fmix64_scalar, hash64
from text.jit import kernel

Int64s = npt.NDArray[np.int64]

NO_KEY = 0
"""Band key of a document without words: it stands in no bucket."""

ROW_BITS = 32
_CHUNK = 1 << 16
_ID_DIGITS = 32
_SCOPE_SEED = 0x5C09E
_EMPTY = np.uint32(EMPTY)


def band_keys(signatures: npt.NDArray[np.uint32], config: MinHashConfig) -> Int64s:
    """Bucket keys of every document, int64[n, bands]; `NO_KEY` throughout for a document without words.

    A key mixes the band's components with its number and with seed and n-gram length, so that neither two
    bands nor the sketches of two configurations ever meet in a bucket but by chance (2**-64 a pair).
    """
    if signatures.ndim != 2 or signatures.shape[1] != config.num_perm:
        raise ValueError(
            f"signatures have shape {signatures.shape}, expected (n, {config.num_perm}) for num_perm"
        )
    salt = fmix64(np.array([(config.seed << 8) | config.ngram], dtype=np.uint64))[0]
    salts = fmix64(salt + np.arange(1, config.bands + 1, dtype=np.uint64))
    keys = np.empty((len(signatures), config.bands), dtype=np.uint64)
    _band_keys(signatures, salts, config.rows, keys)
    return keys.view(np.int64)


def scoped_keys(keys: Int64s, values: Any) -> Int64s:
    """`keys` (int64[n, any]) mixed with one text a document: documents meet only where that text is the same.

    `NO_KEY` stays. Keys of different texts meet but by chance, 2**-64 a pair.
    """
    salts = hash64(values, _SCOPE_SEED)
    mixed = fmix64(keys.view(np.uint64) ^ salts[:, None])
    mixed[mixed == NO_KEY] = 1
    return np.where(keys == NO_KEY, NO_KEY, mixed.view(np.int64))


def exact_keys(exact_hashes: Any) -> Int64s:
    """Bucket keys of exact hashes (hex digests), int64[n]: one more "band", in which identical texts meet."""
    keys = fmix64(_leading_digits(exact_hashes, "exact_hash"))
    return np.where(keys == NO_KEY, np.uint64(1), keys).view(np.int64)


def content_order(doc_ids: Any) -> Int64s:
    """The upper 63 bits of every document id (32 hex digits), int64[n] >= 0: an order free of sharding."""
    return (_leading_digits(doc_ids, "doc_id") >> np.uint64(1)).astype(np.int64)


def locations(shard: int, rows: Int64s) -> Int64s:
    """Shard number and row packed in one int64: shard in the upper 31 bits, row in the lower 32."""
    return (np.int64(shard) << ROW_BITS) | rows.astype(np.int64)


def shard_of(places: Int64s) -> Int64s:
    """Shard numbers of packed locations."""
    return places >> ROW_BITS


def row_of(places: Int64s) -> Int64s:
    """Rows of packed locations."""
    return places & ((1 << ROW_BITS) - 1)


class Pairs(NamedTuple):
    """Candidate pairs, left the document that is first in content order, and the number of hub buckets."""

    left: Int64s
    right: Int64s
    hubs: int


class BucketPairs:
    """Candidate pairs from a stream of (key, location) sorted by key, then content order, in bounded memory.

    A bucket may reach over any number of batches: only `max_pairs_bucket` of its locations are ever held.
    """

    def __init__(self, max_pairs_bucket: int) -> None:
        self._held = np.empty(max_pairs_bucket, dtype=np.int64)
        # Key of the open bucket, its documents so far, the last of them, hub buckets so far.
        self._state = np.zeros(4, dtype=np.int64)

    @property
    def hubs(self) -> int:
        """Buckets so far that were too large for all pairs."""
        return int(self._state[3])

    def feed(self, keys: Int64s, places: Int64s) -> tuple[Int64s, Int64s]:
        """Left and right locations of the pairs that are certain after this batch."""
        limit = len(self._held)
        room = limit * limit + len(keys) * (limit // 2 + 2)
        left, right = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        n = _feed(keys, places, self._state, self._held, left, right)
        return left[:n].copy(), right[:n].copy()

    def finish(self) -> tuple[Int64s, Int64s]:
        """The pairs of the bucket that was still open; nothing may be fed afterwards."""
        limit = len(self._held)
        left, right = np.empty(limit * limit, dtype=np.int64), np.empty(limit * limit, dtype=np.int64)
        n = _close(self._state, self._held, left, right, 0)
        return left[:n], right[:n]


def candidate_pairs(keys: Int64s, orders: Int64s, places: Int64s, max_pairs_bucket: int) -> Pairs:
    """Distinct candidate pairs of (key, content order, location) rows in any order: the join in memory."""
    rows = np.lexsort((places, orders, keys))
    keys, places = keys[rows], places[rows]
    stream = BucketPairs(max_pairs_bucket)
    found = [stream.feed(keys[i : i + _CHUNK], places[i : i + _CHUNK]) for i in range(0, len(keys), _CHUNK)]
    found.append(stream.finish())
    left, right = (np.concatenate(side) for side in zip(*found, strict=True))
    pairs = np.unique(np.stack([left, right], axis=1), axis=0)
    return Pairs(pairs[:, 0].copy(), pairs[:, 1].copy(), stream.hubs)


def _leading_digits(column: Any, name: str) -> npt.NDArray[np.uint64]:
    """The first 16 of 32 hex digits of every row as a number."""
    data, offsets = text_buffer(column)
    lengths = np.diff(offsets)
    wrong = np.flatnonzero(lengths != _ID_DIGITS)
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(
            f"{name} of row {row} has {lengths[row]} characters, expected {_ID_DIGITS} hex digits"
        )
    numbers = np.empty(len(lengths), dtype=np.uint64)
    bad = _parse_hex(data, numbers)
    if bad >= 0:
        raise ValueError(
            f"{name} of row {bad} is not hexadecimal, expected {_ID_DIGITS} lower-case hex digits"
        )
    return numbers


@kernel
def _parse_hex(data: npt.NDArray[np.uint8], numbers: npt.NDArray[np.uint64]) -> int:
    for row in range(numbers.shape[0]):
        number = np.uint64(0)
        for i in range(16):
            digit = data[row * _ID_DIGITS + i]
            if 0x30 <= digit <= 0x39:
                value = digit - 0x30
            elif 0x61 <= digit <= 0x66:
                value = digit - 0x61 + 10
            else:
                return row
            number = (number << np.uint64(4)) | np.uint64(value)
        numbers[row] = number
    return -1


@kernel
def _band_keys(
    signatures: npt.NDArray[np.uint32], salts: npt.NDArray[np.uint64], rows: int, keys: npt.NDArray[np.uint64]
) -> None:
    for document in range(signatures.shape[0]):
        signature = signatures[document]
        has_words = False
        for component in signature:
            has_words |= component != _EMPTY
        for band in range(salts.shape[0]):
            key = salts[band]
            for i in range(band * rows, (band + 1) * rows):
                key = fmix64_scalar(key ^ np.uint64(signature[i]))
            keys[document, band] = max(key, np.uint64(1)) if has_words else np.uint64(NO_KEY)


@kernel
def _feed(keys: Int64s, places: Int64s, state: Int64s, held: Int64s, left: Int64s, right: Int64s) -> int:
    limit = held.shape[0]
    n = 0
    for i in range(keys.shape[0]):
        if keys[i] != state[0]:
            n = _close(state, held, left, right, n)
            state[0] = keys[i]
            state[1] = 0
        place = places[i]
        count = state[1]
        if count == limit:
            state[3] += 1
            for j in range(1, limit):
                n = _star(held[0], held[j - 1], held[j], left, right, n)
        if count >= limit:
            n = _star(held[0], state[2], place, left, right, n)
        else:
            held[count] = place
        state[2] = place
        state[1] = count + 1
    return n


@kernel
def _star(centre: int, previous: int, place: int, left: Int64s, right: Int64s, n: int) -> int:
    left[n], right[n] = centre, place
    n += 1
    if previous != centre:
        left[n], right[n] = previous, place
        n += 1
    return n


@kernel
def _close(state: Int64s, held: Int64s, left: Int64s, right: Int64s, n: int) -> int:
    """All pairs of the open bucket, unless it is a hub, whose pairs are out already."""
    if state[1] > held.shape[0]:
        return n
    for i in range(state[1]):
        for j in range(i + 1, state[1]):
            left[n], right[n] = held[i], held[j]
            n += 1
    return n
