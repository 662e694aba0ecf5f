"""Machine words for kernels: unaligned 64-bit loads, trailing zeros, set bits. Each compiles to one instruction."""

from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_Generated: TypeAlias = tuple[Any, Callable[..., Any]] | None


@intrinsic
def load_u64(typing_context: Any, data: Any, position: Any) -> _Generated:
    """`load_u64(data, position)`: bytes position .. position + 7 of a contiguous uint8 array, first byte lowest.

    Nothing is checked: the caller guarantees 0 <= position <= len(data) - 8. Little-endian machines only, as Arrow.
    """
    if (
        not isinstance(data, types.Array)
        or data.dtype != types.uint8
        or not isinstance(position, types.Integer)
    ):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        address = builder.gep(array.data, [index], inbounds=True)
        return builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, position), generate


@intrinsic
def trailing_zeros(typing_context: Any, value: Any) -> _Generated:
    """`trailing_zeros(value)`: index (int64) of the lowest set bit of a uint64; undefined for 0."""
    if value != types.uint64:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], cgutils.true_bit)

    return types.int64(value), generate


@intrinsic
def count_ones(typing_context: Any, value: Any) -> _Generated:
    """`count_ones(value)`: number (int64) of set bits of a uint64."""
    if value != types.uint64:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(value), generate
