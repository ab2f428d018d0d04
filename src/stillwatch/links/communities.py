"""Communities of a weighted graph: modularity by local moving and aggregation, each community connected.

Louvain's method (Blondel et al., J. Stat. Mech. P10008, 2008) with the queue of the Leiden method (Traag,
Waltman & van Eck, Sci. Rep. 9, 5233, 2019), repeated from its own result until nothing improves. Communities
that fall apart are split, which never lowers the modularity. No randomness: nodes are visited by number.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_ROUNDS = 20


def communities(graph: sparse.csr_array, resolution: float = 1.0) -> Ints:
    """Communities of high modularity (Reichardt & Bornholdt 2006: Newman's with a resolution).

    Args:
        graph: symmetric weights (n, n), non-negative, no diagonal.
        resolution: larger gives smaller communities.

    Returns:
        Community of each node (n,), numbered by first node; each is connected.

    Raises:
        ValueError: a graph that is not square, not symmetric, has a negative or non-finite weight or a
        diagonal.
    """
    _check(graph)
    labels = np.arange(graph.shape[0])
    if graph.sum() == 0:
        return labels
    best = -np.inf
    found = labels
    for _ in range(_ROUNDS):
        labels = split_disconnected(graph, _pass(graph, labels, resolution))
        reached = modularity(graph, labels, resolution)
        if reached <= best + 1e-12:
            break
        best, found = reached, labels
    return found


def modularity(graph: sparse.csr_array, labels: Ints, resolution: float = 1.0) -> float:
    """Sum over communities of (weight inside / total) - resolution (strength / total)^2; 0 without edges."""
    strength = np.asarray(graph.sum(axis=1)).reshape(-1)
    total = strength.sum()
    if total == 0:
        return 0.0
    edges = graph.tocoo()
    inside = edges.data[labels[edges.coords[0]] == labels[edges.coords[1]]].sum()
    by_community = np.bincount(labels, strength)
    return float(inside / total - resolution * np.sum((by_community / total) ** 2))


def split_disconnected(graph: sparse.csr_array, labels: Ints) -> Ints:
    """Part communities that are not connected within themselves; numbered by first node."""
    edges = graph.tocoo()
    row, column = edges.coords
    inside = (labels[row] == labels[column]) & (edges.data > 0)
    kept = sparse.csr_array((np.ones(inside.sum()), (row[inside], column[inside])), shape=graph.shape)
    return _renumbered(np.asarray(connected_components(kept, directed=False)[1], np.int64))


def _check(graph: sparse.csr_array) -> None:
    if graph.shape[0] != graph.shape[1]:
        raise ValueError("the graph must be square")
    if not np.all(np.isfinite(graph.data)) or np.any(graph.data < 0):
        raise ValueError("weights must be finite and not negative")
    if np.any(graph.diagonal() != 0):
        raise ValueError("the graph must have no diagonal")
    if abs(graph - graph.T).sum() > 1e-9 * max(1.0, float(graph.data.sum())):
        raise ValueError("the graph must be symmetric")


def _renumbered(labels: Ints) -> Ints:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse.reshape(-1)]


def _pass(graph: sparse.csr_array, labels: Ints, resolution: float) -> Ints:
    """Local moves of nodes from `labels` on, then of whole communities, level by level."""
    level, start, of_node = graph, _renumbered(labels), np.arange(graph.shape[0])
    while True:
        strength = np.asarray(level.sum(axis=1), np.float64).reshape(-1)
        pointers, neighbours = level.indptr.astype(np.int64), level.indices.astype(np.int64)
        moved = _renumbered(
            _local_moves(pointers, neighbours, level.data.astype(float), strength, start, resolution)
        )
        of_node = moved[of_node]
        n = int(moved.max(initial=-1)) + 1
        if n == level.shape[0]:
            return of_node
        member = sparse.csr_array(
            (np.ones(moved.size), (np.arange(moved.size), moved)), shape=(moved.size, n)
        )
        level = sparse.csr_array(member.T @ level @ member)  # the diagonal holds the weight inside, twice
        level.sort_indices()
        start = np.arange(n)


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _best_community(
    old: int, seen: Ints, linked: Floats, in_community: Floats, strength: float, resolution: float
) -> int:
    """The neighbouring community of the largest gain, `old` in doubt; -1 where standing alone is best."""
    share = resolution * strength
    slack = 1e-12 * (1 + strength)
    best, best_gain = old, linked[old] - share * (in_community[old] - strength)
    for community in seen:
        gain = linked[community] - share * in_community[community]
        if community != old and gain > best_gain + slack:
            best, best_gain = community, gain
    return best if best_gain >= -slack else -1


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _local_moves(
    starts: Ints, neighbours: Ints, weights: Floats, strength: Floats, labels: Ints, resolution: float
) -> Ints:
    """Move nodes to the neighbouring (or an empty) community of the largest gain until none moves."""
    n = strength.size
    labels = labels.copy()
    total = strength.sum()
    in_community = np.zeros(n)
    for u in range(n):
        in_community[labels[u]] += strength[u]
    members = np.bincount(labels, None, n)
    empty = np.flatnonzero(members == 0)
    n_empty = empty.size
    empty = np.concatenate((empty, np.zeros(n - n_empty, np.int64)))
    queue = np.arange(n)
    queued = np.ones(n, np.bool_)
    head, waiting = 0, n
    linked = np.zeros(n)
    seen = np.empty(n, np.int64)
    while waiting > 0:
        u = queue[head]
        head = (head + 1) % n
        waiting -= 1
        queued[u] = False
        old = labels[u]
        n_seen = 0
        for at in range(starts[u], starts[u + 1]):
            if neighbours[at] != u and weights[at] > 0:
                community = labels[neighbours[at]]
                if linked[community] == 0:
                    seen[n_seen] = community
                    n_seen += 1
                linked[community] += weights[at]
        best = _best_community(old, seen[:n_seen], linked, in_community, strength[u], resolution / total)
        if best < 0:
            best = old
            if n_empty > 0 and members[old] > 1:
                n_empty -= 1
                best = empty[n_empty]
        for at in range(n_seen):
            linked[seen[at]] = 0.0
        if best == old:
            continue
        labels[u] = best
        in_community[old] -= strength[u]
        in_community[best] += strength[u]
        members[old] -= 1
        members[best] += 1
        if members[old] == 0:
            empty[n_empty] = old
            n_empty += 1
        for at in range(starts[u], starts[u + 1]):
            v = neighbours[at]
            if not queued[v] and v != u and labels[v] != best:
                queued[v] = True
                queue[(head + waiting) % n] = v
                waiting += 1
    return labels
