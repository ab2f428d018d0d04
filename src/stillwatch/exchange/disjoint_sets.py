"""Disjoint sets with halved paths (Tarjan & van Leeuwen, J. ACM 31, 245, 1984), for kernels and for arrays of edges.

A set is a tree: `parents` (n,) has the parent of each member, and the root, which stands for the set, is its own.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def root(parents, member):  # type: ignore[no-untyped-def]
    """The root of a member; shortens the way to it."""
    while parents[member] != member:
        parents[member] = parents[parents[member]]
        member = parents[member]
    return member


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def roots(parents: Ints) -> Ints:
    """The root of every member, shape (n,)."""
    found = parents.copy()
    for member in range(len(found)):
        found[member] = root(found, member)
    return found


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def connected(ones: Ints, others: Ints, n: int) -> Ints:
    """The least vertex of the connected component of each of n vertices; edge i is `ones[i]`, `others[i]`."""
    parents = np.arange(n)
    for edge in range(len(ones)):
        one, other = root(parents, ones[edge]), root(parents, others[edge])
        parents[max(one, other)] = min(one, other)
    return roots(parents)
