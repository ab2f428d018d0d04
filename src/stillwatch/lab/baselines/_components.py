"""Groups of accounts from ties between them, and the names of the campaigns they become."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]


def components(n: int, left: Ints, right: Ints) -> Ints:
    """Connected component of each of n nodes (n,), of a graph with edges (left[i], right[i])."""
    graph = sparse.coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def members_of(prefix: str, accounts: pa.Array, labels: Ints, least: int) -> pa.Table:
    """Members of the groups that have at least `least` accounts: campaign_id, account_id.

    Args:
        prefix: of the names; they are numbered from the largest group on, then by their first account.
        accounts: n names of accounts, in any order but each once.
        labels: group of each (n,); below 0 for none.
        least: smallest group that counts.
    """
    order = np.argsort(np.asarray(accounts.to_numpy(zero_copy_only=False), object), kind="stable")
    kept = order[labels[order] >= 0]
    _, first, group, size = np.unique(
        labels[kept], return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(size), np.int64)
    rank[np.lexsort((first, -size))] = np.arange(1, len(size) + 1)
    large = size[group] >= least
    names = [f"{prefix}-{number:05d}" for number in rank[group[large]]]
    return pa.table(
        {
            "campaign_id": pa.array(names, pa.string()),
            "account_id": accounts.take(pa.array(kept[large])).cast(pa.string()),
        }
    )
