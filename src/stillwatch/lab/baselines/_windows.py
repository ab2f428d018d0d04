"""Pairs of accounts that send the same, or a similar, text within a time window: the inner loops.

Each share is paired with the earlier ones of other accounts within the window, the nearest first, up to a cap;
how many shares had more counterparts than the cap is counted, so that nothing is lost in silence.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_BUFFER = 1 << 21

# (first share to look at, left out, right out) -> (next share, pairs written, shares cut at the cap)
Sweep = Callable[[int, Ints, Ints], tuple[int, int, int]]


@dataclass(frozen=True)
class Pairs:
    """Which accounts met, and how often.

    Attributes:
        left: smaller account of each pair (m,).
        right: larger account (m,).
        weight: pairs of shares of the two (m,).
        n_cut: shares that had more counterparts than the cap.
    """

    left: Ints
    right: Ints
    weight: Ints
    n_cut: int


def identical(objects: NDArray[np.uint64], times: Ints, accounts: Ints, took: Bytes, limits: Ints) -> Sweep:
    """A sweep over shares sorted by (object, time): counterparts have the same object.

    Args:
        objects: what was shared (n,).
        times: when, microseconds (n,).
        accounts: by whom (n,).
        took: set to 1 for shares that have a counterpart (n,).
        limits: window in microseconds (inclusive), cap.
    """
    return lambda start, left, right: _identical(objects, times, accounts, took, limits, start, left, right)


def similar(signatures: Bytes, times: Ints, accounts: Ints, took: Bytes, limits: Ints) -> Sweep:
    """A sweep over shares sorted by time: counterparts have a signature that differs in few places.

    Args:
        signatures: low bytes of one-permutation min-hash signatures (n, bins).
        times: when, microseconds (n,).
        accounts: by whom (n,).
        took: set to 1 for shares that have a counterpart (n,).
        limits: window in microseconds (inclusive), cap, largest number of places that differ.
    """
    return lambda start, left, right: _similar(signatures, times, accounts, took, limits, start, left, right)


def count_pairs(sweep: Sweep, n_shares: int, n_accounts: int, cap: int) -> Pairs:
    """Run a sweep to its end and count the pairs of accounts, in memory of the order of the distinct pairs."""
    left, right = np.empty(_BUFFER + cap, np.int64), np.empty(_BUFFER + cap, np.int64)
    keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    fresh: list[tuple[Ints, Ints]] = []
    start = n_cut = waiting = 0
    while start < n_shares:
        start, n, cut = sweep(start, left, right)
        n_cut += cut
        low, high = np.minimum(left[:n], right[:n]), np.maximum(left[:n], right[:n])
        fresh.append(np.unique(low * n_accounts + high, return_counts=True))
        waiting += len(fresh[-1][0])
        # Merging only when as much waits as is merged keeps the work in proportion to the pairs.
        if waiting > len(keys) or start >= n_shares:
            keys, counts = _merged([(keys, counts), *fresh])
            fresh, waiting = [], 0
    return Pairs(keys // n_accounts, keys % n_accounts, counts, n_cut)


def _merged(parts: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    keys = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts


@njit(nogil=True, cache=True)
def _identical(objects, times, accounts, took, limits, start, left, right):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    window, cap = limits[0], limits[1]
    n = n_cut = 0
    i = start
    while i < len(times) and n + cap <= len(left):
        found = 0
        j = i - 1
        while j >= 0 and objects[j] == objects[i] and times[i] - times[j] <= window:
            if accounts[j] != accounts[i]:
                if found == cap:
                    n_cut += 1
                    break
                left[n], right[n] = accounts[j], accounts[i]
                took[i] = took[j] = 1
                found += 1
                n += 1
            j -= 1
        i += 1
    return i, n, n_cut


@njit(nogil=True, cache=True)
def _similar(signatures, times, accounts, took, limits, start, left, right):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    window, cap, most = limits[0], limits[1], limits[2]
    n = n_cut = 0
    i = start
    while i < len(times) and n + cap <= len(left):
        found = 0
        j = i - 1
        while j >= 0 and times[i] - times[j] <= window:
            if accounts[j] != accounts[i] and _differing(signatures[i], signatures[j], most) <= most:
                if found == cap:
                    n_cut += 1
                    break
                left[n], right[n] = accounts[j], accounts[i]
                took[i] = took[j] = 1
                found += 1
                n += 1
            j -= 1
        i += 1
    return i, n, n_cut


@njit(nogil=True, cache=True)
def _differing(left, right, most):  # type: ignore[no-untyped-def]
    """Places that differ; counting ends above `most`."""
    n = 0
    for place in range(len(left)):
        if left[place] != right[place]:
            n += 1
            if n > most:
                break
    return n
