"""No kernel reads a byte past its data: the data ends where a page begins that may not be read."""

import subprocess
import sys

PROGRAM = """
import ctypes, mmap
import numpy as np
from text.hashing import hash64_rows
from text.words import segment_buffer

pages = mmap.mmap(-1, 2 * mmap.PAGESIZE)
address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
protect = ctypes.CDLL(None, use_errno=True).mprotect
protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
assert protect(address + mmap.PAGESIZE, mmap.PAGESIZE, 0) == 0, ctypes.get_errno()
memory = np.frombuffer(pages, np.uint8)
for raw in (b"a" * 70, b"ab ", "caf\\u00e9\\u4e2d\\U00010400".encode(), b"a\\xf0\\x90", b"\\xe4\\xb8"):
    for size in range(1, len(raw) + 1):
        data = memory[mmap.PAGESIZE - size : mmap.PAGESIZE]
        for piece in (raw[:size], raw[len(raw) - size :]):
            data[:] = np.frombuffer(piece, np.uint8)
            segment_buffer(data, np.array([0, size]))
            hash64_rows(data, np.array([0, size]), np.uint64(0))
print("read nothing else")
"""


def test_nothing_is_read_past_the_data():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "read nothing else"), done.stderr[-2000:]
