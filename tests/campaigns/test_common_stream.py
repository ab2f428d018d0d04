"""Hours: fires on one queue's thinnings, silent on customers who work in sessions."""

from dataclasses import replace

import numpy as np
import pytest

from stillwatch.campaigns.common_stream import CLUMPED, common_stream_test, dispersion
from tests.campaigns.innocents import INNOCENTS, world


@pytest.mark.parametrize("shares", ["even", "uneven"])
def test_fires_on_a_queue_dealt_at_random(shares):
    w = world()
    shared = None if shares == "even" else w.rng.dirichlet(np.full(60, 3.0))
    sample = w.sample(w.queue(60, 6_000, shares=shared))
    assert common_stream_test(sample).log_e > np.log(1e9)
    assert dispersion(sample) == pytest.approx(1.0, abs=0.05)


def test_fires_on_a_queue_dealt_in_turn():
    w = world(1)
    order = w.queue(1, 6_000)[0]
    rank = np.argsort(np.argsort(order.hour))
    pool = [
        replace(
            order, **{c: getattr(order, c)[rank % 60 == i] for c in ("hour", "subject", "template", "task")}
        )
        for i in range(60)
    ]
    assert common_stream_test(w.sample(pool)).log_e > np.log(1e9)


def test_silent_on_customers_who_come_and_go():
    w = world(2)
    sample = w.sample([w.customer(100, clumping=3.0) for _ in range(60)])
    found = common_stream_test(sample)
    assert found.log_e < 0
    assert found.innocent_share > 0.9
    assert dispersion(sample) > 2


def test_evaded_by_working_each_account_in_sessions():
    w = world(3)
    pool = [replace(events, hour=w.hours(len(events.hour), 2.0)) for events in w.queue(60, 6_000)]
    assert common_stream_test(w.sample(pool)).log_e < 0


def part_of(sample, part, rng):
    """A sample of the same accounts in which each exchange stands with a probability."""
    kept = rng.random(len(sample.ts)) < part
    rows = {
        name: getattr(sample, name)[kept]
        for name in ("entity", "template", "ts", "content", "repeated", "held_out")
    }
    return replace(sample, **rows)


def test_silent_on_a_small_part_of_what_customers_do():
    """Questions that all customers ask now and then come evenly, however the customers work."""
    for seed in range(4):
        w = world(seed)
        whole = w.sample([w.customer(800, clumping=2.0) for _ in range(80)])
        few = part_of(whole, 0.05, w.rng)
        assert dispersion(few) < CLUMPED
        assert common_stream_test(few).log_e < np.log(20)
        taken_for_all = replace(few, exposure=np.bincount(few.entity, minlength=80).astype(float))
        assert common_stream_test(taken_for_all).log_e > np.log(20)


def test_fires_on_a_part_of_a_queue_that_is_all_the_accounts_do():
    w = world(8)
    few = part_of(w.sample(w.queue(80, 20_000)), 0.3, w.rng)
    assert common_stream_test(few).log_e > np.log(1e3)


def test_silent_where_everything_falls_into_one_hour():
    w = world(4)
    sample = w.sample([w.customer(30, clumping=1.0, life=(7, 8)) for _ in range(20)])
    assert common_stream_test(sample).log_e == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(dispersion(sample))


@pytest.mark.parametrize("name", INNOCENTS)
def test_calibrated_on_innocents(name):
    found = []
    for seed in range(16):
        w = world(seed)
        found.append(common_stream_test(w.sample(INNOCENTS[name](w))).log_e)
    # An e-value of 20 may come once in twenty at most: more than three of 16 come once in a hundred.
    assert sum(log_e >= np.log(20) for log_e in found) <= 3
    assert np.median(found) <= 1e-9  # all in one hour: nothing is known


def test_accounts_of_the_group_that_are_not_in_the_sample_say_nothing():
    w = world(5)
    sample = w.sample(w.queue(30, 3_000))
    wider = replace(sample, n_entities=40, exposure=np.concatenate([sample.exposure, np.full(10, 5.0)]))
    assert (np.abs(common_stream_test(wider).log_ratios[30:]) < 1e-9).all()


@pytest.mark.parametrize("half", [True, False])
def test_a_half_without_exchanges_gives_plain_numbers(half):
    w = world(6)
    sample = replace(w.sample(w.queue(10, 300)), held_out=np.full(300, half))
    assert np.isfinite(common_stream_test(sample).log_e)


def test_silent_for_customers_who_came_for_one_sitting():
    """Each in half a day of its own: a share of its own sitting's stream, and of nothing else."""
    w = world(21)
    for length in (6.0, 12.0):
        sittings = [w.session(20, length) for _ in range(150)]
        assert common_stream_test(w.sample(sittings)).log_e < np.log(20)
