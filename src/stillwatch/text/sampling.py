"""Draws that depend on a string alone: the same rows are sampled on every machine, engine and run."""

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from stillwatch.text.hashing import combine


@njit(nogil=True, cache=True)
def _hash_rows(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], seed: np.uint64, out: NDArray[np.uint64]
) -> None:
    for row in range(len(out)):
        h = seed
        for position in range(offsets[row], offsets[row + 1]):
            h = combine(h, np.uint64(data[position]))
        out[row] = h


def hash_of(values: pa.Array, seed: int) -> NDArray[np.uint64]:
    """64-bit hash of the bytes of each string, shape (n,); null counts as the empty string."""
    binary = values.cast(pa.large_binary()).fill_null(b"")
    _, offset_buffer, data_buffer = binary.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[binary.offset : binary.offset + len(binary) + 1]
    data = (
        np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.zeros(0, dtype=np.uint8)
    )
    out = np.empty(len(binary), dtype=np.uint64)
    _hash_rows(offsets, data, np.uint64(seed), out)
    return out


def uniform_of(values: pa.Array, seed: int) -> pa.Array:
    """A number in [0, 1) for each string, float64; draws of different seeds are independent."""
    return pa.array((hash_of(values, seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53)
