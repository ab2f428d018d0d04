"""The test behind three families: an e-value under every innocent mix, and powerful on dealt work."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from stillwatch.campaigns.mixture import FloatArray as Floats
from stillwatch.campaigns.mixture import (
    _fit,
    _log_mixture,
    _prequential,
    _shortfall,
    _sum_of_logs,
    dealt_test,
)

RATES = np.array([0.02, 0.1, 0.5, 0.9])
INNOCENT = RATES >= 0.5
TOSSES = 6


def coins(rng: np.random.Generator, rates: Floats) -> Floats:
    """Likelihood of each account's tosses; the families do the same with words, hours and repeats."""
    heads = rng.binomial(TOSSES, rates)[:, None]
    return np.asarray(heads * np.log(RATES) + (TOSSES - heads) * np.log1p(-RATES))


def log_es(seed: int, rates: Floats, n: int = 300) -> Floats:
    rng = np.random.default_rng(seed)
    return np.array([dealt_test(coins(rng, rates), INNOCENT).log_e for _ in range(n)])


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param([0.5] * 2, id="two at the boundary"),
        pytest.param([0.5] * 9, id="nine at the boundary"),
        pytest.param([0.5] * 6 + [0.02] * 3, id="the exempt third dealt"),
        pytest.param([0.02] * 3 + [0.5] * 6, id="the exempt third dealt, and first in order"),
        pytest.param([0.5, 0.9] * 4, id="a mix of innocents"),
    ],
)
def test_innocents_rarely_reach_a_large_value_and_one_on_average(rates):
    found = np.exp(log_es(len(rates), np.array(rates)))
    error = found.std() / math.sqrt(len(found))
    assert found.mean() <= 1 + 3 * error
    for alpha in (0.2, 0.05, 0.01):
        assert (found >= 1 / alpha).mean() <= alpha + 3 * math.sqrt(alpha / len(found))


def test_exactly_an_e_value_for_two_accounts():
    """The sum over all outcomes, weighted by their probability under innocent mixes, is at most one."""
    heads = np.arange(TOSSES + 1)
    law = np.array([[math.comb(TOSSES, h) * r**h * (1 - r) ** (TOSSES - h) for h in heads] for r in RATES])
    mixes = [
        np.array([dealt * (1 - low), dealt * low, (1 - dealt) * share, (1 - dealt) * (1 - share)])
        for dealt in (0.0, 0.2, 1 / 3)
        for low in (0.0, 0.5, 1.0)
        for share in (0.0, 0.5, 1.0)
    ]
    table = heads[:, None] * np.log(RATES) + (TOSSES - heads)[:, None] * np.log1p(-RATES)
    e = np.array([[math.exp(dealt_test(table[[i, j]], INNOCENT).log_e) for j in heads] for i in heads])
    for mix in mixes:
        outcome = mix @ law
        assert outcome @ e @ outcome <= 1 + 1e-9


def test_power_grows_with_the_accounts_of_a_pool():
    medians = [float(np.median(log_es(1, np.full(n, 0.02), 30))) for n in (4, 8, 16, 32, 64)]
    assert all(later > before + 1 for before, later in itertools.pairwise(medians))
    assert medians[-1] > math.log(1e9)


def test_an_account_can_say_no_more_than_the_exempt_share_allows():
    """A third may be dealt for nothing, so an account multiplies the e-value by three at most."""
    certain = np.array([[-1e4, -1e4, 0.0]] * 10)
    log_e = dealt_test(certain, np.array([True, True, False])).log_e
    assert 0.8 * 10 * math.log(3) < log_e <= 10 * math.log(3)


def test_ratios_point_at_the_accounts_that_are_dealt():
    rates = np.array([0.02] * 30 + [0.9] * 10)
    found = dealt_test(coins(np.random.default_rng(3), rates), INNOCENT)
    assert found.log_ratios[:30].min() > 0 > found.log_ratios[30:].max()
    assert found.innocent_share == pytest.approx(0.25, abs=0.08)


@st.composite
def problems(draw):
    n_accounts, n_values = draw(st.integers(1, 8)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    likelihood = rng.normal(0, draw(st.sampled_from([0.1, 2.0, 30.0])), (n_accounts, n_values))
    innocent = np.zeros(n_values, dtype=bool)
    innocent[: draw(st.integers(1, n_values - 1))] = True
    return likelihood, rng.permutation(innocent), draw(st.sampled_from([0.0, 0.3, 2 / 3, 1.0])), rng


@given(problems())
@settings(max_examples=60, deadline=None)
def test_no_feasible_mix_beats_the_fitted_one_by_more_than_the_shortfall(problem):
    likelihood, innocent, floor, rng = problem
    scaled = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    weights = _fit(scaled, innocent, floor)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert weights[innocent].sum() >= floor - 1e-9

    def value(mix: Floats) -> float:
        with np.errstate(divide="ignore"):
            return float(logsumexp(likelihood + np.log(mix), axis=1).sum())

    reached = value(weights)
    shortfall = _shortfall(scaled, innocent, weights, floor)
    n_innocent, n_dealt = int(innocent.sum()), int((~innocent).sum())
    for _ in range(60):
        mass = max(floor, rng.random()) if rng.random() < 0.5 else floor
        mix = np.empty(len(innocent))
        mix[innocent] = mass * rng.dirichlet(np.full(n_innocent, 0.3))
        mix[~innocent] = (1 - mass) * rng.dirichlet(np.full(n_dealt, 0.3))
        assert value(mix) <= reached + shortfall + 1e-7
        near = 0.95 * weights + 0.05 * mix  # feasible, too: the set is convex
        assert value(near) <= reached + shortfall + 1e-7


@pytest.mark.parametrize("n_accounts", [1, 2, 50])
@pytest.mark.parametrize(
    "row",
    [
        pytest.param([0.0, 0.0, 0.0], id="nothing known"),
        pytest.param([-1e5, -1e5, 0.0], id="innocence ruled out"),
        pytest.param([0.0, 0.0, -1e5], id="dealing ruled out"),
        pytest.param([math.log(1e-300)] * 3, id="tiny everywhere"),
        pytest.param([-1e6, 0.0, -1e6], id="one innocent value"),
    ],
)
def test_extreme_likelihoods_give_plain_numbers(row, n_accounts):
    with np.errstate(all="raise", under="ignore"):
        found = dealt_test(np.tile(row, (n_accounts, 1)), np.array([True, True, False]))
    assert math.isfinite(found.log_e)
    assert np.isfinite(found.log_ratios).all()
    assert 0 <= found.innocent_share <= 1
    assert found.log_e <= n_accounts * math.log(3) + 1e-9


def test_accounts_that_contradict_each_other_give_plain_numbers():
    rows = np.array([[0.0, -1e5, -1e5], [-1e5, 0.0, -1e5], [-1e5, -1e5, 0.0]] * 3)
    found = dealt_test(rows, np.array([True, True, False]))
    assert math.isfinite(found.log_e)
    assert found.innocent_share == pytest.approx(2 / 3, abs=0.01)


def test_knowing_nothing_says_nothing():
    assert dealt_test(np.zeros((7, 3)), np.array([True, True, False])).log_e == pytest.approx(0.0, abs=1e-9)


def test_no_accounts_say_nothing():
    found = dealt_test(np.zeros((0, 3)), np.array([True, True, False]))
    assert (found.log_e, found.innocent_share, found.log_ratios.shape) == (0.0, 1.0, (0,))


@pytest.mark.parametrize("spread", [1.0, 300.0, 3_000.0])
def test_a_mixture_of_likelihoods_is_their_log_sum_however_far_apart(spread):
    likelihood = np.random.default_rng(1).normal(0, spread, (40, 5))
    scaled = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    weights = np.array([0.5, 0.0, 0.2, 0.3, 0.0])
    with np.errstate(divide="ignore"):
        expected = logsumexp(likelihood + np.log(weights), axis=1) - likelihood.max(axis=1)
    np.testing.assert_allclose(_log_mixture(likelihood, scaled, weights), expected, rtol=1e-9, atol=1e-12)


def test_each_account_is_predicted_from_those_before_it():
    scaled = np.random.default_rng(2).random((30, 4))
    prior = np.array([0.1, 0.2, 0.3, 0.4])
    counts, expected = prior.copy(), 0.0
    for row in scaled:
        predicted = float((row * counts).sum())
        expected += math.log(predicted / counts.sum())
        counts += row * counts / predicted
    assert _prequential(scaled, prior) == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.floats(1e-290, 1.0), max_size=60))
def test_one_logarithm_for_many_values(values):
    expected = math.fsum(math.log(value) for value in values)
    assert _sum_of_logs(np.array(values, dtype=np.float64)) == pytest.approx(expected, rel=1e-12, abs=1e-12)
