"""Calibration, averaging and e-BH, against quadrature and against the procedure as its authors write it."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from stillwatch.campaigns.evalues import false_discovery_levels, log_average, log_e_from_log_p

LOG_ES = st.lists(st.one_of(st.floats(-50, 50), st.sampled_from([-math.inf, 0.0, 3.0, 800.0])), max_size=30)


def test_the_calibrated_value_of_a_uniform_p_has_mean_one():
    # With x = -ln p the integral of e(p) dp is that of e(exp(-x)) exp(-x) dx; its tail falls as 1/x^2.
    head, _ = quad(lambda x: math.exp(log_e_from_log_p(-x) - x), 0, 1_000, limit=500)
    assert head <= 1.0
    assert head + 1 / 1_000 == pytest.approx(1.0, abs=1e-6)


@given(st.floats(-5_000, 0), st.floats(-5_000, 0))
@settings(deadline=None)
def test_a_smaller_p_never_gives_a_smaller_e(one, other):
    low, high = min(one, other), max(one, other)
    assert log_e_from_log_p(low) >= log_e_from_log_p(high) - 1e-7


@given(st.floats(-600, -1e-2))
@settings(deadline=None)
def test_the_closed_form_is_the_mixture_of_its_calibrators(log_p):
    mixture, _ = quad(lambda kappa: kappa * math.exp((kappa - 1) * log_p + log_p), 0, 1, epsabs=1e-12)
    expected = math.log(mixture) - log_p
    assert log_e_from_log_p(log_p) == pytest.approx(expected, abs=1e-5)


def test_limits_of_the_calibrator():
    assert log_e_from_log_p(0.0) == pytest.approx(math.log(0.5))
    assert log_e_from_log_p(-1e-3 * 1.0001) == pytest.approx(log_e_from_log_p(-1e-3 * 0.9999), abs=1e-6)
    assert log_e_from_log_p(-math.inf) == math.inf
    assert log_e_from_log_p(-1e5) == pytest.approx(1e5, rel=1e-3)


@pytest.mark.parametrize("log_p", [0.1, math.nan, math.inf])
def test_what_is_no_p_value_is_refused(log_p):
    with pytest.raises(ValueError, match="p-value"):
        log_e_from_log_p(log_p)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20))
@settings(deadline=None)
def test_the_average_is_that_of_the_e_values(log_es):
    expected = math.log(math.fsum(map(math.exp, log_es)) / len(log_es))
    assert log_average(log_es) == pytest.approx(expected, abs=1e-9)


def test_the_average_of_nothing_and_of_the_endless():
    assert log_average([]) == 0.0
    assert log_average([0.0, 2_000.0]) == pytest.approx(2_000 - math.log(2))
    assert log_average([0.0, math.inf]) == math.inf
    assert log_average([-math.inf, -math.inf]) == -math.inf


def reported_by_definition(log_es: list[float], alpha: float) -> set[int]:
    """e-BH: the k* largest, k* = max{k: k-th largest e >= K / (alpha k)}."""
    order = sorted(range(len(log_es)), key=lambda i: -log_es[i])
    n = len(log_es)
    k = max((k for k in range(1, n + 1) if log_es[order[k - 1]] >= math.log(n / (alpha * k))), default=0)
    return set(order[:k])


@given(LOG_ES, st.floats(1e-6, 0.999))
@example([math.log(20.1)] * 5 + [0.0] * 5, 0.1)
@settings(deadline=None)
def test_levels_report_what_the_procedure_reports(log_es, alpha):
    levels = false_discovery_levels(np.array(log_es))
    found = set(np.flatnonzero(levels <= alpha).tolist())
    near = any(abs(level - alpha) < 1e-9 * alpha for level in levels)
    if not near:  # on the edge itself rounding decides
        assert {log_es[i] for i in found} == {log_es[i] for i in reported_by_definition(log_es, alpha)}


@given(LOG_ES)
@settings(deadline=None)
def test_levels_fall_with_the_e_value_and_ties_share_one(log_es):
    levels = false_discovery_levels(np.array(log_es))
    assert ((levels >= 0) & (levels <= 1)).all()
    for i, one in enumerate(log_es):
        for j, other in enumerate(log_es):
            if one > other:
                assert levels[i] <= levels[j]
            if one == other:
                assert levels[i] == pytest.approx(levels[j], rel=1e-12)


def test_no_hypotheses_no_levels():
    assert false_discovery_levels(np.array([])).shape == (0,)


def test_the_rate_is_held_under_full_dependence():
    """Null e-values that all equal each other and spend their whole mean at the threshold: the worst case."""
    rng = np.random.default_rng(5)
    alpha, n = 0.1, 4_000
    jumps = rng.random(n) < alpha
    reaching = -math.log(alpha) + 1e-9  # on the edge itself rounding decides
    false = sum(
        bool((false_discovery_levels(np.full(20, reaching if jump else -math.inf)) <= alpha).any())
        for jump in jumps
    )
    assert 0.5 * alpha <= false / n <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / n)
