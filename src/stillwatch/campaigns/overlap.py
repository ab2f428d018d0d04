"""Templates that much the same entities use: cosine similarity of their sets of users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Overlaps:
    """Pairs of templates with users in common; arrays of shape (n_pairs,) unless said otherwise.

    Attributes:
        row, column: numbers of the two templates.
        cosine: of their sets of users.
        n_templates: templates, with users in common or not.
    """

    row: IntArray
    column: IntArray
    cosine: FloatArray
    n_templates: int

    def labels(self, least: float) -> IntArray:
        """Number of the connected component of each template where pairs with at least this cosine are tied."""
        near = self.cosine >= least
        return _components(self.row[near], self.column[near], self.n_templates)

    def components(self, least: float, inside: NDArray[np.bool_]) -> list[IntArray]:
        """Connected components of some of the templates, each ascending.

        Args:
            least: least cosine of two templates that are tied.
            inside: shape (n_templates,); which templates are looked at.
        """
        near = (self.cosine >= least) & inside[self.row] & inside[self.column]
        among = np.flatnonzero(inside)
        label = _components(self.row[near], self.column[near], self.n_templates)[among]
        order = np.argsort(label, kind="stable")
        return np.split(among[order], np.flatnonzero(np.diff(label[order])) + 1)


def overlaps(users: csr_array, most_templates: int) -> Overlaps:
    """Overlaps of sets of users.

    Work and memory grow with the sum over entities of the square of their templates; an entity with more than
    `most_templates` of them is left out, in the sizes of the sets as in what they share.

    Args:
        users: shape (n_entities, n_templates), ones.
        most_templates: see above.
    """
    held = np.diff(users.indptr) <= most_templates
    kept = users if held.all() else csr_array(users[np.flatnonzero(held)])
    size = np.bincount(kept.indices, minlength=users.shape[1]).astype(np.float64)
    shared = csr_array(kept.T @ kept).tocoo()
    row, column = shared.coords
    cosine = shared.data / np.sqrt(size[row] * size[column])
    return Overlaps(row.astype(np.int64), column.astype(np.int64), cosine, users.shape[1])


def _components(row: IntArray, column: IntArray, n: int) -> IntArray:
    graph = csr_array((np.ones(len(row), np.int8), (row, column)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
