"""Intervals of shares against brute force, and what they cover."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.shares import MOST, account_share, count_law

probabilities = st.lists(st.floats(0, 1), max_size=9)


@given(probabilities)
def test_the_law_of_the_count_is_that_of_all_outcomes(values):
    expected = np.zeros(len(values) + 1)
    for outcome in product((0, 1), repeat=len(values)):
        expected[sum(outcome)] += np.prod(
            [p if hit else 1 - p for p, hit in zip(values, outcome, strict=True)]
        )
    assert count_law(np.array(values)) == pytest.approx(expected, abs=1e-12)


def test_many_uncertain_exchanges_have_nearly_the_normal_law():
    p = np.random.default_rng(1).uniform(0.2, 0.8, MOST + 1)
    law = count_law(p)
    k = np.arange(len(law))
    assert law.sum() == pytest.approx(1)
    assert (law * k).sum() == pytest.approx(p.sum(), rel=1e-3)
    assert (law * k**2).sum() - (law * k).sum() ** 2 == pytest.approx((p * (1 - p)).sum(), rel=1e-2)


cells = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 4)), min_size=1, max_size=6)


@given(cells, st.floats(0, 1))
def test_an_interval_leaves_out_no_more_than_a_fortieth_on_each_side(drawn, dedicated):
    p, n = np.array([one[0] for one in drawn]), np.array([float(one[1]) for one in drawn])
    share = account_share(p, n, dedicated)
    law = (1 - dedicated) * count_law(np.repeat(p, n.astype(int)))
    law[-1] += dedicated
    count = np.arange(len(law)) / n.sum()
    slack = 1e-5  # exchanges that are almost certain are counted as certain
    assert law[count < share.low - 1e-9].sum() <= 0.025 + slack
    assert law[count > share.high + 1e-9].sum() <= 0.025 + slack
    assert 0 <= share.low <= share.mean <= share.high <= 1


@given(cells, st.floats(0, 1), st.floats(0, 1))
def test_doubt_whether_the_account_is_dedicated_only_widens_upwards(drawn, first, second):
    p, n = np.array([one[0] for one in drawn]), np.array([float(one[1]) for one in drawn])
    least, most = sorted((first, second))
    narrow, wide = account_share(p, n, least), account_share(p, n, least, most)
    assert wide.low == narrow.low
    assert wide.high >= narrow.high


def test_an_account_that_is_surely_dedicated_is_all_the_campaign_s():
    share = account_share(np.zeros(1), np.array([50.0]), 1.0)
    assert (share.low, share.mean, share.high) == (1.0, 1.0, 1.0)
