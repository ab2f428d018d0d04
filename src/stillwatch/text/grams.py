"""Signatures of skeletons: the shingles by which two of them are compared."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, uint64

from stillwatch.text.hashing import combine
from stillwatch.text.shingles import longest_row
from stillwatch.text.sorting import sort
from stillwatch.text.tokens import Tokens

GRAMS = 64
"""Most shingles kept to compare two skeletons."""
WIDTH = 3
"""Words of these shingles: shorter than those that are counted, so that a changed word breaks few of them."""
EDGES = 2
_BYTES = 8


def signatures_of(tokens: Tokens, kept: npt.NDArray[np.bool_], wanted: npt.NDArray[np.bool_]) -> pa.Array:
    """Signatures of some texts' skeletons, as stored.

    Args:
        tokens: n texts.
        kept: bool [n_tokens], which words the template keeps.
        wanted: bool [n].

    Returns:
        n binary values, null where not wanted: hashes of the skeleton's first and last shingle of `WIDTH` words (0
        where it does not reach that edge of the text), then the smallest `GRAMS` hashes of its shingles, ascending;
        8 bytes each, little endian.
    """
    rows = np.flatnonzero(wanted)
    values = np.zeros((len(rows), EDGES + GRAMS), np.uint64)
    sizes = np.zeros(len(wanted), np.int32)
    _sign(tokens.offsets, tokens.hashes, kept, rows, (values, sizes))
    used = np.arange(EDGES + GRAMS) < sizes[rows, None]
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(sizes * _BYTES, dtype=np.int32)])
    valid = pa.array(wanted).buffers()[1]
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(values[used].astype("<u8"))]
    return pa.Array.from_buffers(pa.binary(), len(wanted), buffers)


@njit(nogil=True, cache=True)
def _sign(offsets, hashes, kept, rows, out):  # type: ignore[no-untyped-def]
    values, sizes = out
    bag = np.empty(max(longest_row(offsets), 1), np.uint64)
    for i in range(len(rows)):
        first, last = offsets[rows[i]], offsets[rows[i] + 1]
        m = _gram_list(hashes, kept, first, last, bag)
        if m > 0:
            values[i, 0] = bag[0] if kept[first] else uint64(0)
            values[i, 1] = bag[m - 1] if kept[last - 1] else uint64(0)
        sizes[rows[i]] = EDGES + _smallest(bag, m, values[i, EDGES:])


@njit(nogil=True, cache=True)
def _gram_list(hashes, kept, first, last, bag):  # type: ignore[no-untyped-def]
    """Hashes of all shingles of WIDTH words that are wholly kept; return their number."""
    m = 0
    width = WIDTH
    streak = 0
    for j in range(first, last):
        streak = streak + 1 if kept[j] else 0
        if streak >= width:
            h = hashes[j - width + 1]
            for q in range(j - width + 2, j + 1):
                h = combine(h, hashes[q])
            bag[m] = h
            m += 1
    return m


@njit(nogil=True, cache=True)
def _smallest(bag, m, out):  # type: ignore[no-untyped-def]
    """Write the smallest distinct values of bag[:m] in ascending order; return their number."""
    sort(bag, m)
    used = 0
    for i in range(m):
        if used < len(out) and (i == 0 or bag[i] != bag[i - 1]):
            out[used] = bag[i]
            used += 1
    return used
