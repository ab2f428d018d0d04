"""Memory that nobody uses any more, back to the system.

The allocators of C and Arrow keep what was freed for later. Over the steps of a large scan that adds up to gigabytes
which no later step asks for in the same pieces.
"""

import ctypes
from functools import cache

import pyarrow as pa


def return_unused() -> None:
    """Give back what the allocators of Arrow and, where it is glibc, of C hold without need."""
    pa.default_memory_pool().release_unused()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> "ctypes._NamedFuncPointer | None":
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        # Another C library, or none that can be asked (musl, macOS, Windows).
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim
