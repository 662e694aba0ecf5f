"""Machine instructions for kernels that numba does not offer: unaligned load, trailing zeros, set bits."""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_Generated: TypeAlias = tuple[Any, Callable[..., Any]] | None


def _load_u64(typing_context: Any, data: Any, position: Any) -> _Generated:
    bytes_in_a_row = isinstance(data, types.Array) and data.dtype == types.uint8 and data.is_contig
    if not bytes_in_a_row or not isinstance(position, types.Integer):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        address = builder.gep(array.data, [index], inbounds=True)
        return builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, position), generate


def _trailing_zeros(typing_context: Any, value: Any) -> _Generated:
    if value != types.uint64:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], cgutils.true_bit)

    return types.int64(value), generate


def _count_ones(typing_context: Any, value: Any) -> _Generated:
    if value != types.uint64:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(value), generate


load_u64 = cast(Callable[[npt.NDArray[np.uint8], int | np.int64], np.uint64], intrinsic(_load_u64))
"""`load_u64(data, position)`: bytes position .. position + 7, the first lowest (little-endian machines only).

Nothing is checked: the caller guarantees 0 <= position <= len(data) - 8."""

trailing_zeros = cast(Callable[[np.uint64], int], intrinsic(_trailing_zeros))
"""`trailing_zeros(value)`: index of the lowest set bit; undefined for 0."""

count_ones = cast(Callable[[np.uint64], int], intrinsic(_count_ones))
"""`count_ones(value)`: number of set bits."""
