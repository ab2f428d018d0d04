"""Groups keep their meaning when the numbers of entities and templates change with new names between old ones."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Renumbering:
    """From the numbers of one usage to those of a later one, which has all names of the earlier.

    Attributes:
        entity: new number of each old entity.
        template: new number of each old template.
        is_same: whether no number changed.
    """

    entity: Ints
    template: Ints
    is_same: bool

    @classmethod
    def between(cls, old: Usage, new: Usage) -> "Renumbering":
        """How the numbers changed."""
        return cls(
            np.searchsorted(new.entities, old.entities).astype(np.int64),
            np.searchsorted(new.templates, old.templates).astype(np.int64),
            len(new.entities) == len(old.entities) and len(new.templates) == len(old.templates),
        )

    def of(self, group: JudgedGroup) -> JudgedGroup:
        """The group in new numbers; the order of its entities, which its tests go by, stays."""
        if self.is_same:
            return group
        candidate = group.tests.candidate
        renamed = replace(
            candidate,
            entities=self.entity[candidate.entities],
            templates=tuple(int(number) for number in self.template[list(candidate.templates)]),
        )
        renumbered = replace(group, tests=replace(group.tests, candidate=renamed))
        if group.held is None:
            return renumbered
        return replace(renumbered, held=replace(group.held, entity=self.entity[group.held.entity]))
