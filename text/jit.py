"""The one way this project compiles a kernel: nopython, no GIL, cached on disk.

Numba looks only at a kernel's own file when it decides whether cached machine code is still good, but kernels
call kernels of other files. So the cache stands in a folder named after all kernel sources together, below
GRISTMILL_CACHE, else XDG_CACHE_HOME/gristmill, else ~/.cache/gristmill: an edit anywhere starts a new one, and an
installation that cannot be written to has a cache as well. NUMBA_CACHE_DIR, where it is set, wins.
"""

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])

_PACKAGES = ("text", "quality", "dedup", "pipelines")
_MARK = b"text.jit import"


def cache_folder() -> Path:
    """Folder for what can be made again."""
    if os.environ.get("GRISTMILL_CACHE"):
        return Path(os.environ["GRISTMILL_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gristmill"


def kernel(function: F) -> F:
    """Compile `function` with numba at its first call; the machine code is kept on disk for later processes."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@functools.cache
def sources_digest() -> str:
    """Digest of all kernel sources, as this process would compile them."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            source = path.read_bytes()
            if package == "text" or _MARK in source:
                digest.update(source)
    return digest.hexdigest()[:16]


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(  # type: ignore[attr-defined]
        cache_folder() / "kernels" / sources_digest()
    )
