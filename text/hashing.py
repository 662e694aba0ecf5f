"""64-bit hashes of bytes and the random numbers drawn from them.

All arithmetic is modulo 2^64. fmix64 is MurmurHash3's finaliser (Austin Appleby, public domain), a bijection:

    fmix64(x): x ^= x >> 33; x *= 0xFF51AFD7ED558CCD; x ^= x >> 33; x *= 0xC4CEB9FE1A85EC53; x ^= x >> 33

hash64 of bytes b with a seed: cut b into blocks of 8, pad the last with zero bytes, read each as a
little-endian integer; then

    h = fmix64(seed + 0x9E3779B97F4A7C15 * (len(b) + 1));    for each block: h = fmix64(h ^ block)

uniform(id, seed, purpose) = (hash64(id, hash64(purpose as UTF-8, seed)) >> 11) / 2^53.
None of them resists somebody who chooses the input to collide, nor does `digest128` (xxh3_128).
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from text.bits import load_u64
from text.buffers import text_buffer
from text.jit import kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_BITS_64 = np.uint64(64)


def fmix64(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Mix each uint64 of an array of any shape: every bit going in reaches every bit coming out."""
    mixed: npt.NDArray[np.uint64] = np.array(x, np.uint64, ndmin=1)
    mixed ^= mixed >> _SHIFT
    mixed *= _MIX_1
    mixed ^= mixed >> _SHIFT
    mixed *= _MIX_2
    mixed ^= mixed >> _SHIFT
    return mixed.reshape(np.shape(x))


@kernel
def fmix64_scalar(x: np.uint64) -> np.uint64:
    """`fmix64` of one uint64, for use inside kernels."""
    x ^= x >> _SHIFT
    x *= _MIX_1
    x ^= x >> _SHIFT
    x *= _MIX_2
    return x ^ (x >> _SHIFT)


@kernel
def load_block(data: npt.NDArray[np.uint8], position: int, size: int) -> np.uint64:
    """The `size` (1 to 8) bytes from `position` on, inside `data`, as a zero-padded little-endian uint64."""
    if position + 8 <= len(data):
        return load_u64(data, position) & (_ALL >> (_BITS_64 - np.uint64(8 * size)))
    block = np.uint64(0)
    for i in range(size):
        block |= np.uint64(data[position + i]) << np.uint64(8 * i)
    return block


@kernel
def hash64_bytes(data: npt.NDArray[np.uint8], start: int, end: int, seed: np.uint64) -> np.uint64:
    """hash64 of `data[start:end]`, for use inside kernels."""
    h = fmix64_scalar(seed + GOLDEN * np.uint64(end - start + 1))
    position = start
    while position + 8 <= end:
        h = fmix64_scalar(h ^ load_u64(data, position))
        position += 8
    if position < end:
        h = fmix64_scalar(h ^ load_block(data, position, end - position))
    return h


@kernel
def hash64_rows(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], seed: np.uint64
) -> npt.NDArray[np.uint64]:
    """hash64 of every row of a `TextBuffer`, uint64[n]."""
    hashes = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(hashes)):
        hashes[row] = hash64_bytes(data, offsets[row], offsets[row + 1], seed)
    return hashes


def hash64(texts: pa.Array | pa.ChunkedArray, seed: int = 0) -> npt.NDArray[np.uint64]:
    """64-bit hash of each row's raw bytes, uint64[n]; the seed counts modulo 2^64. Nulls are a ValueError."""
    data, offsets = text_buffer(texts)
    return hash64_rows(data, offsets, np.uint64(seed & 0xFFFFFFFFFFFFFFFF))


def uniform(ids: pa.Array | pa.ChunkedArray, seed: int, purpose: str) -> npt.NDArray[np.float64]:
    """One number in [0, 1) per id, float64[n] with 53 random bits, from (id, seed, purpose) alone.

    Draws for different purposes or seeds are independent; the order and number of ids does not matter.
    """
    key = int(hash64(pa.array([purpose]), seed)[0])
    draws: npt.NDArray[np.float64] = (hash64(ids, key) >> np.uint64(11)).astype(np.float64)
    return draws * np.float64(2.0**-53)


def digest128(texts: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """xxh3_128 of each row's raw bytes as 32 hex digits. Nulls are a ValueError."""
    data, offsets = text_buffer(texts)
    raw, rows = memoryview(data.data), pairwise(offsets.tolist())
    return pa.array([xxhash.xxh3_128_hexdigest(raw[start:end]) for start, end in rows], pa.string())
