"""Texts of any caller as Arrow, and Arrow text as the two NumPy arrays that kernels read.

Those are all bytes in a row, and where each row begins.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# What `as_texts` takes; pandas and polars Series, untyped here, too.
Texts: TypeAlias = pa.Array | pa.ChunkedArray | Sequence[str] | Sequence[bytes] | npt.NDArray[Any]

_EXPECTED = (
    "expected an Arrow array of string, large_string, binary or large_binary (a view or a dictionary of them "
    "too), or a list, NumPy array or Series of str"
)

# The type with 64-bit offsets that holds the texts of each type.
_WIDE = {
    pa.string(): pa.large_string(),
    pa.large_string(): pa.large_string(),
    pa.string_view(): pa.large_string(),
    pa.binary(): pa.large_binary(),
    pa.large_binary(): pa.large_binary(),
    pa.binary_view(): pa.large_binary(),
}


class TextBuffer(NamedTuple):
    """Row i is `data[offsets[i]:offsets[i + 1]]`; offsets[0] = 0 and offsets[n] = len(data), in bytes.

    Both are read-only, so that a kernel is compiled for one signature, and keep Arrow's memory alive.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]


def as_texts(texts: Texts) -> pa.Array | pa.ChunkedArray:
    """Texts as string, large_string, binary or large_binary without nulls: the door of every public function.

    Arrays and chunked arrays of these types come back as they are. Views, dictionaries, sequences and NumPy
    arrays of str or bytes, pandas Series and whatever else exports Arrow data (polars) are copied to a large
    type. Raises ValueError naming the first null row, TypeError for anything else.
    """
    array = _readable(texts if isinstance(texts, pa.Array | pa.ChunkedArray) else _imported(texts))
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise ValueError(
            f"row {row} of the texts is null, expected a text: drop or fill nulls before this call"
        )
    return array


def text_buffer(texts: Texts) -> TextBuffer:
    """View texts of any kind that `as_texts` takes, slices too, as a `TextBuffer`; its errors are raised.

    The bytes of a string, large_string, binary or large_binary array are never copied, but for a ChunkedArray
    of several chunks; 32-bit offsets are widened.
    """
    array = _one_chunk(as_texts(texts))
    if len(array) == 0:
        return _read_only(np.empty(0, np.uint8), np.zeros(1, np.int64))
    _, offset_buffer, data_buffer = array.buffers()
    width = np.int64 if _is_large(array.type) else np.int32
    raw = np.frombuffer(offset_buffer, width)[array.offset : array.offset + len(array) + 1]
    first, last = int(raw[0]), int(raw[-1])
    data = np.empty(0, np.uint8) if first == last else np.frombuffer(data_buffer, np.uint8)[first:last]
    offsets = raw.astype(np.int64, copy=False)
    return _read_only(data, offsets - first if first else offsets)


def _imported(texts: Any) -> pa.Array | pa.ChunkedArray:
    """What is not Arrow's, as Arrow: by its own export where it has one, else value by value."""
    listed = isinstance(texts, Sequence) and not isinstance(texts, str | bytes | bytearray | memoryview)
    if not listed and hasattr(texts, "__arrow_c_stream__"):
        return pa.chunked_array(texts)
    if not listed and (not hasattr(texts, "__array__") or texts.ndim != 1):
        raise TypeError(f"texts are one {type(texts).__name__}, {_EXPECTED}")
    try:
        return pa.array(texts, pa.large_string(), from_pandas=True)
    except pa.ArrowInvalid:  # bytes that are not UTF-8
        return pa.array(texts, pa.large_binary(), from_pandas=True)
    except (pa.ArrowTypeError, pa.ArrowNotImplementedError):
        raise TypeError(f"{_first_foreign(texts)}, {_EXPECTED}") from None


def _first_foreign(texts: Any) -> str:
    """The first row that is neither a text nor null; the whole where each by itself would do."""
    for row, value in enumerate(texts):
        try:
            pa.array([value], pa.large_binary(), from_pandas=True)
        except pa.ArrowException:
            return f"row {row} of the texts is {type(value).__name__}"
    return f"texts are {getattr(texts, 'dtype', type(texts).__name__)}"


def _readable(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """`texts` as they are where their type has offsets, else copied to a type that has."""
    kind = texts.type
    if _is_small(kind) or _is_large(kind):
        return texts
    if pa.types.is_null(kind) and not len(texts):
        return texts.cast(pa.large_string())
    coded = pa.types.is_dictionary(kind)
    values = kind.value_type if coded else kind
    if values not in _WIDE:
        raise TypeError(f"texts are {kind}, {_EXPECTED}")
    target = _WIDE[values]
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    copies = [c.dictionary.cast(target).take(c.indices) if coded else c.cast(target) for c in chunks]
    return pa.chunked_array(copies, target) if isinstance(texts, pa.ChunkedArray) else copies[0]


def _one_chunk(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(texts, pa.ChunkedArray):
        return texts
    if texts.num_chunks == 1:
        return texts.chunk(0)
    # 32-bit offsets overflow where the chunks together pass 2 GiB.
    target = _WIDE[texts.type]
    return pa.concat_arrays([chunk.cast(target) for chunk in texts.chunks] or [pa.array([], target)])


def _is_small(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _is_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _read_only(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> TextBuffer:
    data.setflags(write=False)
    offsets.setflags(write=False)
    return TextBuffer(data, offsets)
