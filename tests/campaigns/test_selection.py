"""Which of the groups that hold much the same exchanges are shown, against volumes compared pair by pair."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.ladder import Standing
from stillwatch.campaigns.selection import COVERED, JudgedGroup, campaigns, distinct
from stillwatch.campaigns.tables import Rung
from stillwatch.replaying.renumbering import Renumbering
from tests.campaigns.test_uses import COUNTS, N_ENTITIES, N_TEMPLATES, usage_of

HEIGHTS = {None: 0, Rung.REPETITIVE: 1, Rung.COORDINATED: 2}
PLACES = st.tuples(
    st.lists(st.integers(0, N_ENTITIES - 1), min_size=1, unique=True).map(sorted),
    st.lists(st.integers(0, N_TEMPLATES - 1), min_size=1, max_size=3, unique=True).map(sorted),
)
GROUPS = st.lists(PLACES, max_size=8)


@dataclass(frozen=True)
class Tests:
    """As much of a group's tests as is looked at."""

    __test__ = False
    candidate: Candidate
    verdicts: dict[str, Any] = field(
        default_factory=lambda: {"template_mix": SimpleNamespace(innocent_share=1.0)}
    )


def judged(usage, places) -> list[JudgedGroup]:
    groups = []
    for index, (entities, templates) in enumerate(places):
        members = np.array(entities, dtype=np.int64)
        volumes = usage.volumes(members, templates)
        candidate = Candidate(tuple(templates), members, "templates", 1.0, volumes, np.zeros(len(members)))
        tests: Any = Tests(candidate)
        rung = list(HEIGHTS)[index % len(HEIGHTS)]
        groups.append(JudgedGroup(index, tests, Standing(rung, 1.0, 1.0, 0.0), ()))
    return groups


def holding(usage, groups) -> list[JudgedGroup]:
    candidates = [group.tests.candidate for group in groups]
    held = [usage.by_template.of_group(one.entities, one.templates)[1] for one in candidates]
    return [replace(group, held=uses) for group, uses in zip(groups, held, strict=True)]


def chosen_pair_by_pair(counts, groups):
    """Of each group's (entity, template), those that stand in a group chosen before are covered."""
    taken: set[tuple[int, int]] = set()
    chosen = []
    for group in sorted(groups, key=lambda g: (-HEIGHTS[g.standing.rung], -g.n_exchanges, g.index)):
        candidate = group.tests.candidate
        pairs = {(entity, t) for entity in candidate.entities.tolist() for t in candidate.templates}
        volume = sum(counts[pair] for pair in pairs)
        if volume and sum(counts[pair] for pair in pairs & taken) <= COVERED * volume:
            taken |= pairs
            chosen.append(group.index)
    return chosen


@given(COUNTS, GROUPS)
def test_groups_that_are_mostly_covered_are_left_out(counts, places):
    usage = usage_of(*counts)
    groups = judged(usage, places)
    expected = chosen_pair_by_pair(counts.sum(axis=0), groups)
    assert [group.index for group in distinct(groups, usage)] == expected


@given(COUNTS, COUNTS, GROUPS)
def test_what_groups_held_counts_when_the_usage_went_on(counts, later, places):
    usage = usage_of(*counts)
    groups = holding(usage, judged(usage, places))
    expected = chosen_pair_by_pair(counts.sum(axis=0), groups)
    assert [group.index for group in distinct(groups, usage_of(*later))] == expected


def test_a_group_keeps_what_it_holds_when_names_come_in_between():
    old = usage_of(np.array([[2, 0], [3, 4]]), np.array([[0, 0], [1, 1]]))
    new = replace(
        usage_of(np.zeros((4, 3), np.int64), np.zeros((4, 3), np.int64)),
        entities=np.array(["e000000", "e000000b", "e000001", "e000002"]),
        templates=np.array(["a", "t00000", "t00001"]),
    )
    (group,) = holding(old, judged(old, [([0, 1], [0, 1])]))
    assert Renumbering.between(old, old).of(group) is group
    moved = Renumbering.between(old, new).of(group)
    candidate, held = moved.tests.candidate, moved.held
    assert held is not None
    assert (candidate.entities.tolist(), candidate.templates) == ([0, 2], (1, 2))
    # Templates are told by their place in the candidate's list.
    assert (held.entity.tolist(), held.template.tolist()) == ([0, 2, 2], [0, 0, 1])
    assert held.both.tolist() == [2, 4, 5]
    assert moved.n_exchanges == 11


def of_users(*users) -> list[JudgedGroup]:
    """Groups of these users, in an order of standing; what they used plays no part."""
    nothing = np.zeros(0)
    candidates = [Candidate((0,), np.array(sorted(own)), "templates", 1.0, nothing, nothing) for own in users]
    tests: list[Any] = [Tests(candidate) for candidate in candidates]
    return [JudgedGroup(place, one, Standing(None, 1.0, 1.0, 0.0), ()) for place, one in enumerate(tests)]


def joined(*users) -> list[tuple[list[int], list[int]]]:
    """Cores and extensions of each campaign."""
    found = campaigns(of_users(*users))
    return [([core.index for core in one.cores], [more.index for more in one.extensions]) for one in found]


@given(st.lists(st.sets(st.integers(0, 40), min_size=1), max_size=8))
def test_no_reported_group_is_lost(users):
    found = joined(*users)
    assert {place for cores, more in found for place in (*cores, *more)} == set(range(len(users)))
    cores = [place for own, _ in found for place in own]
    assert len(cores) == len(set(cores))


def test_a_template_of_two_campaigns_does_not_take_the_one_into_the_other():
    """As it was in 8 million exchanges: the second campaign's own group stood behind the common template's."""
    third, second = set(range(40)), set(range(100, 118))
    assert joined(third, third | second, second) == [([0], [1]), ([2], [1])]


def test_a_template_whose_further_users_have_no_group_of_their_own_brings_them_in():
    third, more = set(range(40)), set(range(100, 118))
    assert joined(third, third | more) == [([0, 1], [])]


def test_a_group_of_a_smaller_part_of_the_members_stands_by_itself():
    assert joined(set(range(40)), set(range(10))) == [([0], []), ([1], [])]


def test_a_group_of_a_handful_of_members_extends_their_campaign():
    assert joined(set(range(40)), {1, 2, 3}) == [([0], [1])]


def test_a_group_of_most_of_the_members_extends_their_campaign():
    assert joined(set(range(40)), set(range(30))) == [([0], [1])]
