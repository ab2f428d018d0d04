"""From all tested groups, which overlap, to groups that a reader can tell apart, and to campaigns.

A single template and the bundle it stands in are both tested; of groups that hold much the same exchanges only the
one of highest standing and most exchanges is shown. Reported groups that share members are one campaign.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from stillwatch.campaigns.explanations import Explanation
from stillwatch.campaigns.group import GroupTests
from stillwatch.campaigns.ladder import Standing
from stillwatch.campaigns.tables import Rung

_HEIGHT: dict[Rung | None, int] = {rung: height for height, rung in enumerate([None, *Rung])}
COVERED = 0.5
SAME_MEMBERS = 0.3
IMPURE = 0.05
"""Share of accounts with a mix of templates of their own from which a bundle may hold more than one pool."""


@dataclass(frozen=True)
class JudgedGroup:
    """A tested group with its standing and explanations.

    Attributes:
        index: number of the candidate.
        tests: what the tests said.
        standing: its place on the ladder.
        explanations: nearest first.
        volume: exchanges by (entity, template) of the group, for overlaps.
    """

    index: int
    tests: GroupTests
    standing: Standing
    explanations: tuple[Explanation, ...]
    volume: csr_array

    @property
    def reported(self) -> bool:
        """Whether it is a campaign: a pool at least, and no innocent explanation fits."""
        high = _HEIGHT[self.standing.rung] >= _HEIGHT[Rung.ONE_TASK_POOL]
        return high and not any(explanation.fits for explanation in self.explanations)

    @property
    def pure(self) -> bool:
        """Whether one mix of several templates serves all its accounts, as it does in one pool."""
        several = len(self.tests.candidate.templates) > 1
        return several and self.tests.verdicts["template_mix"].innocent_share < IMPURE

    @property
    def n_exchanges(self) -> float:
        """Exchanges of the group's entities in its templates."""
        return float(self.volume.sum())


def distinct(groups: Sequence[JudgedGroup]) -> list[JudgedGroup]:
    """Groups in order of standing, without those whose exchanges are mostly covered by groups before them."""
    order = sorted(
        groups, key=lambda g: (not g.reported, -_HEIGHT[g.standing.rung], not g.pure, -g.n_exchanges, g.index)
    )
    chosen: list[JudgedGroup] = []
    covered: csr_array | None = None
    for group in order:
        if group.n_exchanges == 0:
            continue
        inside = 0.0 if covered is None else float(group.volume.multiply(covered).sum())
        if inside > COVERED * group.n_exchanges:
            continue
        chosen.append(group)
        mask = csr_array((group.volume > 0).astype(np.float64))
        covered = mask if covered is None else csr_array(((covered + mask) > 0).astype(np.float64))
    return chosen


def campaigns(reported: Sequence[JudgedGroup]) -> list[list[JudgedGroup]]:
    """Reported groups, joined where the smaller one shares much of its members with the larger."""
    n = len(reported)
    near = np.zeros((n, n), dtype=bool)
    members = [set(group.tests.candidate.entities.tolist()) for group in reported]
    for one in range(n):
        for other in range(one):
            common = len(members[one] & members[other])
            near[one, other] = common >= SAME_MEMBERS * min(len(members[one]), len(members[other]))
    count, label = connected_components(csr_array(near), directed=False)
    return [[reported[i] for i in np.flatnonzero(label == part).tolist()] for part in range(count)]
