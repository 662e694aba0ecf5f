"""An order-free fingerprint of a table's rows: equal multisets of rows have equal hashes, however sharded.

Parquet bytes differ between identical runs; this does not. Each row's columns are hashed to two 64-bit lanes,
which are added up over the rows, so that shards and their order do not matter and hashes merge by addition.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from text.hashing import fmix64, hash64

_LANES = (0, 0x9E3779B9)
_MASK = (1 << 64) - 1
_MULTIPLIER = np.uint64(0x9DDFEA08EB382D69)
_NULL = np.uint64(0x2545F4914F6CDD1D)


class RowHash:
    """Running sum of row hashes; `merge` adds another one's hexdigest."""

    def __init__(self) -> None:
        self._sums = [0, 0]

    def update(self, table: pa.Table) -> None:
        """Add all rows of `table`; lists, maps and structs may hold numbers, strings and each other."""
        for lane, seed in enumerate(_LANES):
            rows = np.full(table.num_rows, seed, np.uint64)
            for name in sorted(table.column_names):
                column = _one_array(table.column(name))
                rows = fmix64(rows * _MULTIPLIER + _column_hash(column, seed))
            total = int(np.bitwise_and(rows, 0xFFFFFFFF).sum()) + (int((rows >> np.uint64(32)).sum()) << 32)
            self._sums[lane] = (self._sums[lane] + total) & _MASK

    def merge(self, digest: str) -> None:
        """Add the rows behind another hash."""
        self._sums = [(a + int(digest[16 * i : 16 * i + 16], 16)) & _MASK for i, a in enumerate(self._sums)]

    def hexdigest(self) -> str:
        """32 hex digits."""
        return "".join(f"{s:016x}" for s in self._sums)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _column_hash(column: pa.Array, seed: int) -> np.ndarray:
    hashes = _hash_values(column, seed)
    if column.null_count:
        hashes = np.where(column.is_null().to_numpy(zero_copy_only=False), _NULL, hashes)
    return hashes


def _hash_values(column: pa.Array, seed: int) -> np.ndarray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _hash_values(column.cast(kind.value_type), seed)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return hash64(column.fill_null("" if not pa.types.is_binary(kind) else b""), seed)
    if pa.types.is_map(kind):
        pairs = fmix64(_column_hash(column.keys, seed) * _MULTIPLIER + _column_hash(column.items, seed))
        lengths = np.diff(column.offsets.to_numpy())
        return _hash_lists(pa.array(pairs), lengths, seed)
    if pa.types.is_struct(kind):
        hashes = np.full(len(column), seed, np.uint64)
        for field in column.flatten():
            hashes = fmix64(hashes * _MULTIPLIER + _column_hash(field, seed))
        return hashes
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        return _hash_lists(column.flatten(), lengths, seed)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    values = column.fill_null(0).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        values = values.astype(np.float64).view(np.uint64)
    return fmix64(values.astype(np.uint64) + np.uint64(seed))


def _hash_lists(items: pa.Array, lengths: np.ndarray, seed: int) -> np.ndarray:
    if pa.types.is_primitive(items.type) and not items.null_count:
        data = np.ascontiguousarray(items.to_numpy(zero_copy_only=False)).view(np.uint8)
        width = items.type.bit_width // 8
    else:
        data = _column_hash(items, seed).view(np.uint8)
        width = 8
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths * width, out=offsets[1:])
    binary = pa.Array.from_buffers(
        pa.large_binary(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    return hash64(binary, seed)
