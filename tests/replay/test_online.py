"""E-processes over looks, and weighted e-BH over births: sums against fractions, error rates by simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.ladder import CLIMB
from stillwatch.campaigns.online import (
    EVEN,
    EProcesses,
    log_birth_weights,
    log_look_weights,
    look_place,
    over_time,
    patience,
)

LOG_ES = st.floats(-40, 40)


def test_the_weights_of_all_looks_add_up_to_one():
    weights = np.exp(log_look_weights(np.arange(1, 2001)))
    tail = Fraction(1, 10) * sum((Fraction(1, j * (j + 1)) for j in range(1, 2001 - EVEN)), Fraction(0))
    assert weights.sum() == pytest.approx(0.9 + float(tail), rel=1e-12)
    assert weights.sum() + 0.1 / (2001 - EVEN) == pytest.approx(1.0, rel=1e-12)
    assert (weights > 0).all()


def test_the_weights_of_all_births_add_up_to_at_most_one():
    weights = np.exp(log_birth_weights(200_000))
    # What is left of a sum of (i + 100)^-1.1 lies between two integrals.
    scale = weights[0] * 101**1.1
    rest = scale * 10 * np.array([200_101.0, 200_100.0]) ** -0.1
    assert weights.sum() + rest[0] <= 1.0 + 1e-9 <= weights.sum() + rest[1] + 1e-6
    assert (np.diff(weights) < 0).all()


@given(st.lists(st.tuples(st.integers(1, 4), LOG_ES), min_size=1, max_size=12))
def test_the_process_is_the_weighted_sum(looks):
    process, place, expected = EProcesses.none(1).born(2), 0, 0.0
    for step, log_e in looks:
        place += step
        process = process.looked(np.array([1]), np.array([place]), np.array([[log_e]]))
        expected += math.exp(log_e) * weight(place)
    assert math.exp(process.log_sums[1, 0]) == pytest.approx(expected, rel=1e-9)
    assert process.log_sums[0, 0] == -np.inf
    assert process.looks.tolist() == [0, place]


def weight(place):
    beyond = place - EVEN
    return 0.9 / EVEN if beyond <= 0 else 0.1 / (beyond * (beyond + 1))


def test_a_place_counts_once():
    process = EProcesses.none(1).born(1).looked(np.array([0]), np.array([3]), np.array([[1.0]]))
    for place in (1, 3):
        with pytest.raises(ValueError, match="beyond"):
            process.looked(np.array([0]), np.array([place]), np.array([[1.0]]))


@given(st.lists(st.lists(LOG_ES, min_size=1, max_size=8), min_size=1, max_size=10), st.floats(0.001, 0.5))
def test_what_is_reported_once_stays_reported(rounds, alpha):
    process, reported = EProcesses.none(1), np.zeros(0, bool)
    for place, log_es in enumerate(rounds, start=1):
        process = process.born(max(len(log_es) - len(process), 0))
        which = np.arange(min(len(log_es), len(process)))
        values = np.array(log_es)[which, None]
        process = process.looked(which, np.full(len(which), place), values)
        now = process.levels(0) <= alpha
        assert now[: len(reported)][reported].all()
        reported = now


@given(st.lists(st.floats(-5, 30), min_size=1, max_size=12), st.floats(0.001, 0.3))
def test_the_procedure_is_weighted_e_bh(log_es, alpha):
    n = len(log_es)
    process = EProcesses.none().born(n)
    process = process.looked(
        np.arange(n), np.ones(n, np.int64), np.repeat(np.array(log_es)[:, None], 3, axis=1)
    )
    evidence = np.exp(process.log_sums[:, 0]) * np.exp(log_birth_weights(n))
    best = max((r for r in range(1, n + 1) if np.sort(evidence)[::-1][r - 1] >= 1 / (alpha * r)), default=0)
    assessed = over_time(process, np.arange(n))(CLIMB[0], np.zeros(n), alpha)
    held = assessed.levels <= alpha
    # At the very threshold rounding may fall either way.
    if best == 0 or abs(np.sort(evidence)[::-1][best - 1] * alpha * best - 1) > 1e-9:
        assert held.sum() == best
        clear = np.abs(assessed.log_e - assessed.required) > 1e-9
        assert (held == (assessed.log_e >= assessed.required))[clear].all()


def test_the_error_rate_holds_at_the_worst_moment():
    """Null e-values that share their data over the looks; the proportion of false ones at its worst, on average.

    Each null group has one stream of coin flips. At each place the likelihood ratio of a bias over fairness is taken
    on ALL flips so far, under a bias that differs from look to look: e-values of any look, far from independent.
    """
    rng = np.random.default_rng(7)
    alpha, worlds, groups, places = 0.2, 400, 40, 12
    worst_sums, worst_maxima = [], []
    n = np.round(20 * 1.25 ** np.arange(places)).astype(int)
    for _ in range(worlds):
        flips = rng.random((groups, n[-1])) < 0.5
        heads = flips.cumsum(axis=1)[:, n - 1]
        bias = rng.choice([0.05, 0.15, 0.85, 0.95], size=(groups, places))
        log_e = heads * np.log(bias / 0.5) + (n - heads) * np.log((1 - bias) / 0.5)
        log_e[:4] += 60.0  # true campaigns
        process, proportion = EProcesses.none(1).born(groups), 0.0
        best = np.full(groups, -np.inf)
        proportion_of_maxima = 0.0
        for place in range(places):
            at = np.full(groups, place + 1)
            process = process.looked(np.arange(groups), at, log_e[:, [place]])
            proportion = max(proportion, false_share(process.levels(0) <= alpha))
            best = np.maximum(best, log_e[:, place])
            levels = EProcesses(at, best[:, None]).levels(0)
            proportion_of_maxima = max(proportion_of_maxima, false_share(levels <= alpha))
        worst_sums.append(proportion)
        worst_maxima.append(proportion_of_maxima)
    margin = 3 * np.std(worst_sums) / math.sqrt(worlds)
    assert np.mean(worst_sums) <= alpha + margin
    # The sums give up little of what could be had: running maxima, which have no guarantee, reject more.
    assert np.mean(worst_maxima) > np.mean(worst_sums)


def false_share(reported: np.ndarray) -> float:
    return float(reported[4:].sum() / max(reported.sum(), 1))


def test_null_sums_have_a_mean_of_at_most_one():
    """Places left out because of what earlier looks said (patience) only lower the sum."""
    rng = np.random.default_rng(11)
    n = np.round(20 * 1.25 ** np.arange(14)).astype(int)
    heads = (rng.random((40_000, n[-1])) < 0.5).cumsum(axis=1)[:, n - 1]
    e = np.exp(heads * np.log(0.7 / 0.5) + (n - heads) * np.log(0.3 / 0.5))
    weights = np.exp(log_look_weights(np.arange(1, 15)))
    everything = (weights * e).sum(axis=1)
    patient = np.zeros(len(e))
    following = np.zeros(len(e), int)
    for place in range(14):
        here = following <= place
        patient[here] += weights[place] * e[here, place]
        waits = np.array([patience(math.log(value)) for value in e[here, place]])
        following[here] = place + waits
    assert (patient <= everything + 1e-12).all()
    assert everything.mean() <= 1.0 + 3 * everything.std() / math.sqrt(len(e))


@given(st.floats(1, 1e7), st.floats(1, 1e6))
def test_places_follow_the_amount_of_data(growth, first):
    place = look_place(first * growth, first)
    assert 1.25 ** (place - 1) <= growth * (1 + 1e-6)
    assert growth < 1.25**place * (1 + 1e-6)
    assert look_place(first, first) == 1


def test_the_hopeless_wait_longer():
    waits = [patience(decades * math.log(10)) for decades in (5, 0, -3, -30)]
    assert waits == sorted(waits) and waits[0] == 1 and waits[-1] > 1
