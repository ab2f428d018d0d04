"""k-means (Lloyd 1982) in single precision: one matrix product a round, the cheapest way to name topics."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def k_means(data: Vectors, k: int, rounds: int, rng: np.random.Generator) -> Vectors:
    """Centres of k clusters, shape (k, d); an empty cluster keeps its centre.

    Args:
        data: shape (n, d), n >= k.
        k: number of clusters.
        rounds: rounds of reassignment.
        rng: picks the first centres among the rows.
    """
    centres = data[np.sort(rng.choice(len(data), k, replace=False))].copy()
    for _ in range(rounds):
        label = nearest(data, centres)
        sizes = np.bincount(label, minlength=k)
        order = np.argsort(label, kind="stable")
        filled = np.flatnonzero(sizes)
        starts = np.concatenate([[0], np.cumsum(sizes[filled])[:-1]])
        centres[filled] = np.add.reduceat(data[order], starts, axis=0) / sizes[filled, None]
    return centres


def nearest(data: Vectors, centres: Vectors) -> NDArray[np.int64]:
    """Index of the nearest centre (Euclidean) of each row, shape (n,)."""
    # |x|^2 is the same for all centres and drops out.
    score = data @ centres.T - 0.5 * (centres**2).sum(axis=1)
    return np.asarray(score.argmax(axis=1), dtype=np.int64)
