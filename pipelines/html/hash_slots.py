"""Open addressing for kernels: where a key stands in a table whose size is a power of two."""

import numpy as np

from pipelines.html.borrow import borrowing
from pipelines.html.page_arrays import Hashes
from text.jit import kernel

_STEP, _SHIFT, _ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(20), np.uint64(1)


def slots_for(keys: int) -> int:
    """Size of a table that so many keys fill by two thirds at most."""
    return 1 << (3 * keys // 2 + 16).bit_length()


@borrowing
@kernel
def slot_of(table: Hashes, key: np.uint64) -> np.int64:
    """Slot of a key, put there if it is new; 0 marks a free slot, and keys count without their lowest bit."""
    key |= _ODD
    mask = table.size - 1
    slot = np.int64((key * _STEP) >> _SHIFT) & mask
    while table[slot] != 0 and table[slot] != key:
        slot = (slot + 1) & mask
    table[slot] = key
    return slot
