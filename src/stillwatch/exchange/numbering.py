"""Numbers for the strings of a column, and places of values, without a Python object for each row."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SPARSE = 16
"""Possible values to one that is there, from which on it is quicker to sort."""


def coded(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """Distinct strings in order (null counts as empty), and the number of each row's."""
    encoded = pc.fill_null(column.cast(pa.string()), "").dictionary_encode()
    if encoded.num_chunks == 0:
        return pa.array([], pa.string()), np.zeros(0, np.int64)
    names = encoded.chunk(0).dictionary  # encoded at once, all chunks have one
    order = pc.sort_indices(names)
    place = np.empty(len(names), np.int64)
    place[order.to_numpy()] = np.arange(len(names))
    numbers = pa.chunked_array([chunk.indices for chunk in encoded.chunks])
    return names.take(order), place[numbers.to_numpy()]


def places_in(names: pa.Array, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Place of each row's string among `names`; -1 for one that is not there."""
    places = pc.fill_null(pc.index_in(column.cast(pa.string()), value_set=names), -1)
    return np.asarray(places.to_numpy(), dtype=np.int64)


def numbered(values: NDArray[np.int64], bound: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct values in ascending order, and the place of each value among them; as `np.unique` with its inverse.

    Args:
        values: shape (n,), each from 0 to bound - 1.
        bound: where it is of the order of n, values are marked instead of sorted.
    """
    if bound > SPARSE * len(values):
        distinct, place = np.unique(values, return_inverse=True)
        return distinct.astype(np.int64), place.reshape(-1)
    there = np.zeros(bound, np.bool_)
    there[values] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def runs(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All places of some runs, one run after the other: the run of each place, and the places.

    Args:
        starts: first place of each run, shape (n_runs,).
        sizes: how many places it has, shape (n_runs,).
    """
    run = np.repeat(np.arange(len(sizes)), sizes)
    return run, np.arange(len(run)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + starts[run]


def places_among(ordered: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Place of each wanted value in an array in ascending order, -1 where it is not there; shape (len(wanted),)."""
    if len(ordered) == 0:
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[place] == wanted, place, -1).astype(np.int64)
