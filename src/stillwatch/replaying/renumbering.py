"""Groups keep their meaning when the numbers of entities and templates change with new names between old ones."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Renumbering:
    """From the numbers of one usage to those of a later one, which has all names of the earlier.

    Attributes:
        entity: new number of each old entity.
        template: new number of each old template.
        shape: (entities, templates) of the later usage.
    """

    entity: Ints
    template: Ints
    shape: tuple[int, int]

    @classmethod
    def between(cls, old: Usage, new: Usage) -> "Renumbering":
        """How the numbers changed."""
        return cls(
            np.searchsorted(new.entities, old.entities).astype(np.int64),
            np.searchsorted(new.templates, old.templates).astype(np.int64),
            (len(new.entities), len(new.templates)),
        )

    def of(self, group: JudgedGroup) -> JudgedGroup:
        """The group in new numbers; the order of its entities, which its tests go by, stays."""
        if group.volume.shape == self.shape:
            return group
        candidate = group.tests.candidate
        renamed = replace(
            candidate,
            entities=self.entity[candidate.entities],
            templates=tuple(int(number) for number in self.template[list(candidate.templates)]),
        )
        row, column = group.volume.coords
        placed = coo_array((group.volume.data, (self.entity[row], self.template[column])), shape=self.shape)
        return replace(group, tests=replace(group.tests, candidate=renamed), volume=placed)
