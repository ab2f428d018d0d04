"""Taking turns: fires on a pool dealt to whoever waited longest, silent on people, fleets and clocks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.alternation import _permutation_log_e, alternation_test, words
from stillwatch.campaigns.turns import cases
from tests.campaigns.innocents import INNOCENTS, world
from tests.campaigns.lab_worlds import (
    SETTING,
    labelled,
    sample_of,
    signals_of,
    simulated,
    users_of_shared_templates,
)
from tests.campaigns.traces import HOURS, Events

CAMPAIGN = {"accounts": 30, "start_day": 3.0, "days": 2.0, "per_day": 24.0, "infrastructure": "clean"}
FLEETS = (
    SETTING
    + """
[[population]]
kind = "cron_fleet"
name = "cron"
accounts = 12
period_minutes = 60
"""
)


def found_in(tmp_path, **changed):
    dataset = simulated({**CAMPAIGN, **changed}, tmp_path, setting=FLEETS)
    signals, campaign = signals_of(dataset, tmp_path / "steps"), labelled(dataset)
    others = set(signals.column("account_id").to_pylist()) - campaign
    return tuple(
        alternation_test(sample_of(users_of_shared_templates(signals, accounts)))
        for accounts in (campaign, others)
    )


def test_fires_on_a_simulated_balancer_and_not_on_a_fleet_by_the_clock(tmp_path):
    pool, others = found_in(tmp_path, dispatch="least_recently_used")
    assert pool.log_e > np.log(1e3)
    assert pool.share > 0.6
    assert np.nanmin(pool.shares) > 0.5
    assert f"{pool.share:.0%}" in words(pool).words
    assert others.log_e < np.log(2)
    assert others.share > 0.4  # a fleet alternates, too


def test_evaded_by_dealing_at_random(tmp_path):
    assert found_in(tmp_path, dispatch="random")[0].log_e < np.log(20)


def test_evaded_by_jitter(tmp_path):
    assert found_in(tmp_path, dispatch="least_recently_used", jitter_hours=6.0)[0].log_e < np.log(20)


def round_robin(w, n_accounts, n):
    order = w.queue(1, n)[0]
    rank = np.argsort(np.argsort(order.hour))
    columns = ("hour", "subject", "template", "task")
    return [
        replace(order, **{name: getattr(order, name)[rank % n_accounts == i] for name in columns})
        for i in range(n_accounts)
    ]


def test_fires_on_a_pool_dealt_in_turn_and_tells_the_accounts():
    w = world(1)
    alone = [w.customer(100, clumping=3.0) for _ in range(10)]
    found = alternation_test(w.sample(round_robin(w, 30, 6_000)))
    assert found.log_e > np.log(1e3)
    mixed = alternation_test(w.sample(round_robin(w, 10, 2_000) + alone))
    assert np.nanmedian(mixed.shares[:10]) > np.nanmedian(mixed.shares[10:]) + 0.1


def clock(w, period, n_accounts=20, jitter=0.02):
    """A job every `period` hours, each account at a minute of its own."""
    found = []
    for start in w.rng.uniform(0, period, n_accounts):
        hour = np.arange(start, HOURS, period)
        hour = np.clip(hour + w.rng.normal(0, jitter, len(hour)), 0, HOURS - 1e-6)
        kind = np.zeros(len(hour), dtype=np.int64)
        found.append(Events(hour, kind, kind, w.fresh(len(hour))))
    return found


def office(w, n_accounts=20):
    """People who ask some five times a working day, from nine to five."""
    found = []
    for _ in range(n_accounts):
        day = np.repeat(np.arange(14), w.rng.poisson(5, 14))
        hour = day * 24 + 9 + 8 * w.rng.random(len(day))
        kind = np.zeros(len(day), dtype=np.int64)
        found.append(Events(hour, kind, kind, w.fresh(len(day))))
    return found


CLOCKS = {
    "every hour": lambda w: clock(w, 1.0),
    "every four hours": lambda w: clock(w, 4.0),
    "every day": lambda w: clock(w, 24.0),
    "every hour, loosely": lambda w: clock(w, 1.0, jitter=0.2),
    "every hour on the hour": lambda w: [
        replace(e, hour=np.floor(e.hour) + w.rng.random(len(e.hour)) / 60) for e in clock(w, 1.0)
    ],
    "an office": office,
    "a mixture": lambda w: clock(w, 2.0, 10) + office(w, 10),
}


@pytest.mark.parametrize("name", [*INNOCENTS, *CLOCKS])
def test_calibrated_on_innocents(name):
    made = {**INNOCENTS, **CLOCKS}[name]
    found = []
    for seed in range(5):
        w = world(seed)
        found.append(alternation_test(w.sample([e for e in made(w) if len(e.hour)]), seed).log_e)
    # An e-value of 20 may come once in twenty at most: two of five come once in fifty.
    assert sum(log_e >= np.log(20) for log_e in found) <= 1
    assert np.median(found) <= 1e-9


def test_a_permutation_e_value_has_mean_one_at_most():
    """Under the null the observed value is any of them: the mean over all is then exactly 1."""
    values = np.random.default_rng(0).normal(size=50)
    values[7] += 20
    each = [np.exp(_permutation_log_e(np.roll(values, -place))) for place in range(50)]
    assert np.mean(each) == pytest.approx(1.0)
    assert max(each) > 25
    assert _permutation_log_e(np.full(10, 0.3)) == 0.0


@given(st.lists(st.integers(0, 4), max_size=60))
def test_cases_against_their_definition(drawn):
    turns = np.array(drawn, dtype=np.int64)
    single = turns[np.diff(turns, prepend=-1) != 0]
    expected = np.zeros((5, 2))
    for account in range(5):
        for begin, end in pairwise(np.flatnonzero(single == account)):
            for other in set(range(5)) - {account}:
                theirs = np.flatnonzero(single == other)
                if (theirs < begin).any() and (theirs > end).any():
                    between = int(((theirs > begin) & (theirs < end)).sum())
                    expected[account] += (between == 1, 1)
    np.testing.assert_array_equal(cases(turns, 5), expected)


def test_the_same_on_every_run_and_nothing_from_few_turns():
    w = world(2)
    sample = w.sample(round_robin(w, 10, 500))
    assert alternation_test(sample).log_e == alternation_test(sample).log_e
    few = alternation_test(w.sample([w.customer(3) for _ in range(20)]))
    assert few.log_e == 0.0
    assert np.isnan(few.shares).all()
    assert "few" in words(few).words
