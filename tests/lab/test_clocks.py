import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.lab.behaviour.clocks import (
    DAY,
    HOUR,
    OFFICE_HOURS,
    PRIVATE_HOURS,
    SECOND,
    Rhythm,
    human_sessions,
    machine_arrivals,
    machine_times,
    periodic_times,
)
from stillwatch.lab.behaviour.machines import followed_arrivals
from stillwatch.lab.behaviour.people_clock import active_days, people_clock
from stillwatch.lab.traces import HERE, WINDOWS, machine_windows

START = 20_003 * DAY  # a Thursday


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(0, 400), max_size=12),
    offset=st.integers(0, 3 * DAY),
    span=st.integers(1_000 * SECOND, 40 * DAY),
    seed=st.integers(0, 2**32),
)
def test_machines_send_just_what_is_wanted_inside_the_window(counts, offset, span, seed):
    begin = START + offset
    wanted = np.array(counts, np.int64)
    client, ts = machine_arrivals(np.random.default_rng(seed), wanted, begin, begin + span)
    assert (np.bincount(client, minlength=len(wanted)) == wanted).all()
    assert ((ts >= begin) & (ts < begin + span)).all()
    assert (np.diff(client) >= 0).all()
    assert (np.diff(ts)[np.diff(client) == 0] >= 0).all()


def test_the_same_seed_gives_the_same_arrivals_and_another_gives_others():
    def made(seed: int) -> np.ndarray:
        return machine_arrivals(np.random.default_rng(seed), np.full(20, 300), START, START + 9 * DAY)[1]

    assert (made(1) == made(1)).all()
    assert (made(1) != made(2)).any()


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match=r"ends .* before it starts"):
        machine_arrivals(np.random.default_rng(0), np.array([3]), START, START)


def test_a_client_has_its_real_clients_windows_moved_by_whole_hours():
    """At full volume nothing is thinned: the counts of some circular shift are met up to the copies."""
    real = machine_windows("model")
    totals = real.requests.sum(1)
    wanted = np.sort(totals[totals < 40_000])[-6:].astype(np.int64)
    rng = np.random.default_rng(4)
    client, ts, source = followed_arrivals(rng, wanted, START, START + 14 * DAY)
    for number in range(len(wanted)):
        seen = np.bincount((ts[client == number] - START) // (600 * SECOND), minlength=WINDOWS)
        own = real.requests[source[number]]
        shifts = [np.roll(own, -6 * hours) for hours in range(14 * 24)]
        best = max(float(np.corrcoef(seen, s)[0, 1]) for s in shifts)
        assert best > 0.98


def test_clients_of_one_size_do_not_share_their_hours():
    client, ts = machine_arrivals(np.random.default_rng(3), np.full(60, 3_000), START, START + 14 * DAY)
    hourly = np.zeros((60, 14 * 24))
    np.add.at(hourly, (client, (ts - START) // HOUR), 1)
    alike = np.corrcoef(np.log1p(hourly))[np.triu_indices(60, 1)]
    assert np.median(alike) < 0.3
    assert np.mean(alike > 0.95) < 0.01


def test_machines_are_as_uneven_as_real_ones():
    real = machine_windows("held_out")
    hours = real.requests.reshape(len(real.requests), -1, 6).sum(2)
    _, ts = machine_arrivals(np.random.default_rng(1), np.array([50_000] * 40), START, START + 14 * DAY)
    made = np.array([np.bincount((t - START) // HOUR, minlength=336) for t in ts.reshape(40, -1)])

    def silent(rows: np.ndarray) -> float:
        return float(np.mean((rows == 0).mean(1) > 0.3))

    assert silent(hours) > 0.3  # the real ones have long silences
    assert silent(made) > 0.3


def test_weeks_repeat_beyond_the_trace():
    _, ts = machine_arrivals(np.random.default_rng(8), np.array([60_000]), START, START + 60 * DAY)
    weekly = np.bincount((ts - START) // (7 * DAY), minlength=9)
    assert (weekly > 0).sum() >= 4


def test_one_machine_as_callers_knew_it():
    ts = machine_times(np.random.default_rng(1), 500, START, START + 3 * DAY, roughness=0.5)
    assert len(ts) == 500
    assert (np.diff(ts) >= 0).all()


def test_people_have_the_wanted_volume_and_real_pauses():
    rng = np.random.default_rng(2)
    per_day = rng.lognormal(0, 1, 4_000)
    found = human_sessions(rng, per_day, START, START + 28 * DAY, Rhythm(PRIVATE_HOURS, 0.8))
    assert len(found.ts) / 28 == pytest.approx(per_day.sum(), rel=0.03)
    inside = np.diff(found.ts)[np.diff(found.session) == 0] / SECOND
    real = people_clock().pause_s
    wanted = np.quantile(real, [0.1, 0.25, 0.5, 0.75, 0.9])
    assert np.quantile(inside, [0.1, 0.25, 0.5, 0.75, 0.9]) == pytest.approx(wanted, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(
    rates=st.lists(st.floats(0.01, 30), max_size=8),
    span=st.integers(HOUR, 20 * DAY),
    seed=st.integers(0, 2**32),
)
def test_sessions_are_whole_and_in_order(rates, span, seed):
    found = human_sessions(
        np.random.default_rng(seed), np.array(rates), START, START + span, Rhythm(OFFICE_HOURS)
    )
    assert ((found.ts >= START) & (found.ts < START + span)).all()
    begins = np.flatnonzero(np.diff(found.session, prepend=-1))
    assert len(begins) == len(np.unique(found.session))
    assert (found.turn[begins] == 0).all()
    same = np.diff(found.session) == 0
    assert (np.diff(found.turn)[same] == 1).all()
    assert (np.diff(found.ts)[same] >= 0).all()
    assert (np.diff(found.person) >= 0).all()


def test_people_keep_weekends_and_hours():
    rhythm = Rhythm(OFFICE_HOURS, 0.2, zones=np.array([0.0]))
    rng = np.random.default_rng(6)
    ts = human_sessions(rng, np.full(3_000, 4.0), START, START + 28 * DAY, rhythm).ts
    weekend = (ts // DAY + 3) % 7 >= 5
    assert weekend.mean() == pytest.approx(2 * 0.2 / 5.4, abs=0.02)
    hour = (ts % DAY) // HOUR
    assert np.isin(hour, np.arange(7, 19)).mean() > 0.75


def test_active_days_cluster_as_those_of_real_people():
    rng = np.random.default_rng(7)
    person, day, sessions = active_days(rng, np.full(4_000, 0.6), np.ones(60))
    active = np.zeros((4_000, 60))
    active[person, day] = 1
    centred = active - active.mean()
    lag = (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()
    assert lag == pytest.approx(people_clock().persistence, abs=0.03)
    assert sessions.sum() / (4_000 * 60) == pytest.approx(0.6, rel=0.03)
    assert sessions.min() == 1


def test_a_timer_ticks_at_its_period_and_phase():
    ts = periodic_times(np.random.default_rng(1), START, START + DAY, HOUR, 7 * 60 * SECOND)
    assert 20 <= len(ts) <= 24
    late = (ts - 7 * 60 * SECOND) % HOUR / SECOND
    assert np.median(late) == pytest.approx(2.0, abs=1.5)


def test_the_shipped_traces_are_small_and_their_parts_apart():
    assert sum(f.stat().st_size for f in HERE.glob("*.parquet")) <= 1_500_000
    ours, theirs = set(machine_windows("model").names), set(machine_windows("held_out").names)
    assert not ours & theirs
    assert min(len(ours), len(theirs)) > 100
