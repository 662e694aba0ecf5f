"""Arrow text as the two NumPy arrays that kernels read: all bytes in a row, and where each row begins."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class TextBuffer(NamedTuple):
    """Row i is `data[offsets[i]:offsets[i + 1]]`; offsets[0] = 0 and offsets[n] = len(data), in bytes.

    Both are read-only, so that a kernel is compiled for one signature, and keep Arrow's memory alive.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]


def text_buffer(texts: pa.Array | pa.ChunkedArray) -> TextBuffer:
    """View a string, large_string, binary or large_binary array (slices too) as a `TextBuffer`.

    The bytes are never copied, but for a ChunkedArray of several chunks; 32-bit offsets are widened.
    Raises ValueError naming the first null row, TypeError for any other type.
    """
    array = _one_chunk(texts)
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise ValueError(
            f"row {row} of the texts is null, expected a text: drop or fill nulls before this call"
        )
    if len(array) == 0:
        return _read_only(np.empty(0, np.uint8), np.zeros(1, np.int64))
    _, offset_buffer, data_buffer = array.buffers()
    width = np.int64 if _is_large(array.type) else np.int32
    raw = np.frombuffer(offset_buffer, width)[array.offset : array.offset + len(array) + 1]
    first, last = int(raw[0]), int(raw[-1])
    data = np.empty(0, np.uint8) if first == last else np.frombuffer(data_buffer, np.uint8)[first:last]
    offsets = raw.astype(np.int64, copy=False)
    return _read_only(data, offsets - first if first else offsets)


def _one_chunk(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not (
        _is_small(texts.type) or _is_large(texts.type) or (pa.types.is_null(texts.type) and not len(texts))
    ):
        raise TypeError(
            f"texts are {texts.type}, expected string, large_string, binary or large_binary: cast them"
        )
    if not isinstance(texts, pa.ChunkedArray):
        return texts
    if texts.num_chunks == 1:
        return texts.chunk(0)
    # 32-bit offsets overflow where the chunks together pass 2 GiB.
    wide = pa.large_string() if pa.types.is_string(texts.type) else pa.large_binary()
    target = wide if _is_small(texts.type) else texts.type
    return pa.concat_arrays([chunk.cast(target) for chunk in texts.chunks] or [pa.array([], target)])


def _is_small(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _is_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _read_only(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> TextBuffer:
    data.setflags(write=False)
    offsets.setflags(write=False)
    return TextBuffer(data, offsets)
