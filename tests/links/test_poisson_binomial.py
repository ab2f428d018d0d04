import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from stillwatch.links.poisson_binomial import log_tail, log_tails, log_tails_of_laws

probability = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-12, 1e-200, 1 - 1e-9]))


def brute_force(p: list[float], k: int) -> float:
    total = 0.0
    for toss in itertools.product((0, 1), repeat=len(p)):
        if sum(toss) >= k:
            total += float(np.prod([q if t else 1 - q for q, t in zip(p, toss, strict=True)]))
    return total


@given(st.lists(probability, max_size=9), st.integers(-1, 10))
def test_tail_equals_the_sum_over_all_outcomes(p: list[float], k: int) -> None:
    exact = brute_force(p, k)
    assert np.exp(log_tail(np.array(p), k)) == pytest.approx(exact, rel=1e-8, abs=1e-290)


@given(st.integers(0, 4), st.data())
def test_several_laws_are_each_for_itself(m: int, data: st.DataObject) -> None:
    laws = data.draw(st.lists(st.lists(probability, min_size=m, max_size=m), max_size=4))
    k = [data.draw(st.integers(-1, 10)) for _ in laws]
    n = data.draw(st.lists(st.integers(0, 3), min_size=m, max_size=m))
    found = log_tails(np.array(laws).reshape(len(laws), m), np.array(k, np.int64), np.array(n, np.int64))
    for p, count, log_p in zip(laws, k, found, strict=True):
        assert log_p == pytest.approx(log_tail(np.repeat(p, n), count), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_an_error(wrong: float) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        log_tail(np.array([0.5, wrong]), 1)


@given(st.integers(1, 300), st.floats(1e-6, 1 - 1e-6), st.data())
def test_tail_equals_scipys_binomial(n: int, q: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    expected = binom.logsf(k - 1, n, q)
    if expected > -600:  # scipy's own range
        assert log_tail(np.full(n, q), k) == pytest.approx(expected, rel=1e-7, abs=1e-9)


@given(st.integers(2, 400), st.floats(1e-9, 0.2), st.data())
@settings(max_examples=60)
def test_deep_tails_keep_their_digits_in_log_space(n: int, q: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(n // 2 + 1, n))
    i = np.arange(k, n + 1)
    from scipy.special import gammaln, logsumexp

    choose = gammaln(n + 1) - gammaln(i + 1) - gammaln(n - i + 1)
    expected = logsumexp(choose + i * np.log(q) + (n - i) * np.log1p(-q))
    assert log_tail(np.full(n, q), k) == pytest.approx(expected, rel=1e-9)


def test_a_tail_far_below_the_smallest_double() -> None:
    assert log_tail(np.full(3000, 1e-6), 1500) < -15_000


@given(st.lists(st.floats(1e-6, 0.999), min_size=2, max_size=120), st.data())
@settings(max_examples=60)
def test_the_bound_is_never_below_the_exact_tail_and_near_it(p: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(0, len(p)))
    exact, bound = log_tail(np.array(p), k), log_tail(np.array(p), k, budget=0)
    assert bound >= exact - 1e-9
    assert bound <= 0
    assert bound <= exact + 6


def test_large_sums_use_the_bound_and_stay_above_the_exact_value() -> None:
    n, q, k = 200_000, 0.01, 2_400
    exact = binom.logsf(k - 1, n, q)
    assert exact <= log_tail(np.full(n, q), k) < exact + 1


@given(st.lists(probability, max_size=40), st.integers(0, 12))
def test_all_tails_at_once_are_the_single_tails(p: list[float], k: int) -> None:
    tails = log_tails_of_laws(np.array([p], np.float64), np.ones(len(p), np.int64), np.array([k]))[0]
    for j in range(k + 1):
        single = log_tail(np.array(p), j)
        if single > -600:
            assert tails[j] == pytest.approx(single, rel=1e-7, abs=1e-9)


@given(
    st.lists(st.tuples(probability, st.integers(0, 9)), max_size=12),
    st.integers(0, 40),
    st.sampled_from([0, 300, 10**7]),
)
def test_tosses_of_a_kind_are_as_many_single_ones(kinds, k: int, budget: int) -> None:
    p, n = np.array([q for q, _ in kinds]), np.array([many for _, many in kinds], np.int64)
    single = log_tail(np.repeat(p, n), k, budget=budget)
    assert log_tail(p, k, n, budget) == pytest.approx(single, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("wrong", [[-0.1], [1.1], [np.nan]])
def test_what_is_no_probability_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        log_tail(np.array(wrong), 1)


def test_laws_together_are_each_law_by_itself() -> None:
    rng = np.random.default_rng(4)
    p, n, k = rng.random((5, 3)), np.array([1, 4, 40]), np.array([2, 7, 0, 7, 3])
    together = log_tails_of_laws(p, n, k)
    assert together.shape == (5, 8)
    for law in range(5):
        alone = log_tails_of_laws(p[law : law + 1], n, k[law : law + 1])[0]
        np.testing.assert_array_equal(together[law, : k[law] + 1], alone)
        assert (together[law, k[law] + 1 :] == -np.inf).all()
        assert together[law, k[law]] == pytest.approx(log_tail(np.repeat(p[law], n), int(k[law])), rel=1e-8)
