"""Choice of model: fires on a dealt pool that moves, silent on people and on tools that change their default."""

import numpy as np
import pytest

from stillwatch.campaigns.release_pivot import LEAST_SEEN, model_choice_test, words
from tests.campaigns.innocents import INNOCENTS, world
from tests.campaigns.lab_worlds import (
    SETTING,
    codes,
    labelled,
    sample_of,
    signals_of,
    simulated,
    users_of_shared_templates,
)
from tests.campaigns.traces import HOURS

CAMPAIGN = {
    "accounts": 50,
    "start_day": 7.0,
    "days": 8.0,
    "per_day": 12.0,
    "dispatch": "random",
    "infrastructure": "clean",
    "pivot": 0.55,
}
AGENTS = (
    SETTING
    + """
[[population]]
kind = "coding_agent"
name = "agent"
number = 0
accounts = 60
per_day = 2.5
"""
)


def of_group(rows):
    return model_choice_test(sample_of(rows), codes(rows, "model"))


def test_fires_on_a_simulated_pool_that_moves_by_request(tmp_path):
    dataset = simulated({**CAMPAIGN, "pivot_by": "request"}, tmp_path, setting=AGENTS)
    signals, campaign = signals_of(dataset, tmp_path / "steps"), labelled(dataset)
    found = of_group(users_of_shared_templates(signals, campaign))
    assert found.log_e > np.log(100)
    assert found.verdict.innocent_share < 0.5
    assert "nothing" in words(found).words
    others = set(signals.column("account_id").to_pylist()) - campaign
    assert of_group(users_of_shared_templates(signals, others)).log_e < np.log(20)


def test_evaded_by_moving_account_by_account(tmp_path):
    dataset = simulated({**CAMPAIGN, "pivot_by": "account", "pivot_days": 3.0}, tmp_path, setting=AGENTS)
    rows = users_of_shared_templates(signals_of(dataset, tmp_path / "steps"), labelled(dataset))
    assert of_group(rows).log_e < np.log(20)


def own_mixes(w, sample):
    """Each customer uses the new model with a probability of its own."""
    share = w.rng.beta(2.0, 2.0, sample.n_entities)
    return (w.rng.random(len(sample.ts)) < share[sample.entity]).astype(np.int64)


def at_the_boundary(w, sample):
    """As alike as the null model allows: precision ten."""
    share = w.rng.beta(5.0, 5.0, sample.n_entities)
    return (w.rng.random(len(sample.ts)) < share[sample.entity]).astype(np.int64)


def default_changes(w, sample):
    """The tool moves everybody on one day."""
    return (sample.ts > np.median(sample.ts)).astype(np.int64)


def default_comes_and_goes(w, sample):
    """The tool moves everybody, back, and again: nobody chose, but all have the same mix."""
    return (sample.ts // (4 * 24 * 3_600_000_000) % 2).astype(np.int64)


def one_by_one(w, sample):
    """Each customer moves for good at a moment of its own."""
    moment = w.rng.uniform(0, HOURS, sample.n_entities)
    return (sample.ts / 3_600_000_000 > moment[sample.entity]).astype(np.int64)


def one_model(w, sample):
    return np.full(len(sample.ts), 3)


@pytest.mark.parametrize(
    "choose", [own_mixes, at_the_boundary, default_changes, default_comes_and_goes, one_by_one, one_model]
)
@pytest.mark.parametrize("name", INNOCENTS)
def test_calibrated_on_innocents(name, choose):
    found = []
    for seed in range(12):
        w = world(seed)
        # What is asked about and when does not matter here, only who asks which model.
        sample = w.sample([e for e in INNOCENTS[name](w) if len(e.hour)])
        found.append(model_choice_test(sample, choose(w, sample)).log_e)
    # An e-value of 20 may come once in twenty at most: more than two of 12 come once in fifty.
    assert sum(log_e >= np.log(20) for log_e in found) <= 2
    assert np.median(found) < np.log(3)


def test_a_third_may_be_dealt():
    found = []
    for seed in range(10):
        w = world(seed)
        sample = w.sample([w.customer(80) for _ in range(30)])
        share = np.where(np.arange(30) < 10, 0.5, w.rng.beta(2.0, 2.0, 30))
        model = (w.rng.random(len(sample.ts)) < share[sample.entity]).astype(np.int64)
        found.append(model_choice_test(sample, model).log_e)
    assert sum(log_e >= np.log(20) for log_e in found) <= 2


def test_accounts_say_who_moves_with_the_pool():
    w = world(3)
    sample = w.sample(w.queue(40, 8_000))
    share = np.where(np.arange(40) < 30, 0.5, w.rng.choice([0.02, 0.98], 40))
    model = (w.rng.random(len(sample.ts)) < share[sample.entity]).astype(np.int64)
    ratios = model_choice_test(sample, model).verdict.log_ratios
    assert np.median(ratios[:30]) > 0.5
    assert np.median(ratios[30:]) < -5


def test_numbers_of_models_do_not_matter():
    w = world(4)
    sample = w.sample(w.queue(30, 3_000))
    model = w.rng.integers(0, 3, len(sample.ts))
    renamed = np.array([17, 2, 90])[model]
    assert model_choice_test(sample, model).log_e == pytest.approx(model_choice_test(sample, renamed).log_e)


@pytest.mark.parametrize("n", [1, LEAST_SEEN])
def test_few_exchanges_say_nothing(n):
    w = world(5)
    sample = w.sample([w.customer(n)])
    found = model_choice_test(sample, np.arange(n) % 2)
    assert abs(found.log_e) < np.log(20)
    assert np.isfinite(words(found).log_e)
