"""Groups that are looked at again and again: which candidate of now is which hypothesis of before.

A hypothesis is a group that keeps its identity while at least half of its templates stay (`SAME`). A candidate that
was found or tied in another way, or that shares templates with a hypothesis that a better candidate continues, is a
hypothesis of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.campaigns.candidates import Candidate, CandidateSettings, followed_up
from stillwatch.campaigns.online import look_place
from stillwatch.campaigns.repetition import Usage

SAME = 0.5
"""Least Jaccard index of the templates of one hypothesis at two looks."""
FIRST_LOOK = 100
"""Exchanges of a group at its first look: fewer hardly convince, and every birth makes later ones dearer."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Hypothesis:
    """A group at its last look.

    Attributes:
        templates: names of its templates, sorted.
        entities: names of its entities, sorted.
        discovered_by: templates or links.
        n_first: exchanges at the first look.
        next_place: first place of the schedule at which it is looked at again (`online.look_place`).
        last_day: number of the day on which it was found last.
    """

    templates: tuple[str, ...]
    entities: tuple[str, ...]
    discovered_by: str
    n_first: float
    next_place: int
    last_day: int

    def place(self, n_exchanges: float) -> int:
        """Place of a look at so many exchanges."""
        return look_place(max(n_exchanges, self.n_first), self.n_first)


def identify(
    usage: Usage, found: Sequence[Candidate], known: Sequence[Hypothesis], live: Sequence[int]
) -> list[int | None]:
    """The hypothesis that each candidate continues, or None; none is continued by two.

    Args:
        usage: numbers of entities and templates in the candidates.
        found: candidates.
        known: all hypotheses ever born.
        live: positions of those that may be continued.
    """
    if not found or not live:
        return [None] * len(found)
    template_number = {name: number for number, name in enumerate(usage.templates.tolist())}
    entity_number = {name: number for number, name in enumerate(usage.entities.tolist())}
    old = [known[position] for position in live]
    templates = _jaccard(
        _incidence([c.templates for c in found], len(template_number)),
        _incidence([_numbers(h.templates, template_number) for h in old], len(template_number)),
        np.array([len(h.templates) for h in old], dtype=np.float64),
    )
    entities = _jaccard(
        _incidence([c.entities.tolist() for c in found], len(entity_number)),
        _incidence([_numbers(h.entities, entity_number) for h in old], len(entity_number)),
        np.array([len(h.entities) for h in old], dtype=np.float64),
    )
    alike = np.array([[c.discovered_by == h.discovered_by for h in old] for c in found])
    row, column = np.nonzero((templates >= SAME) & alike)
    order = np.lexsort((column, row, -entities[row, column] - templates[row, column]))
    result: list[int | None] = [None] * len(found)
    taken: set[int] = set()
    for at in order.tolist():
        candidate, hypothesis = int(row[at]), int(column[at])
        if result[candidate] is None and hypothesis not in taken:
            result[candidate] = live[hypothesis]
            taken.add(hypothesis)
    return result


def looked_at(usage: Usage, candidate: Candidate, day: int, n_first: float, next_place: int) -> Hypothesis:
    """The hypothesis after a look at it."""
    return Hypothesis(
        tuple(sorted(usage.templates[list(candidate.templates)].tolist())),
        tuple(sorted(usage.entities[candidate.entities].tolist())),
        candidate.discovered_by,
        n_first,
        next_place,
        day,
    )


def seen(hypothesis: Hypothesis, day: int) -> Hypothesis:
    """The hypothesis after its candidate was found without a look."""
    return hypothesis if hypothesis.last_day == day else replace(hypothesis, last_day=day)


def is_due(n_exchanges: float, hypothesis: Hypothesis | None) -> bool:
    """Whether a group has enough new data for a look."""
    if hypothesis is None:
        return n_exchanges >= FIRST_LOOK
    return hypothesis.place(n_exchanges) >= hypothesis.next_place


def followed(usage: Usage, hypothesis: Hypothesis, settings: CandidateSettings) -> Candidate | None:
    """A candidate for a hypothesis that discovery does not name any more; None where too little of it is live.

    A verdict, once given, is followed up on the group's later data.
    """
    template_number = {name: number for number, name in enumerate(usage.templates.tolist())}
    entity_number = {name: number for number, name in enumerate(usage.entities.tolist())}
    templates = sorted(_numbers(hypothesis.templates, template_number))
    entities = np.array(sorted(_numbers(hypothesis.entities, entity_number)), dtype=np.int64)
    if not templates or len(entities) == 0:
        return None
    return followed_up(usage, tuple(templates), entities, hypothesis.discovered_by, settings)


def _numbers(names: Sequence[str], number: Mapping[str, int]) -> list[int]:
    return [number[name] for name in names if name in number]


def _incidence(groups: Sequence[Sequence[int]], width: int) -> csr_array:
    row = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    column = np.array([member for group in groups for member in group], dtype=np.int64)
    return csr_array((np.ones(len(column)), (row, column)), shape=(len(groups), max(width, 1)))


def _jaccard(left: csr_array, right: csr_array, right_sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jaccard index of every row of `left` with every row of `right`; names without a number count in the sizes."""
    common = (left @ right.T).toarray()
    sizes = np.asarray(left.sum(axis=1)).ravel()[:, None] + right_sizes[None, :]
    return np.asarray(common / np.maximum(sizes - common, 1.0))
