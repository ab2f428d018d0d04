"""k-means (Lloyd 1982) in single precision: one matrix product a round, the cheapest way to name topics."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_ROWS = 1024
"""Rows that are scored at once where there are more than twice as many: their scores stay in the cache, and no large
array is made and thrown away."""


def k_means(data: Vectors, k: int, rounds: int, rng: np.random.Generator) -> Vectors:
    """Centres of k clusters, shape (k, d); an empty cluster keeps its centre.

    Args:
        data: shape (n, d), n >= k.
        k: number of clusters.
        rounds: most rounds of reassignment; fewer where nothing moves any more.
        rng: picks the first centres among the rows.
    """
    centres = data[np.sort(rng.choice(len(data), k, replace=False))].copy()
    label = np.full(len(data), -1, dtype=np.int64)
    for _ in range(rounds):
        before, label = label, nearest(data, centres)
        moved = label != before
        if not moved.any():
            break
        # A cluster that nobody joined or left has the centre that it has.
        changed = np.zeros(k, dtype=bool)
        changed[label[moved]] = changed[before[moved]] = True
        _set_means(centres, data, label, changed)
    return centres


def _set_means(centres: Vectors, data: Vectors, label: NDArray[np.int64], changed: NDArray[np.bool_]) -> None:
    """Set the centres of some clusters to the means of their rows, in place.

    Args:
        centres: shape (k, d).
        data: shape (n, d).
        label: shape (n,), cluster of each row.
        changed: shape (k,), the clusters.
    """
    rows, sizes = _by_cluster(data, label, changed)
    filled = np.flatnonzero(sizes)
    starts = np.cumsum(sizes[filled]) - sizes[filled]
    # Not added up in the kernel: rounding of another kind moves rows that are between two centres.
    centres[filled] = np.add.reduceat(rows, starts, axis=0) / sizes[filled, None]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _by_cluster(data, label, changed):  # type: ignore[no-untyped-def]
    """Rows of the changed clusters, one cluster after the other; and how many rows each cluster has there, (k,)."""
    sizes = np.zeros(len(changed), np.int64)
    for own in label:
        sizes[own] += changed[own]
    place = np.cumsum(sizes) - sizes
    rows = np.empty((sizes.sum(), data.shape[1]), data.dtype)
    for row in range(len(data)):
        own = label[row]
        if changed[own]:
            for column in range(data.shape[1]):
                rows[place[own], column] = data[row, column]
            place[own] += 1
    return rows, sizes


def nearest(data: Vectors, centres: Vectors) -> NDArray[np.int64]:
    """Index of the nearest centre (Euclidean) of each row, shape (n,)."""
    # |x|^2 is the same for all centres and drops out.
    half_squares = 0.5 * (centres**2).sum(axis=1)
    if len(data) <= 2 * _ROWS:
        return np.asarray((data @ centres.T - half_squares).argmax(axis=1), dtype=np.int64)
    label = np.empty(len(data), dtype=np.int64)
    scores = np.empty((_ROWS, len(centres)), dtype=np.float32)
    for start in range(0, len(data), _ROWS):
        # The last block reaches back. A product of few rows may round otherwise, and of rows that are alike and as near
        # to one centre as to another (two clusters of one text) all must get one label.
        rows = slice(min(start, len(data) - _ROWS), min(start + _ROWS, len(data)))
        np.matmul(data[rows], centres.T, out=scores)
        np.subtract(scores, half_squares, out=scores)
        label[rows] = scores.argmax(axis=1)
    return label
