"""The one way this project compiles a kernel: nopython, no GIL, cached on disk."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile `function` with numba at its first call; the machine code is kept on disk for later processes."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
