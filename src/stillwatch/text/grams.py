"""Signatures of skeletons: the shingles by which two of them are compared.

A number beside words counts as any other: what differs from text to text in a number is the value of a slot, also where
each value came often enough to be taken for the template's. Only a shingle of nothing but numbers is these numbers.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, uint64

from stillwatch.text.hashing import combine
from stillwatch.text.numerals import is_number, numerals
from stillwatch.text.shingles import longest_row
from stillwatch.text.sorting import sort
from stillwatch.text.tokens import Tokens

GRAMS = 64
"""Most shingles kept to compare two skeletons."""
WIDTH = 3
"""Words of these shingles: shorter than those that are counted, so that a changed word breaks few of them."""
EDGES = 2
_NUMBER = 0x4E554D424552
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
        8 bytes each, little endian. Known numbers are alike (`numerals`).
    """
    rows = np.flatnonzero(wanted)
    values = np.zeros((len(rows), EDGES + GRAMS), np.uint64)
    sizes = np.zeros(len(wanted), np.int32)
    _sign(tokens.offsets, tokens.hashes, kept, (rows, numerals()), (values, sizes))
    used = np.arange(EDGES + GRAMS) < sizes[rows, None]
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(sizes * _BYTES, dtype=np.int32)])
    valid = pa.array(wanted).buffers()[1]
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(values[used].astype("<u8"))]
    return pa.Array.from_buffers(pa.binary(), len(wanted), buffers)


@njit(nogil=True, cache=True)
def _sign(offsets, hashes, kept, wanted, out):  # type: ignore[no-untyped-def]
    rows, numbers = wanted
    values, sizes = out
    longest = max(longest_row(offsets), 1)
    bag, numeric = np.empty(longest, np.uint64), np.empty(longest, np.bool_)
    for i in range(len(rows)):
        first, last = offsets[rows[i]], offsets[rows[i] + 1]
        for j in range(first, last):
            numeric[j - first] = kept[j] and is_number(numbers, hashes[j])
        m = _gram_list(hashes[first:last], kept[first:last], numeric, bag)
        if m > 0:
            values[i, 0] = bag[0] if kept[first] else uint64(0)
            values[i, 1] = bag[m - 1] if kept[last - 1] else uint64(0)
        sizes[rows[i]] = EDGES + _smallest(bag, m, values[i, EDGES:])


@njit(nogil=True, cache=True)
def _gram_list(hashes, kept, numeric, bag):  # type: ignore[no-untyped-def]
    """Hashes of all shingles of WIDTH words of a text that are wholly kept; return their number."""
    m, streak, only_numbers = 0, 0, 0
    for j in range(len(hashes)):
        streak = streak + 1 if kept[j] else 0
        only_numbers = only_numbers + 1 if numeric[j] else 0
        if streak >= WIDTH:
            masked = only_numbers < WIDTH
            start = j - WIDTH + 1
            h = _word(hashes[start], masked and numeric[start])
            for q in range(start + 1, j + 1):
                h = combine(h, _word(hashes[q], masked and numeric[q]))
            bag[m] = h
            m += 1
    return m


@njit(nogil=True, cache=True)
def _word(h, masked):  # type: ignore[no-untyped-def]
    return uint64(_NUMBER) if masked else h


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
