import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from stillwatch.lab.honesty.arrivals import ALLOWED_AUC, check_arrivals
from stillwatch.lab.honesty.separation import delong, separate

HOUR = 3_600_000_000


def _spread(client, load, start, rng):
    """Arrivals of clients whose load is given by the hour, evenly inside it."""
    hour = np.searchsorted(np.cumsum(load), rng.random(len(client)) * load.sum(), side="right")
    return start + ((hour + rng.random(len(client))) * HOUR).astype(np.int64)


def smooth(rng, counts, start, end, like):
    """Poisson arrivals with a smooth day: what nobody should use for a machine."""
    load = np.tile(1.5 + np.sin(np.arange(24) / 24 * 2 * np.pi), int((end - start) // (24 * HOUR)))
    client = np.repeat(np.arange(len(counts)), counts)
    ts = _spread(client, load, start, rng)
    return client, ts[np.lexsort((ts, client))], np.arange(len(counts))


def autoregressive(rng, counts, start, end, like):
    """The clock of before: an AR(1) log load by the hour, and hours off."""
    hours, parts = int((end - start) // HOUR), []
    for count in counts:
        level = np.empty(hours)
        level[0] = rng.normal(0, 1.3)
        for hour in range(1, hours):
            level[hour] = 0.63 * level[hour - 1] + rng.normal(0, 1.3 * np.sqrt(1 - 0.63**2))
        parts.append(np.sort(_spread(np.zeros(count), np.exp(level), start, rng)))
    return np.repeat(np.arange(len(counts)), counts), np.concatenate(parts), np.arange(len(counts))


def test_simulated_machines_pass_for_held_out_real_ones():
    check = check_arrivals(seed=0)
    assert check.auc <= ALLOWED_AUC, check
    assert check.passed
    assert check.low <= check.auc <= check.high
    assert check.clients > 100


@pytest.mark.parametrize("clock", [smooth, autoregressive])
def test_the_check_has_power(clock):
    check = check_arrivals(seed=0, arrivals=clock)
    assert check.auc > 0.8
    assert not check.passed
    assert check.top[0][1] > 0.7


def test_delong_is_the_rank_statistic_and_its_error_is_that_of_resampling():
    rng = np.random.default_rng(1)
    label = rng.random(300) < 0.4
    score = np.round(rng.normal(0, 1, 300) + 0.7 * label.astype(np.float64), 1)  # with ties
    auc, error = delong(score, label)
    oracle = mannwhitneyu(score[label], score[~label]).statistic / label.sum() / (~label).sum()
    assert auc == pytest.approx(oracle)
    again = []
    for _ in range(400):
        p, n = rng.choice(score[label], label.sum()), rng.choice(score[~label], (~label).sum())
        again.append(mannwhitneyu(p, n).statistic / len(p) / len(n))
    assert error == pytest.approx(np.std(again), rel=0.15)


def test_noise_is_not_told_apart_and_a_relation_of_two_figures_is():
    rng = np.random.default_rng(3)
    label = np.arange(400) >= 200
    noise = rng.normal(size=(400, 6))
    result = separate(noise, label, np.arange(400), rng)
    assert 0.4 < result.auc < 0.6
    related = noise.copy()
    sign = np.where(label, 1, -1)
    related[:, 1] = sign * related[:, 0] + 0.5 * rng.normal(size=400)
    told = separate(related, label, np.arange(400), rng)
    assert told.auc > 0.85
    assert max(told.single) < 0.65


def test_features_must_be_numbers():
    with pytest.raises(ValueError, match="finite"):
        separate(np.full((8, 2), np.nan), np.arange(8) > 3, np.arange(8), np.random.default_rng(0))


def test_matched_samples_that_do_not_differ_are_at_one_half():
    """Pairs of near copies: with half a pair in training an area far below one half would come out."""
    rng, areas = np.random.default_rng(5), []
    for _ in range(6):
        base = rng.normal(size=(120, 5))
        rows = np.concatenate([base, base + 0.05 * rng.normal(size=base.shape)])
        label, twin = np.arange(240) >= 120, np.arange(240) % 120
        areas.append(separate(rows, label, np.arange(240), rng, twin=twin).auc)
    assert 0.44 < np.mean(areas) < 0.56
