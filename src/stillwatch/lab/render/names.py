"""Random names as text: a prefix and sixteen hexadecimal digits, written straight into Arrow's buffers."""

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_WIDTH = 16


def hex_strings(
    names: NDArray[np.uint64], prefix: str = "", *, missing: NDArray[np.bool_] | None = None
) -> pa.Array:
    """One string a number; null where `missing`."""
    head = np.frombuffer(prefix.encode("ascii"), np.uint8)
    width = len(head) + _WIDTH
    data = np.empty(len(names) * width, np.uint8)
    _write(names, head, _DIGITS, data)
    offsets = np.arange(len(names) + 1, dtype=np.int32) * np.int32(width)
    valid = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.StringArray.from_buffers(len(names), pa.py_buffer(offsets), pa.py_buffer(data), valid)


@njit(cache=True, nogil=True)
def _write(
    names: NDArray[np.uint64], head: NDArray[np.uint8], digits: NDArray[np.uint8], data: NDArray[np.uint8]
) -> None:  # pragma: no cover - compiled
    width = len(head) + 16
    for place in range(len(names)):
        at = place * width
        data[at : at + len(head)] = head
        value = names[place]
        for digit in range(width - 1, len(head) - 1, -1):
            data[at + digit] = digits[value & np.uint64(15)]
            value >>= np.uint64(4)
