"""Who used each template, by template: every look at a group costs what the group's templates hold, not the whole
dataset."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.exchange.numbering import places_among

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Uses:
    """Exchanges of some entities in some templates; arrays of one length n, by template, then by entity.

    Attributes:
        entity: number of the entity.
        template: place of the template among those asked for.
        found: exchanges in the discovery half.
        tested: exchanges in the held-out half.
    """

    entity: IntArray
    template: IntArray
    found: FloatArray
    tested: FloatArray

    @property
    def both(self) -> FloatArray:
        """Exchanges in both halves, shape (n,)."""
        return self.found + self.tested

    def by_entity(self) -> "Uses":
        """The same with all templates added up: one row an entity, in order."""
        if len(self.entity) == 0 or self.template[-1] == 0:
            return self  # one template: its entities are in order already
        # Each template's entities are in order: a stable sort merges these runs, and is much faster than another.
        order = np.argsort(self.entity, kind="stable")
        entity = self.entity[order]
        first = np.flatnonzero(_opens(entity))
        found, tested = (np.add.reduceat(half[order], first) for half in (self.found, self.tested))
        return Uses(entity[first], np.zeros(len(first), np.int64), found, tested)

    def within(self, entities: IntArray) -> tuple["Uses", IntArray]:
        """Those of some entities, and the place of each row's entity among them.

        Args:
            entities: numbers, ascending.
        """
        place = places_among(entities, self.entity)
        inside = place >= 0
        kept = Uses(self.entity[inside], self.template[inside], self.found[inside], self.tested[inside])
        return kept, place[inside]


@dataclass(frozen=True)
class UsesByTemplate:
    """All uses, templates one after the other.

    Attributes:
        starts: where each template begins, shape (n_templates + 1,).
        entity, found, tested: as in `Uses`, shape (n_uses,).
    """

    starts: IntArray
    entity: IntArray
    found: FloatArray
    tested: FloatArray

    @classmethod
    def of(cls, discovery: csr_array, held_out: csr_array) -> "UsesByTemplate":
        """From both halves, each of shape (n_entities, n_templates)."""
        n_entities, n_templates = discovery.shape
        keys, values = [], []
        for half in (discovery, held_out):
            column = half.tocsc()
            column.sum_duplicates()
            template = np.repeat(np.arange(n_templates, dtype=np.int64), np.diff(column.indptr))
            keys.append(template * n_entities + column.indices)
            values.append(column.data)
        # Both are in order: a stable sort merges them.
        merged = np.sort(np.concatenate(keys), kind="stable")
        key = merged[_opens(merged)]
        found, tested = np.zeros(len(key)), np.zeros(len(key))
        for filled, own_key, own in zip((found, tested), keys, values, strict=True):
            filled[np.searchsorted(key, own_key)] = own
        template = key // max(n_entities, 1)
        starts = np.searchsorted(template, np.arange(n_templates + 1)).astype(np.int64)
        return cls(starts, key % max(n_entities, 1), found, tested)

    def of_templates(self, templates: Collection[int]) -> Uses:
        """Uses of these templates, in the order given."""
        ranges = [slice(self.starts[number], self.starts[number + 1]) for number in templates]
        if len(ranges) == 1:
            own = ranges[0]
            place = np.zeros(own.stop - own.start, np.int64)
            return Uses(self.entity[own], place, self.found[own], self.tested[own])
        sizes = [one.stop - one.start for one in ranges]
        place = np.repeat(np.arange(len(ranges), dtype=np.int64), sizes)
        at = np.concatenate([np.zeros(0, np.int64), *(np.arange(one.start, one.stop) for one in ranges)])
        return Uses(self.entity[at], place, self.found[at], self.tested[at])


class Exposures:
    """How many exchanges each entity has in each half, so that what all who never used a template say of it can be
    added up without asking them one by one.

    Args:
        totals: shape (n_entities, 2); discovery half, held-out half.
    """

    def __init__(self, totals: FloatArray) -> None:
        self.found = np.ascontiguousarray(totals[:, 0])
        self.tested = np.ascontiguousarray(totals[:, 1])
        self.all_found, self.all_tested = float(self.found.sum()), float(self.tested.sum())
        self._ordered = np.sort(self.tested)
        self._sums = np.concatenate([[0.0], np.cumsum(self._ordered)])

    def clipped_sum(self, slope: float, most: float) -> float:
        """Sum over all entities of min(slope x exchanges of the held-out half, most), slope >= 0."""
        if slope == 0.0:
            return 0.0
        below = int(np.searchsorted(self._ordered, most / slope))
        return float(slope * self._sums[below] + most * (len(self._ordered) - below))


def _opens(ordered: IntArray) -> NDArray[np.bool_]:
    """Where a value of an array in order stands for the first time."""
    opens = np.ones(len(ordered), dtype=bool)
    opens[1:] = ordered[1:] != ordered[:-1]
    return opens
