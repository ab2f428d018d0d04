"""What is reported is tested once a day; such a test alone adds no evidence and lets nobody else go."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.campaigns.ladder import CLIMB
from stillwatch.campaigns.online import EProcesses
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import ShownGroup
from stillwatch.campaigns.tables import Rung
from stillwatch.links.incidence import Attributes
from stillwatch.replaying.group_results import with_present_numbers
from stillwatch.replaying.hypotheses import Hypothesis
from stillwatch.replaying.looking import (
    TESTED_IN_A_SLICE,
    TESTED_IN_AN_HOUR,
    _budget,
    _drop,
    _of_the_hour,
    _take,
    _Wanted,
)
from stillwatch.replaying.outcomes import Outcomes
from stillwatch.replaying.slices import DAY_US
from stillwatch.replaying.state import State, empty_state
from tests.replay.test_outcomes import HOUR, ROWS, judged, usage_of


def state_of_one() -> tuple[State, JudgedGroup]:
    """A state with one hypothesis that was looked at once, and its group, which has twice the exchanges now."""
    group = judged([0, 1], (0, 1))
    tests = replace(group.tests, rung_log_e=dict.fromkeys(Rung, 3.0))
    candidate = replace(tests.candidate, volumes=np.array([150.0, 50.0]))
    group = JudgedGroup(0, replace(tests, candidate=candidate), group.standing, group.explanations)
    state = empty_state()
    state.hypotheses = [Hypothesis(("t1", "t2"), ("a", "b"), "templates", 100.0, 2, 0)]
    state.processes = EProcesses(np.array([1]), np.zeros((1, len(CLIMB))))
    return state, group


@pytest.mark.parametrize("looks", [False, True])
def test_a_daily_test_alone_is_no_look(looks):
    state, group = state_of_one()
    hypothesis, usage = state.hypotheses[0], usage_of(ROWS).usage()
    _take(state, usage, [(0, group)], 5, looks)
    assert state.outcomes.groups[0].held is not None  # what the tests said is known either way
    assert (state.hypotheses[0] != hypothesis) == looks
    assert (state.processes.looks.tolist() != [1]) == looks
    assert state.processes.log_sums.any() == looks


def outcomes_of(reported: set[int], explained: set[int]) -> Outcomes:
    group = judged([0], (0,))
    height = replace(group.standing, rung=Rung.ONE_TASK_POOL)
    fits = tuple(replace(one, fits=True) for one in group.explanations)
    fails = tuple(replace(one, fits=False) for one in group.explanations)
    groups = {number: replace(group, standing=height, explanations=fails) for number in reported}
    return Outcomes(groups | {n: replace(group, standing=height, explanations=fits) for n in explained})


def test_who_is_let_go():
    kept = {}
    for looks in (False, True):
        outcomes = outcomes_of({1, 2, 3}, {4, 5, 6})
        _drop(outcomes, {2, 5}, _Wanted({1, 2, 3, 4, 5, 6}, {2, 3, 5, 6}, looks, False, None))
        kept[looks] = set(outcomes.groups)
    # 2 and 5 were found. Of 3 and 6 too little is left for the test of today. 4 was not looked for, or not found.
    assert kept == {False: {1, 2, 4, 5}, True: {1, 2, 5}}


def test_every_reported_group_has_its_hour():
    reported, asked = set(range(40)), []
    outcomes = Outcomes(followed_until=7 * DAY_US)
    for end in range(7 * DAY_US + HOUR, 8 * DAY_US + 1, HOUR):
        asked += sorted(_of_the_hour(outcomes, reported, end))
        outcomes.followed_until = end
    assert sorted(asked) == sorted(reported)


def test_what_an_hour_may_test_does_not_grow_with_the_state():
    assert _budget(0, HOUR // 4) == _budget(0, HOUR) == TESTED_IN_AN_HOUR
    assert _budget(0, 2 * HOUR) == _budget(0, DAY_US) == TESTED_IN_A_SLICE


def test_values_that_tie_a_group_have_their_present_numbers():
    rows = [("a", "ip", "y"), ("b", "ip", "y"), ("c", "ip", "z")]
    table = pa.table({name: [row[at] for row in rows] for at, name in enumerate(("entity", "kind", "value"))})
    group = judged([0, 1], (0,))
    found = next(iter(group.tests.shared.values()))
    value = found.shared[0]
    tied = replace(
        found, kind="ip", shared=(replace(value, value="z", number=7), replace(value, value="gone"))
    )
    tests = replace(group.tests, shared={"ip": tied, "card": replace(found, kind="card")})
    shown = ShownGroup("c_1", (replace(group, tests=tests),), (), True, {"a": 1.0})
    (of_now,) = with_present_numbers([shown], Attributes.from_table(table))
    assert set(of_now.main.tests.shared) == {"ip"}
    (present,) = of_now.main.tests.shared["ip"].shared
    assert (present.value, present.number) == ("z", 1)
