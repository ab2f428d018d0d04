"""Templates that much the same entities use: cosine similarity of their sets of users."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Overlaps:
    """Pairs of templates with users in common; arrays of shape (n_pairs,) unless said otherwise.

    Attributes:
        row, column: numbers of the two templates, the less one first.
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
    kept.sum_duplicates()  # which puts the templates of each in order
    of_template = kept.tocsc()
    templates = kept.indptr.astype(np.int64), kept.indices
    row, column, shared = _pairs(*templates, of_template.indptr.astype(np.int64), of_template.indices)
    return Overlaps(row, column, shared / np.sqrt(size[row] * size[column]), users.shape[1])


@njit(nogil=True, cache=True)
def _pairs(of_entity, template, of_template, entity):  # type: ignore[no-untyped-def]
    """Two templates of every pair that any entity uses both of, the less one first, and how many do.

    Args:
        of_entity: where each entity's templates begin in `template`, where they are ascending.
        template: see above.
        of_template: where each template's entities begin in `entity`.
        entity: see above.
    """
    pairs = np.empty((3, 1024), np.int64)
    # Templates are taken in order: those of an entity that come later than this one begin here.
    rest = of_entity[:-1].copy()
    count, met = np.zeros(len(of_template) - 1, np.int64), np.empty(len(of_template) - 1, np.int64)
    n = 0
    for first in range(len(count)):
        n_met = 0
        for at in range(of_template[first], of_template[first + 1]):
            rest[entity[at]] += 1
            for other in range(rest[entity[at]], of_entity[entity[at] + 1]):
                second = template[other]
                if count[second] == 0:
                    met[n_met] = second
                    n_met += 1
                count[second] += 1
        if n + n_met > pairs.shape[1]:
            longer = np.empty((3, 2 * (n + n_met)), np.int64)
            longer[:, :n] = pairs[:, :n]
            pairs = longer
        for second in met[:n_met]:
            pairs[0, n], pairs[1, n], pairs[2, n] = first, second, count[second]
            count[second] = 0
            n += 1
    return pairs[0, :n].copy(), pairs[1, :n].copy(), pairs[2, :n].copy()


def _components(row: IntArray, column: IntArray, n: int) -> IntArray:
    graph = csr_array((np.ones(len(row), np.int8), (row, column)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
