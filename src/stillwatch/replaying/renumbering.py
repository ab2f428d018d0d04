"""Groups keep their meaning when the numbers of entities and templates change with new names between old ones."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup

Ints = NDArray[np.int64]
Names = NDArray[np.str_]


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
        return cls.of_names((old.entities, old.templates), (new.entities, new.templates))

    @classmethod
    def of_names(cls, old: tuple[Names, Names], new: tuple[Names, Names]) -> "Renumbering":
        """From places among the old names of entities and of templates to those among the new; all in order."""
        entity, template = (
            np.searchsorted(now, then).astype(np.int64) for then, now in zip(old, new, strict=True)
        )
        is_same = all(len(then) == len(now) for then, now in zip(old, new, strict=True))
        return cls(entity, template, is_same)

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
