"""Who used each template, by template: every look at a group costs what the group's templates hold, not the whole
dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from stillwatch.exchange.numbering import SPARSE, numbered

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
        ranges = [slice(int(self.starts[number]), int(self.starts[number + 1])) for number in templates]
        if len(ranges) == 1:
            return self._at(ranges[0], np.zeros(ranges[0].stop - ranges[0].start, np.int64))
        sizes = [one.stop - one.start for one in ranges]
        at = np.concatenate([np.zeros(0, np.int64), *(np.arange(one.start, one.stop) for one in ranges)])
        return self._at(at, np.repeat(np.arange(len(ranges), dtype=np.int64), sizes))

    def users(self, templates: Sequence[int]) -> Uses:
        """Uses of these templates, all of them added up: one row for each entity, in order."""
        wanted = np.array(templates, dtype=np.int64)
        size = int((self.starts[wanted + 1] - self.starts[wanted]).sum())
        if len(wanted) < 2 or self.n_entities > SPARSE * size:
            return self.of_templates(templates).by_entity()[0]
        halves = self.found, self.tested
        entity, found, tested = _added_up(self.starts, wanted, self.entity, halves, self.n_entities)
        return Uses(entity, np.zeros(len(entity), np.int64), found, tested)

    def of_group(self, entities: IntArray, templates: Sequence[int]) -> tuple[IntArray, Uses, IntArray]:
        """Where the uses of these entities (ascending) in these templates stand, the uses, and the place of each one's
        entity in `entities`."""
        wanted = np.array(templates, dtype=np.int64)
        (at, template, row), (found, tested) = _in_common(
            self.starts, wanted, self.entity, (self.found, self.tested), entities
        )
        return at, Uses(entities[row], template, found, tested), row

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


@njit(nogil=True, cache=True)
def _added_up(starts, templates, entity, halves, n_entities):  # type: ignore[no-untyped-def]
    """Who used one of these templates, ascending, and how much in either half."""
    found, tested = halves
    total = np.zeros(n_entities, np.int64)
    used = np.zeros(n_entities, np.bool_)
    for template in templates:
        for at in range(starts[template], starts[template + 1]):
            used[entity[at]] = True
            total[entity[at]] += np.int64(found[at]) + (np.int64(tested[at]) << _BITS)
    users = np.flatnonzero(used)
    total_found, total_tested = np.empty(len(users)), np.empty(len(users))
    for place, user in enumerate(users):
        total_found[place] = total[user] & ((1 << _BITS) - 1)
        total_tested[place] = total[user] >> _BITS
    return users, total_found, total_tested


@njit(nogil=True, cache=True)
def _in_common(starts, templates, entity, halves, wanted):  # type: ignore[no-untyped-def]
    """Where the templates' uses by wanted entities stand, the place of each one's template, that of its entity; and
    what they are in either half.

    Both lists of entities are ascending. Neither is read from end to end where the other is short.
    """
    found, tested = halves
    most = 0
    for template in templates:
        most += min(starts[template + 1] - starts[template], len(wanted))
    where, counted = np.empty((3, most), np.int64), np.empty((2, most))
    n = 0
    for place in range(len(templates)):
        at, end = starts[templates[place]], starts[templates[place] + 1]
        row = 0
        while at < end and row < len(wanted):
            if entity[at] == wanted[row]:
                where[0, n], where[1, n], where[2, n] = at, place, row
                counted[0, n], counted[1, n] = found[at], tested[at]
                n += 1
                at += 1
                row += 1
            elif entity[at] < wanted[row]:
                at = _next(entity, at, end, wanted[row])
            else:
                row = _next(wanted, row, len(wanted), entity[at])
    return (where[0, :n], where[1, :n], where[2, :n]), (counted[0, :n], counted[1, :n])


@njit(nogil=True, cache=True)
def _next(values, at, end, least):  # type: ignore[no-untyped-def]
    """First place behind `at`, whose value is less, with a value of at least `least`; values are ascending.

    Steps that double, then halve: the cost is the logarithm of the distance (Bentley & Yao, IPL 5, 3, 1976).
    """
    step = 1
    while at + step < end and values[at + step] < least:
        at += step
        step *= 2
    last = min(at + step, end)
    while last - at > 1:
        middle = (at + last) // 2
        if values[middle] < least:
            at = middle
        else:
            last = middle
    return last


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
