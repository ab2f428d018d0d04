"""The likelihood against scipy, which counts the multinomial coefficient in; it is taken out here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gammaln

from stillwatch.campaigns.dirichlet_multinomial import FloatArray, IntArray, log_likelihoods


def sparse_likelihoods(counts: IntArray, base: FloatArray, precision: FloatArray) -> FloatArray:
    account, column = np.nonzero(counts)
    return log_likelihoods(account, counts[account, column].astype(float), base[account, column], precision)


def coefficient(counts: IntArray) -> FloatArray:
    return np.asarray(gammaln(counts.sum(axis=1) + 1) - gammaln(counts + 1).sum(axis=1))


@st.composite
def tables(draw):
    n_accounts, n_labels = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = rng.poisson(draw(st.sampled_from([0.2, 1.0, 8.0, 60.0])), (n_accounts, n_labels))
    base = rng.dirichlet(np.full(n_labels, draw(st.sampled_from([0.5, 5.0]))), n_accounts) + 1e-6
    base /= base.sum(axis=1, keepdims=True)
    precision = np.exp(rng.uniform(-4, 8, (n_accounts, 3)))
    return counts, base, precision


@given(tables())
@settings(max_examples=60, deadline=None)
def test_equals_scipy_up_to_the_coefficient(table):
    counts, base, precision = table
    found = sparse_likelihoods(counts, base, precision)
    for a, row in enumerate(counts):
        for value in range(precision.shape[1]):
            alpha = precision[a, value] * base[a]
            expected = stats.dirichlet_multinomial.logpmf(row, alpha, row.sum())
            assert found[a, value] + coefficient(counts)[a] == pytest.approx(expected, abs=1e-6)


@given(tables())
@settings(max_examples=30, deadline=None)
def test_infinite_precision_is_the_multinomial_and_large_ones_come_near(table):
    counts, base, _ = table
    n = len(counts)
    large = 1e9
    found = sparse_likelihoods(counts, base, np.column_stack([np.full(n, np.inf), np.full(n, large)]))
    for a, row in enumerate(counts):
        expected = stats.multinomial.logpmf(row, row.sum(), base[a] / base[a].sum())
        assert found[a, 0] + coefficient(counts)[a] == pytest.approx(expected, abs=1e-6)
    # log(1 + j / (c m)) <= j / (c m), summed over the draws of each category, and likewise over all draws.
    totals = counts.sum(axis=1)
    above = (counts * (counts - 1) / (2 * large * base)).sum(axis=1)
    below = totals * (totals - 1) / (2 * large)
    rounding = 1e-4  # of differences of logarithms of gamma functions near 2e10
    assert (found[:, 1] - found[:, 0] <= above + rounding).all()
    assert (found[:, 0] - found[:, 1] <= below + rounding).all()


def test_all_outcomes_together_have_probability_one():
    base = np.array([0.5, 0.3, 0.2])
    n = 4
    rows = [(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)]
    counts = np.array(rows)
    found = sparse_likelihoods(counts, np.tile(base, (len(rows), 1)), np.full((len(rows), 1), 2.5))
    assert np.exp(found[:, 0] + coefficient(counts)).sum() == pytest.approx(1.0)


def test_an_account_without_draws_says_nothing():
    found = log_likelihoods(
        np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.array([[1.0, np.inf], [50.0, np.inf]])
    )
    np.testing.assert_array_equal(found, np.zeros((2, 2)))
