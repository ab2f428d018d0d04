"""Sittings: fires where a sitting is draws from a pool, silent where it is one person's work."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.exchangeability import topics
from stillwatch.campaigns.likeness import PLAINLY_LOYAL
from stillwatch.campaigns.material import Material
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.sittings import PAUSE_US, by_sitting, sitting_of, sittings_test
from tests.campaigns.innocents import world
from tests.campaigns.traces import DIMENSIONS, Events, World


def judged(sample: GroupSample) -> Verdict:
    sittings = by_sitting(sample)
    assert sittings is not None
    return sittings_test(sittings, *topics(sample, seed=0))


def material(sample: GroupSample, documents: bool) -> Material:
    unknown = np.zeros(len(sample.ts), np.int64)
    return Material(sample, *topics(sample, seed=0), unknown, unknown, documents)


def in_sittings(w: World, events: Events, length: int) -> Events:
    """The same requests, `length` of them at a time within half an hour."""
    n = len(events.hour)
    starts = w.hours(n // length + 1, 1.0)
    hour = starts[np.arange(n) // length] + w.rng.uniform(0, 0.5, n)
    return replace(events, hour=np.asarray(np.minimum(hour, 335.9), dtype=np.float64))


def people(w: World, n: int, length: int, own: float) -> list[Events]:
    """Accounts of which each sitting has tastes of its own; many customers come and go in each."""
    found = []
    for _ in range(n):
        sittings = [w.session(length, 0.5, loyalty=own) for _ in range(8)]
        columns = {
            name: np.concatenate([getattr(sitting, name) for sitting in sittings])
            for name in ("hour", "subject", "template", "task")
        }
        found.append(Events(**columns))
    return found


def test_fires_on_a_queue_worked_in_sittings():
    w = world(1)
    pool = [in_sittings(w, events, 8) for events in w.queue(40, 2_600)]
    assert judged(w.sample(pool)).log_e > np.log(1e6)


def test_silent_on_customers_who_come_and_go():
    w = world(2)
    found = judged(w.sample(people(w, 40, 8, own=5.0)))
    assert found.log_e < 0
    assert found.innocent_share > 0.6


def test_evaded_by_a_topic_for_each_sitting():
    w = world(3)
    pool = [in_sittings(w, events, 8) for events in w.queue(40, 2_600)]
    sorted_pool = [replace(e, subject=np.sort(e.subject)) for e in pool]
    assert judged(w.sample(sorted_pool)).log_e < np.log(20)


def test_says_nothing_of_accounts_that_send_one_request_at_a_time():
    w = world(4)
    alone = [replace(e, hour=np.arange(0.0, 5.0 * len(e.hour), 5.0)) for e in w.queue(20, 1_000)]
    assert by_sitting(w.sample(alone)) is None
    found = material(w.sample(alone), documents=False).sittings()
    assert found.log_e == 0.0
    assert len(found.log_ratios) == 0


@pytest.mark.parametrize(("share", "own"), [(0.05, True), (0.0, False)])
def test_sittings_with_documents_hold_together_by_what_these_share(share, own):
    """Many customers come and go at each account; the documents of a sitting share a few words, which no topic sees."""
    w = world(6)
    sample = w.sample([in_sittings(w, events, 8) for events in w.queue(100, 8_000)])
    sitting = sitting_of(sample.entity, sample.ts)
    direction = w.rng.normal(size=(int(sitting.max()) + 1, DIMENSIONS))[sitting]
    content = np.sqrt(share) * direction + np.sqrt(1 - share) * w.rng.normal(size=direction.shape)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    sample = replace(sample, content=content.astype(np.float32))
    assert material(sample, documents=False).sittings().log_e > 0
    found = material(sample, documents=True).sittings()
    assert (found.log_e < PLAINLY_LOYAL) == own
    assert (found.log_e > 0) != own


def test_calibrated_at_the_boundary():
    """Sittings as loose as a sitting of one person may be: seldom taken for a pool's."""
    found = []
    for seed in range(24):
        w = world(100 + seed)
        found.append(judged(w.sample(people(w, 25, 8, own=10.0))).log_e)
    assert np.mean(np.array(found) >= np.log(20)) <= 0.05


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=60))
def test_sittings_are_runs_without_a_long_pause(rows):
    entity = np.array([who for who, _ in rows], dtype=np.int64)
    ts = np.array([when for _, when in rows], dtype=np.int64) * (PAUSE_US // 4)
    sitting = sitting_of(entity, ts)
    assert set(sitting.tolist()) == set(range(sitting.max() + 1))
    for number in range(int(sitting.max()) + 1):
        mine = sitting == number
        assert len(set(entity[mine].tolist())) == 1
        assert (np.diff(np.sort(ts[mine])) <= PAUSE_US).all()
    for who in set(entity.tolist()):
        times = np.sort(ts[entity == who])
        assert len(set(sitting[entity == who].tolist())) == 1 + int((np.diff(times) > PAUSE_US).sum())


@pytest.mark.parametrize("length", [2, 20])
def test_fires_whatever_the_length_of_a_sitting(length):
    w = world(5)
    pool = [in_sittings(w, events, length) for events in w.queue(40, 4_000)]
    assert judged(w.sample(pool)).log_e > np.log(1e4)
