"""Who used each template, by template: every look at a group costs what the group's templates hold, not the whole
dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from stillwatch.exchange.numbering import numbered, places_among

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SmallInts = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

_BITS = 32
"""Exchanges of one entity in one template are fewer than 2 to the power of this less one, in either half."""


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

    @cached_property
    def both(self) -> FloatArray:
        """Exchanges in both halves, shape (n,)."""
        return self.found + self.tested

    def by_entity(self) -> tuple["Uses", IntArray]:
        """The same with all templates added up, one row an entity, in order; and the row that each use went to."""
        n = len(self.entity)
        if n == 0 or self.template[-1] == 0:
            return self, np.arange(n)  # one template: its entities are in order already
        entity, row = numbered(self.entity, int(self.entity.max()) + 1)
        return self._added_up(entity, row), row

    def _added_up(self, entity: IntArray, row: IntArray) -> "Uses":
        n = len(entity)
        found, tested = (
            np.asarray(np.bincount(row, half, n), dtype=np.float64) for half in (self.found, self.tested)
        )
        return Uses(entity, np.zeros(n, np.int64), found, tested)

    def where(self, chosen: BoolArray) -> "Uses":
        """Some of them, shape (n,)."""
        return Uses(self.entity[chosen], self.template[chosen], self.found[chosen], self.tested[chosen])

    def within(self, entities: IntArray) -> tuple["Uses", IntArray]:
        """Those of some entities, and the place of each row's entity among them.

        Args:
            entities: numbers, ascending.
        """
        place = places_among(entities, self.entity)
        inside = place >= 0
        return self.where(inside), place[inside]


@dataclass(frozen=True)
class UsesByTemplate:
    """All uses, templates one after the other: in types as small as they can be, since there are tens of millions.

    Attributes:
        n_entities: entities that there are.
        starts: where each template begins, shape (n_templates + 1,).
        entity, found, tested: as in `Uses`, shape (n_uses,).
    """

    n_entities: int
    starts: IntArray
    entity: SmallInts
    found: SmallInts
    tested: SmallInts

    @classmethod
    def counted(
        cls, shape: tuple[int, int], entity: IntArray, template: IntArray, held_out: BoolArray, n: IntArray
    ) -> "UsesByTemplate":
        """From counts of one half or the other in any order; arrays of one length.

        Args:
            shape: (n_entities, n_templates).
            entity, template: numbers.
            held_out: whether the exchanges are of the held-out half.
            n: exchanges.
        """
        # Both halves stand in one number, so that they are put in order and joined at once.
        packed = n.astype(np.int64) << np.where(held_out, _BITS, 0)
        column = coo_array((packed, (entity, template)), shape=shape).tocsr().tocsc()
        found, tested = column.data & ((1 << _BITS) - 1), column.data >> _BITS
        return cls(
            shape[0],
            column.indptr.astype(np.int64),
            column.indices.astype(np.int32, copy=False),
            found.astype(np.int32),
            tested.astype(np.int32),
        )

    def of_templates(self, templates: Sequence[int]) -> Uses:
        """Uses of these templates, in the order given."""
        return self._at(*self._places(templates))

    def of_group(self, entities: IntArray, templates: Sequence[int]) -> tuple[IntArray, Uses]:
        """Where the uses of these entities (ascending) in these templates stand, and the uses."""
        at, template = self._places(templates)
        inside = np.flatnonzero(places_among(entities, self.entity[at]) >= 0)
        own = inside + at.start if isinstance(at, slice) else at[inside]
        return own, self._at(own, template[inside])

    def _places(self, templates: Sequence[int]) -> tuple[slice | IntArray, IntArray]:
        """Where the uses of these templates stand, and the place of each one's template in `templates`."""
        ranges = [slice(int(self.starts[number]), int(self.starts[number + 1])) for number in templates]
        if len(ranges) == 1:
            return ranges[0], np.zeros(ranges[0].stop - ranges[0].start, np.int64)
        sizes = [one.stop - one.start for one in ranges]
        at = np.concatenate([np.zeros(0, np.int64), *(np.arange(one.start, one.stop) for one in ranges)])
        return at, np.repeat(np.arange(len(ranges), dtype=np.int64), sizes)

    def __len__(self) -> int:
        return len(self.entity)

    def used_often(self, least: int) -> csr_array:
        """Which entities have at least so many exchanges in which templates, shape (n_entities, n_templates)."""
        often = np.flatnonzero(self.found + self.tested >= least)
        template = np.searchsorted(self.starts, often, side="right") - 1
        ones = np.ones(len(often), dtype=np.bool_)
        return csr_array(
            (ones, (self.entity[often], template)), shape=(self.n_entities, len(self.starts) - 1)
        )

    def _at(self, at: slice | IntArray, template: IntArray) -> Uses:
        found, tested = (half[at].astype(np.float64) for half in (self.found, self.tested))
        return Uses(self.entity[at].astype(np.int64), template, found, tested)


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

    def of(self, entities: IntArray) -> FloatArray:
        """Exchanges of some entities in both halves."""
        return self.found[entities] + self.tested[entities]

    def clipped_sum(self, slope: float, most: float) -> float:
        """Sum over all entities of min(slope x exchanges of the held-out half, most), slope >= 0."""
        if slope == 0.0:
            return 0.0
        below = int(np.searchsorted(self._ordered, most / slope))
        return float(slope * self._sums[below] + most * (len(self._ordered) - below))
