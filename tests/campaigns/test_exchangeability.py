"""Topics: fires on a dealt pool, silent on customers with own work, and where nothing can be known."""

from dataclasses import replace

import numpy as np
import pytest

from stillwatch.campaigns.exchangeability import MOST_TOPICS, _base, label_test, topics
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.sample import DAY_US, GroupSample
from tests.campaigns.innocents import INNOCENTS, world
from tests.campaigns.traces import World, volumes


def exchangeability_test(sample: GroupSample) -> Verdict:
    return label_test(sample, *topics(sample, seed=0))


def test_fires_on_a_pool_dealt_at_random():
    w = world()
    assert exchangeability_test(w.sample(w.queue(60, 6_000))).log_e > np.log(1e9)


def test_fires_on_a_queue_that_works_off_its_subjects_day_by_day():
    w = world(1)
    found = exchangeability_test(w.sample(w.queue(60, 6_000, drifting=True, n_templates=4)))
    assert found.log_e > np.log(1e9)
    assert found.innocent_share < 0.3


def test_grows_with_the_pool():
    def median(n: int) -> float:
        return float(
            np.median(
                [exchangeability_test(w.sample(w.queue(n, 100 * n))).log_e for w in map(world, range(3))]
            )
        )

    found = [median(n) for n in (10, 20, 40)]
    assert found[0] < found[1] < found[2]


def test_silent_on_customers_with_own_work():
    w = world(2)
    found = exchangeability_test(w.sample([w.customer(100, loyalty=5) for _ in range(60)]))
    assert found.log_e < 0
    assert found.innocent_share > 0.9


def test_evaded_by_personas():
    """Each account gets its own kind of seeds: the docstring says that this evades the family."""
    w = world(3)
    pool = w.queue(60, 6_000)
    personas = [
        replace(events, subject=w.rng.choice(w.n_subjects, len(events.hour), p=w.tastes(5)))
        for events in pool
    ]
    assert exchangeability_test(w.sample(personas)).log_e < 0


def test_silent_under_a_few_exchanges():
    w = world(4)
    assert exchangeability_test(w.sample(w.queue(20, 60))).log_e < np.log(20)


def test_silent_where_prompts_have_no_content():
    w = world(5)
    sample = w.sample(w.queue(40, 4_000))
    with np.errstate(all="raise", under="ignore"):
        found = exchangeability_test(replace(sample, content=np.zeros_like(sample.content)))
    assert found.log_e < np.log(20)


def test_accounts_say_who_is_dealt():
    w = world(6)
    own = [w.customer(150, loyalty=3) for _ in range(10)]
    found = exchangeability_test(w.sample(w.queue(40, 6_000) + own))
    assert np.median(found.log_ratios[:40]) > 1
    assert np.median(found.log_ratios[40:]) < -5


@pytest.mark.parametrize("name", INNOCENTS)
def test_calibrated_on_innocents(name):
    """With as many subjects as topics can tell: who is loyal to a wide subject only is not loyal to a topic."""
    found = []
    for seed in range(8):
        w = World(np.random.default_rng(seed), n_subjects=2 * MOST_TOPICS)
        found.append(exchangeability_test(w.sample(INNOCENTS[name](w))).log_e)
    # An e-value of 20 may come once in twenty at most: more than two of eight come once in two hundred.
    assert sum(log_e >= np.log(20) for log_e in found) <= 2
    assert np.median(found) < 0


def test_the_base_holds_what_the_others_asked_on_the_same_days():
    """Against the definition: each account's base leaves the account itself out."""
    w = world(7)
    customers = [w.customer(int(v), n_templates=2) for v in volumes(w.rng, 6, 15)]
    sample = w.sample(w.queue(6, 100, n_templates=3) + customers)
    label, n = topics(sample, 0)
    found, day = ~sample.held_out, (sample.ts - sample.ts.min()) // DAY_US
    strength = 8.0
    expected = np.zeros((sample.n_entities, n))
    for entity in range(sample.n_entities):
        others = found & (sample.entity != entity)
        group = np.bincount(label[others], minlength=n) + 0.5
        group = group / group.sum()
        for row in np.flatnonzero(sample.held_out & (sample.entity == entity)):
            same = others & (sample.template == sample.template[row])
            mix = (np.bincount(label[same], minlength=n) + strength * group) / (same.sum() + strength)
            same &= day == day[row]
            expected[entity] += (np.bincount(label[same], minlength=n) + strength * mix) / (
                same.sum() + strength
            )
        if not expected[entity].any():
            expected[entity] = 1.0
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_base(sample, sample.template, label, n), expected, atol=1e-12)


@pytest.mark.parametrize("half", [True, False])
def test_a_half_without_exchanges_says_nothing(half):
    w = world(8)
    sample = w.sample(w.queue(10, 300))
    found = exchangeability_test(replace(sample, held_out=np.full(300, half)))
    assert abs(found.log_e) < np.log(20)


def test_one_exchange_says_nothing():
    w = world(9)
    assert exchangeability_test(w.sample([w.customer(1)])).log_e == pytest.approx(0.0, abs=1e-9)


def test_a_mix_of_templates_is_told_from_users_of_one_each():
    w = world(10)
    pool = w.sample(w.queue(60, 6_000, n_templates=6))
    one_each = w.sample(
        [replace(e, template=np.full(len(e.hour), i % 6)) for i, e in enumerate(w.queue(60, 6_000))]
    )
    assert label_test(pool, pool.template, 6, by_template=False).log_e > np.log(1e4)
    assert label_test(one_each, one_each.template, 6, by_template=False).log_e < 0


def test_the_same_on_every_run():
    w = world(11)
    sample = w.sample(w.queue(20, 800))
    assert exchangeability_test(sample).log_e == exchangeability_test(sample).log_e
