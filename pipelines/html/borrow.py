"""Kernels that only borrow their arrays: no reference is counted, which small kernels spend most time on.

Numba counts a reference for every array argument of every call, with atomic instructions; a scanner that
calls a few dozen small kernels a tag was three times as slow for it. A borrowing kernel may neither create an
array nor return one it did not get: numba refuses to compile that.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])


def borrowing(kernel: F) -> F:
    """A kernel of `text.jit`, before its first call, told to count no references."""
    cast(Any, kernel).targetoptions["_nrt"] = False
    return kernel
