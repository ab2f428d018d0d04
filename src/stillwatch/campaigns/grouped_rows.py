"""Rows of vectors by group: sums, and which rows are the first of their kind. Kernels that let other threads run.

Sparse products and sorted keys say the same; for the few thousand rows of a candidate most of their time is spent in
Python, on checks of types and shapes.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""The golden ratio's bits (Knuth, The Art of Computer Programming 3, section 6.4): a product's upper bits depend on all
bits of its factor."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def sums_of_groups(group: Ints, rows: NDArray[np.floating], n: int) -> Floats:
    """Sum of the rows of each group, shape (n, d), added up in order and in double precision.

    Args:
        group: group 0..n-1 of each row, shape (n_rows,).
        rows: shape (n_rows, d).
        n: number of groups.
    """
    sums = np.zeros((n, rows.shape[1]))
    for row in range(len(group)):
        into = sums[group[row]]
        for column in range(rows.shape[1]):
            into[column] += rows[row, column]
    return sums


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def numbered_as_met(keys: Ints) -> tuple[Ints, Ints]:
    """Number of each key, 0, 1, ... in the order in which they are met, shape (n,); and where each was met first.

    Args:
        keys: any whole numbers, shape (n,).
    """
    bits = _table_bits(len(keys))
    slots = np.full(1 << bits, -1, np.int64)
    last_slot, shift = len(slots) - 1, np.uint64(64 - bits)
    number = np.empty(len(keys), np.int64)
    first = np.empty(len(keys), np.int64)
    met = 0
    for place in range(len(keys)):
        slot = np.int64((np.uint64(keys[place]) * _SPREAD) >> shift)
        while slots[slot] >= 0 and keys[first[slots[slot]]] != keys[place]:
            slot = (slot + 1) & last_slot
        if slots[slot] < 0:
            slots[slot] = met
            first[met] = place
            met += 1
        number[place] = slots[slot]
    return number, first[:met].copy()


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def first_of_each(group: Ints, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether no earlier row of the same group is the same and a row is not all 0, shape (n,).

    Args:
        group: shape (n,).
        rows: shape (n, d).
    """
    bits = _table_bits(len(group))
    slots = np.full(1 << bits, -1, np.int64)
    last_slot, shift = len(slots) - 1, np.uint64(64 - bits)
    first = np.zeros(len(group), np.bool_)
    for place in range(len(group)):
        mixed, any_bit = np.uint64(group[place]), np.uint32(0)
        for column in range(rows.shape[1]):
            mixed = (mixed ^ np.uint64(rows[place, column])) * _SPREAD
            mixed ^= mixed >> np.uint64(32)
            any_bit |= rows[place, column]
        if any_bit == 0:
            continue
        slot = np.int64((mixed * _SPREAD) >> shift)
        while slots[slot] >= 0 and not _same(group, rows, slots[slot], place):
            slot = (slot + 1) & last_slot
        if slots[slot] < 0:
            slots[slot] = place
            first[place] = True
    return first


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _table_bits(n):  # type: ignore[no-untyped-def]
    """Logarithm of the size of a table that n keys fill by half at most."""
    bits = 1
    while (1 << bits) < 2 * n:
        bits += 1
    return bits


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _same(group, rows, one, other):  # type: ignore[no-untyped-def]
    alike = group[one] == group[other]
    for column in range(rows.shape[1]):
        alike &= rows[one, column] == rows[other, column]
    return alike
