"""MinHash signatures of word shingles, bit for bit those of datasketch 2.0's scheme "affine32".

A shingle is a run of `ngram` words (text.ngrams); a document with fewer words has the one shingle that it
can fill, so short documents are compared like all others. Of a shingle's 64-bit hash the lower 32 bits
count.

    h = fmix32(lower 32 bits);  signature[p] = min over shingles of a[p] * h + b[p]   (modulo 2**32)

a is odd, so each permutation is a bijection of 32-bit numbers. An empty document keeps 0xFFFFFFFF
everywhere. Source of scheme and constants: datasketch/minhash.py (affine32), MurmurHash3's 32-bit
finaliser. The share of equal components of two signatures estimates the Jaccard similarity J of the shingle
sets with standard error sqrt(J(1 - J) / num_perm).
"""

from functools import lru_cache
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dedup.bands import optimal_bands
from text.buffers import Texts
from text.jit import kernel
from text.ngrams import Grams, ngrams
from text.words import segment

EMPTY = 0xFFFFFFFF
_SHIFT_16 = np.uint32(16)
_SHIFT_13 = np.uint32(13)
_MIX_1 = np.uint32(0x85EBCA6B)
_MIX_2 = np.uint32(0xC2B2AE35)
_EMPTY = np.uint32(EMPTY)


class BandTarget(BaseModel):
    """The similarity that a banding should separate at, and how the two kinds of error weigh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(
        default=0.75,
        description="Jaccard similarity, 0..1, from which pairs should become candidates",
        gt=0,
        le=1,
    )
    false_positive_weight: float = Field(
        default=0.5, description="weight of candidates below the threshold", ge=0, le=1
    )
    false_negative_weight: float = Field(
        default=0.5, description="weight of pairs missed above the threshold", ge=0, le=1
    )

    @model_validator(mode="after")
    def _weigh_something(self) -> Self:
        if self.false_positive_weight + self.false_negative_weight == 0:
            raise ValueError("false_positive_weight and false_negative_weight are both 0; raise one of them")
        return self


class MinHashConfig(BaseModel):
    """How documents become signatures and signatures become LSH bands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_perm: int = Field(default=112, description="components of a signature (permutations)", ge=1, le=1024)
    ngram: int = Field(default=5, description="words of a shingle", ge=1, le=64)
    bands: int = Field(
        default=14, description="LSH bands; one equal band makes two documents candidates", ge=1, le=1024
    )
    rows: int = Field(default=8, description="signature components of a band", ge=1, le=1024)
    seed: int = Field(default=1, description="seed of the permutations", ge=0, le=2**32 - 1)
    target: BandTarget | None = Field(
        default=None,
        description="choose bands and rows by the least error at a threshold (dedup.bands.optimal_bands) "
        "in place of the numbers given; null: take those",
    )

    @model_validator(mode="after")
    def _bands_fit(self) -> Self:
        if self.target is not None:
            bands, rows = optimal_bands(num_perm=self.num_perm, **self.target.model_dump())
            # The model is frozen for its users; until this returns it has none.
            object.__setattr__(self, "bands", bands)
            object.__setattr__(self, "rows", rows)
        if self.bands * self.rows > self.num_perm:
            raise ValueError(
                f"bands * rows = {self.bands} * {self.rows} = {self.bands * self.rows} exceeds num_perm = "
                f"{self.num_perm}; raise num_perm or lower bands or rows"
            )
        return self


def signatures(texts: Texts, config: MinHashConfig) -> pa.FixedSizeListArray:
    """One signature a text, fixed_size_list<uint32>[num_perm]; a null is a ValueError that names its row."""
    return signature_array(signature_matrix_of(shingles(texts, config), config))


def shingles(texts: Texts, config: MinHashConfig) -> Grams:
    """64-bit hashes of every text's shingles in order of appearance, repeats included."""
    return ngrams(segment(texts), config.ngram)


def signature_matrix_of(grams: Grams, config: MinHashConfig) -> np.ndarray:
    """Signatures of documents given by their shingles: uint32[n_documents, num_perm]."""
    factors, offsets = permutations(config.num_perm, config.seed)
    matrix = np.empty((len(grams.offsets) - 1, config.num_perm), dtype=np.uint32)
    _minimise(grams.hashes, grams.offsets, factors, offsets, matrix)
    return matrix


def signature_array(matrix: np.ndarray) -> pa.FixedSizeListArray:
    """uint32[n, num_perm] as an Arrow fixed_size_list, without a copy."""
    values = pa.array(np.ascontiguousarray(matrix).reshape(-1), type=pa.uint32())
    return pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])


def signature_matrix(column: Any) -> np.ndarray:
    """A signature column (array or chunked array) as uint32[n, num_perm]."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_fixed_size_list(array.type) or array.type.value_type != pa.uint32():
        raise ValueError(f"signatures should be fixed_size_list<uint32>, found {array.type}")
    return np.asarray(array.flatten()).reshape(len(array), array.type.list_size)


@lru_cache(maxsize=16)
def permutations(num_perm: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors (odd) and addends of the permutations, uint32[num_perm] each, drawn in datasketch's order."""
    generator = np.random.RandomState(seed)
    factors = generator.randint(0, 2**31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    addends = generator.randint(0, 2**32, num_perm, dtype=np.uint32)
    factors.setflags(write=False)
    addends.setflags(write=False)
    return factors, addends


def shingle_ints(hashes: np.ndarray) -> np.ndarray:
    """The 32 bits of each shingle hash that signatures are made of, uint32[n]: what to feed datasketch."""
    return hashes.astype(np.uint32)


def count_distinct(grams: Grams) -> np.ndarray:
    """Distinct shingles of each document, int64[n]."""
    return _count_distinct(grams.hashes, grams.offsets)


@kernel
def _minimise(
    hashes: np.ndarray, offsets: np.ndarray, factors: np.ndarray, addends: np.ndarray, matrix: np.ndarray
) -> None:
    """Four shingles a round: factors, addends and the row pass through the registers once for the four."""
    for document in range(offsets.shape[0] - 1):
        row = matrix[document]
        row[:] = _EMPTY
        start, end = offsets[document], offsets[document + 1]
        fours = start + (end - start) // 4 * 4
        for i in range(start, fours, 4):
            h0, h1 = _mixed(hashes[i]), _mixed(hashes[i + 1])
            h2, h3 = _mixed(hashes[i + 2]), _mixed(hashes[i + 3])
            for p in range(factors.shape[0]):
                a, b = factors[p], addends[p]
                first = min(np.uint32(a * h0 + b), np.uint32(a * h1 + b))
                second = min(np.uint32(a * h2 + b), np.uint32(a * h3 + b))
                row[p] = min(row[p], min(first, second))
        for i in range(fours, end):
            h = _mixed(hashes[i])
            for p in range(factors.shape[0]):
                row[p] = min(row[p], np.uint32(factors[p] * h + addends[p]))


@kernel
def _mixed(value: np.uint64) -> np.uint32:
    """datasketch's fmix32 of the lower 32 bits of a shingle's hash."""
    h = np.uint32(value)
    h ^= h >> _SHIFT_16
    h = np.uint32(h * _MIX_1)
    h ^= h >> _SHIFT_13
    h = np.uint32(h * _MIX_2)
    h ^= h >> _SHIFT_16
    return h


@kernel
def _count_distinct(hashes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Open addressing in one table that is reused; the hashes are mixed, so their lower bits are the slot."""
    counts = np.zeros(offsets.shape[0] - 1, dtype=np.int64)
    longest = 0
    for document in range(counts.shape[0]):
        longest = max(longest, offsets[document + 1] - offsets[document])
    table = np.empty(_table_size(longest), dtype=np.uint64)
    for document in range(counts.shape[0]):
        size = _table_size(offsets[document + 1] - offsets[document])
        table[:size] = 0
        mask = np.uint64(size - 1)
        zeros = 0
        count = 0
        for i in range(offsets[document], offsets[document + 1]):
            value = hashes[i]
            if value == 0:
                zeros = 1
                continue
            slot = value & mask
            while table[slot] != 0 and table[slot] != value:
                slot = (slot + np.uint64(1)) & mask
            if table[slot] == 0:
                table[slot] = value
                count += 1
        counts[document] = count + zeros
    return counts


@kernel
def _table_size(items: int) -> int:
    size = 2
    while size < 2 * items:
        size *= 2
    return size
