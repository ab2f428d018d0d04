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
FloatArray = NDArray[np.float64]


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
    found_by, known_by = (np.array([one.discovered_by for one in side]) for side in (found, old))
    row, column, templates = _alike(
        [c.templates for c in found],
        [_numbers(h.templates, template_number) for h in old],
        np.array([len(h.templates) for h in old], dtype=np.float64),
        len(template_number),
    )
    same = (templates >= SAME) & (found_by[row] == known_by[column])
    row, column, templates = row[same], column[same], templates[same]
    # Accounts are compared only where templates are alike: of all pairs these are few.
    theirs = {at: _sorted_numbers(old[at].entities, entity_number) for at in np.unique(column).tolist()}
    common = [
        len(np.intersect1d(found[mine].entities, theirs[its], assume_unique=True))
        for mine, its in zip(row.tolist(), column.tolist(), strict=True)
    ]
    sizes = [
        len(found[mine].entities) + len(old[its].entities)
        for mine, its in zip(row.tolist(), column.tolist(), strict=True)
    ]
    entities = _jaccard(np.array(common, dtype=np.float64), np.array(sizes, dtype=np.float64))
    order = np.lexsort((column, row, -entities - templates))
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
    templates = _used(usage, sorted(_numbers(hypothesis.templates, template_number)))
    entities = _sorted_numbers(hypothesis.entities, entity_number)
    if not templates or len(entities) == 0:
        return None
    return followed_up(usage, templates, entities, hypothesis.discovered_by, settings)


def followed_again(usage: Usage, candidate: Candidate, settings: CandidateSettings) -> Candidate | None:
    """The present candidate of the accounts and templates that were tested together before; None where too little of
    them is live."""
    templates = _used(usage, candidate.templates)
    if not templates:
        return None
    return followed_up(usage, templates, candidate.entities, candidate.discovered_by, settings)


def _used(usage: Usage, templates: Sequence[int]) -> tuple[int, ...]:
    """Those of some templates that anything live uses."""
    used = np.diff(usage.by_template.starts) > 0
    return tuple(number for number in templates if used[number])


def _numbers(names: Sequence[str], number: Mapping[str, int]) -> list[int]:
    return [number[name] for name in names if name in number]


def _sorted_numbers(names: Sequence[str], number: Mapping[str, int]) -> Ints:
    return np.array(sorted(_numbers(names, number)), dtype=np.int64)


def _alike(
    left: Sequence[Sequence[int]], right: Sequence[Sequence[int]], right_sizes: FloatArray, width: int
) -> tuple[Ints, Ints, FloatArray]:
    """Pairs of groups with a member in common: number in `left`, number in `right`, Jaccard index.

    Args:
        left: groups of numbers below `width`.
        right: likewise.
        right_sizes: members of each group of `right`, those without a number included.
        width: see above.
    """
    mine, theirs = _incidence(left, width), _incidence(right, width)
    common = (mine @ theirs.T).tocoo()
    row, column = (place.astype(np.int64) for place in common.coords)
    return row, column, _jaccard(common.data, np.diff(mine.indptr)[row] + right_sizes[column])


def _incidence(groups: Sequence[Sequence[int]], width: int) -> csr_array:
    row = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    column = np.array([member for group in groups for member in group], dtype=np.int64)
    return csr_array((np.ones(len(column)), (row, column)), shape=(len(groups), max(width, 1)))


def _jaccard(common: FloatArray, sizes: FloatArray) -> FloatArray:
    """Jaccard index from what two groups have in common and the sum of their sizes."""
    return np.asarray(common / np.maximum(sizes - common, 1.0), dtype=np.float64)
