"""From all tested groups, which overlap, to groups that a reader can tell apart, and to campaigns.

A single template and the bundle it stands in are both tested; of groups that hold much the same exchanges only the
one of highest standing and strongest evidence is shown. Reported groups that share members are one campaign.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.explanations import Explanation
from stillwatch.campaigns.group import GroupTests
from stillwatch.campaigns.ladder import Standing
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.uses import Uses, UsesByTemplate

_HEIGHT: dict[Rung | None, int] = {rung: height for height, rung in enumerate([None, *Rung])}
COVERED = 0.5
SAME_MEMBERS = 0.5
KNOWN = 0.8
APART, APART_VOLUME = 0.1, 0.1
"""Groups inside another are campaigns of their own where they have at most this share of the smaller one's accounts in
common, and each at least this part of the exchanges."""
_ENTITY_BITS = 34
"""More than entities ever need."""
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
        held: who of it used which of its templates when it was tested; None where the usage at hand is that of then.
    """

    index: int
    tests: GroupTests
    standing: Standing
    explanations: tuple[Explanation, ...]
    held: Uses | None = None

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
        return self.tests.candidate.n_exchanges


def distinct(groups: Sequence[JudgedGroup], usage: Usage) -> list[JudgedGroup]:
    """Groups in order of standing, without those whose exchanges are mostly covered by groups before them.

    Args:
        groups: judged groups; all `held`, or none.
        usage: who used which template.
    """
    welded = _welded([group for group in groups if group.reported])
    order = sorted(groups, key=lambda group: _place(group, group.index in welded))
    chosen: list[JudgedGroup] = []
    if any(group.held is not None for group in order):
        volumes, n_cells = _held_volumes(order)
    else:
        volumes, n_cells = _volumes(order, usage.by_template), len(usage.by_template)
    covered = np.zeros(n_cells, dtype=bool)
    for group, (cells, n) in zip(order, volumes, strict=True):
        if group.n_exchanges == 0 or float(n[covered[cells]].sum()) > COVERED * group.n_exchanges:
            continue
        chosen.append(group)
        covered[cells] = True
    return chosen


_Volume = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Numbers of pairs of an entity and a template, the same in all groups, and the exchanges of each."""


def _volumes(groups: Sequence[JudgedGroup], everything: UsesByTemplate) -> Iterator[_Volume]:
    """What each group holds, one after the other: together they hold a large dataset many times over."""
    for group in groups:
        cells, uses, _ = everything.of_group(group.tests.candidate.entities, group.tests.candidate.templates)
        yield cells, uses.both


def _held_volumes(groups: Sequence[JudgedGroup]) -> tuple[Iterator[_Volume], int]:
    """What each group held when it was tested, and the number of pairs."""
    keys, counts = [], []
    for group in groups:
        assert group.held is not None
        template = np.array(group.tests.candidate.templates, dtype=np.int64)[group.held.template]
        keys.append(template << _ENTITY_BITS | group.held.entity)
        counts.append(group.held.both)
    pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
    ends = np.cumsum([len(key) for key in keys], dtype=np.int64)
    return zip(np.split(place.reshape(-1), ends), counts, strict=False), len(pairs)


def _welded(reported: Sequence[JudgedGroup]) -> set[int]:
    """Indices of the reported groups that hold two others which have next to nothing in common.

    Two campaigns that worked one after the other with templates that are alike pass for one pool, whose mix of
    templates changes with the days. Their own groups tell them apart: neither accounts nor templates in common.
    """
    entities = [set(group.tests.candidate.entities.tolist()) for group in reported]
    templates = [set(group.tests.candidate.templates) for group in reported]
    welded = set()
    for whole, group in enumerate(reported):
        parts = [
            part
            for part, other in enumerate(reported)
            if templates[part] < templates[whole]
            and len(entities[part] & entities[whole]) > SAME_MEMBERS * len(entities[part])
            and other.n_exchanges >= APART_VOLUME * group.n_exchanges
        ]
        if any(
            not templates[a] & templates[b]
            and len(entities[a] & entities[b]) <= APART * min(len(entities[a]), len(entities[b]))
            for a, b in combinations(parts, 2)
        ):
            welded.add(group.index)
    return welded


def _place(group: JudgedGroup, welded: bool) -> tuple[bool, int, float, float, int]:
    """Reported groups first: whole pools, mixtures, single templates; then by evidence, or by rung and size.

    A pool's evidence is diluted by what else its accounts do, so the strongest bundle is the cleanest. A single
    template comes last: it may be shared by pools that differ in the others.
    """
    wholeness = 3 if welded else 0 if group.pure else 1 if len(group.tests.candidate.templates) > 1 else 2
    if group.reported:
        return False, wholeness, -group.standing.log_e, -group.n_exchanges, group.index
    return True, -_HEIGHT[group.standing.rung], -group.n_exchanges, 0.0, group.index


@dataclass
class Joined:
    """Reported groups that are one campaign.

    Attributes:
        cores: groups that have members of their own.
        extensions: groups whose users are members of campaigns already, and that only add templates to them.
    """

    cores: list[JudgedGroup]
    extensions: list[JudgedGroup]

    @property
    def members(self) -> set[int]:
        """Entities of the cores."""
        return {entity for core in self.cores for entity in core.tests.candidate.entities.tolist()}


def campaigns(reported: Sequence[JudgedGroup]) -> list[Joined]:
    """Reported groups in order of standing, joined to campaigns.

    Two campaigns may use one template; the group of that template's users must not weld them together. It extends
    each of them by a template where its users are known already. Where they are not, it is a campaign of its own; and
    so it is where they are the smaller part of a campaign, but no handful of it: groups that come later hold mostly
    exchanges of their own.
    """
    users = [set(group.tests.candidate.entities.tolist()) for group in reported]
    found: list[Joined] = []
    bridges: list[tuple[int, Joined]] = []
    for number, own in enumerate(users):
        held, known = _mostly_within(own, found), _known(own, found)
        same = [campaign for campaign in held if len(own & campaign.members) >= SAME_MEMBERS * len(own)]
        if known and not held:
            held = _handful_of(own, found)
        if known and held:
            _extend(held, reported[number])
        elif known or not same:
            found.append(Joined([reported[number]], []))
        elif _leads_to_another(own, same[0].members, users[number + 1 :]):
            bridges.append((number, same[0]))
        else:
            same[0].cores.append(reported[number])
    for number, campaign in bridges:
        _extend(_mostly_within(users[number], found) or [campaign], reported[number])
    return found


def _mostly_within(users: set[int], found: Sequence[Joined]) -> list[Joined]:
    """The campaigns most of whose members are among these users."""
    return [one for one in found if len(users & one.members) >= SAME_MEMBERS * len(one.members)]


def _handful_of(users: set[int], found: Sequence[Joined]) -> list[Joined]:
    """The campaign of which these users are a few members, if there is one."""
    of = max(found, key=lambda one: len(users & one.members))
    return [of] if len(users) < APART * len(of.members) else []


def _known(users: set[int], found: Sequence[Joined]) -> bool:
    """Whether these users are members of campaigns already."""
    everybody = set().union(*(campaign.members for campaign in found))
    return len(users & everybody) >= KNOWN * len(users)


def _leads_to_another(users: set[int], members: set[int], others: Sequence[set[int]]) -> bool:
    """Whether those users of a group who are no members of its campaign are mostly another reported group's, which has
    next to nothing in common with that campaign."""
    new = users - members
    return any(
        len(new & other) >= KNOWN * len(new) and len(other & members) <= APART * len(other)
        for other in others
    )


def _extend(found: Sequence[Joined], group: JudgedGroup) -> None:
    for campaign in found:
        campaign.extensions.append(group)
