"""The group test: its p-values hold under the null, and it sees what was planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import binom

from stillwatch.links.bicm import fit_bicm
from stillwatch.links.incidence import Incidence
from stillwatch.links.shared_attributes import _corrected, shared_attribute_test
from tests.links.worlds import draw, planted, rewired

LEVELS = (0.2, 0.05, 0.01, 0.002)


def assert_valid(log_p: list[float]) -> None:
    """Each level is not exceeded more often than chance allows (binomial, 1 in 10,000 per level)."""
    for level in LEVELS:
        hits = int(np.sum(np.array(log_p) <= np.log(level)))
        assert hits <= binom.isf(1e-4, len(log_p), level), (level, hits)


def plainly_corrected(log_p: float, unknown: int, sizes: np.ndarray, tails: np.ndarray) -> float:
    """Every value of the kind has the largest attainable p-value that is no larger."""
    terms = [np.log(unknown) + log_p] if unknown else []
    for size, row in zip(sizes, tails, strict=True):
        below = [max(tail, -650.0) for tail in row if -np.inf < tail <= log_p * (1 - 1e-12)]
        terms += [np.log(size) + max(below)] if below else []
    return min(0.0, max(float(logsumexp(terms)) if terms else -np.inf, log_p))


@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_corrected_for_all_values_that_could_have_been_it(n: int, unknown: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 1_000, n)
    tails = -np.sort(rng.choice([1.0, 30.0, 400.0, 900.0, np.inf], (n, 6)) * rng.uniform(0.5, 1, (n, 6)))
    log_p = np.append(-rng.uniform(0, 640, 4), tails[:1, 0].clip(-640))
    found = _corrected(log_p, unknown, sizes, tails)
    expected = [plainly_corrected(one, unknown, sizes, tails) for one in log_p.tolist()]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("strata", [1, 3])
def test_p_values_hold_for_random_groups_of_fitted_worlds(seed: int, strata: int) -> None:
    rng = np.random.default_rng(seed)
    log_p = []
    for _ in range(10):
        incidence = draw(rng)
        labels = rng.integers(0, strata, incidence.n_entities)
        model = fit_bicm(incidence, labels if strata > 1 else None)
        for size in (3, 10, 30, 100, 200):
            for _ in range(8):
                group = rng.choice(incidence.n_entities, size, replace=False)
                log_p.append(shared_attribute_test(group, incidence, model).log_p)
    assert_valid(log_p)


def test_p_values_hold_for_one_group_when_everything_else_is_rewired() -> None:
    """The group's degrees stay as they are: heavy users must not look tied."""
    rng = np.random.default_rng(3)
    world = draw(rng, 150, 200, 900)
    model = fit_bicm(world)  # the degrees, hence the model, are the same in every rewiring
    heavy = np.argsort(-world.entity_degrees)[:12]
    log_p = [shared_attribute_test(heavy, rewired(world, rng, 3), model).log_p for _ in range(150)]
    assert_valid(log_p)


def test_correcting_only_for_the_values_that_turned_up_would_not_hold() -> None:
    """Why the correction runs over all values of the kind: among thousands of pairs of twins a group of five
    holds one now and then, and that one finding is not the only one that could have been."""
    rng = np.random.default_rng(4)
    naive, sound = [], []
    for _ in range(10):
        twins = np.array([rng.choice(600, 2, replace=False) for _ in range(2000)]).reshape(-1)
        incidence = Incidence.from_pairs("payment", twins, np.repeat(np.arange(2000), 2), (600, 2000))
        model = fit_bicm(incidence)
        for _ in range(60):
            result = shared_attribute_test(rng.choice(600, 5, replace=False), incidence, model)
            found = [s.log_p_single for s in result.shared]
            naive.append(min(found) + np.log(len(found)) if found else 0.0)
            sound.append(result.log_p)
    assert_valid(sound)
    with pytest.raises(AssertionError):
        assert_valid(naive)


def test_power_on_a_planted_group_and_the_value_is_named() -> None:
    rng = np.random.default_rng(7)
    for _ in range(10):
        clean = draw(rng, 1000, 1500, 4000)
        members = rng.choice(1000, 30, replace=False).tolist()
        values = rng.choice(np.flatnonzero(clean.value_degrees <= 2), 6, replace=False).tolist()
        incidence = planted(clean, members, values, rng)
        result = shared_attribute_test(members, incidence, fit_bicm(incidence))
        assert result.log_p < np.log(1e-4)
        assert int(result.shared[0].value) in values
        assert result.shared[0].holders >= 4
        assert result.shared[0].expected < result.shared[0].holders / 4


def test_a_popular_value_says_nothing() -> None:
    """Everybody behind one address, or with one client: half of all entities, and all of the group."""
    rng = np.random.default_rng(8)
    clean = draw(rng, 1000, 1500, 4000)
    everywhere = rng.choice(1000, 900, replace=False).tolist()
    incidence = planted(clean, everywhere, [0], rng)
    result = shared_attribute_test(everywhere[:10], incidence, fit_bicm(incidence))
    assert result.log_p > np.log(0.05)


def test_stratum_discounts_what_is_popular_inside_it() -> None:
    rng = np.random.default_rng(9)
    clean = draw(rng, 1000, 1500, 3000)
    automated = np.arange(150)
    incidence = planted(clean, automated[rng.random(150) < 0.8].tolist(), [3], rng)
    strata = (np.arange(1000) < 150).astype(np.int64)
    group = rng.choice(automated, 40, replace=False)
    assert shared_attribute_test(group, incidence, fit_bicm(incidence)).log_p < np.log(1e-6)
    assert shared_attribute_test(group, incidence, fit_bicm(incidence, strata)).log_p > np.log(0.05)


def test_groups_without_attributes_and_wrong_groups() -> None:
    incidence = draw(np.random.default_rng(1), 50, 60, 100)
    model = fit_bicm(incidence)
    bare = np.flatnonzero(incidence.entity_degrees == 0)[:4]
    assert shared_attribute_test(bare, incidence, model).log_p == 0
    assert shared_attribute_test([], incidence, model).shared == ()
    with pytest.raises(ValueError, match="twice"):
        shared_attribute_test([1, 1], incidence, model)
    with pytest.raises(ValueError, match="does not have"):
        shared_attribute_test([50], incidence, model)


def test_many_small_clusters_are_seen_where_no_single_value_shows() -> None:
    """Sixty cards behind four accounts each: each card alone is a family, all together are a campaign."""
    rng = np.random.default_rng(10)
    n = 5000
    cards = np.concatenate([np.repeat(np.arange(60), 4), np.arange(60, 60 + n - 240)])
    families = rng.integers(60, 60 + n - 240, 300)  # some others share a card too
    entities = np.concatenate([np.arange(n), rng.integers(240, n, 300)])
    incidence = Incidence.from_pairs(
        "payment", entities, np.concatenate([cards, families]), (n, 60 + n - 240)
    )
    result = shared_attribute_test(np.arange(240), incidence, fit_bicm(incidence))
    assert min(s.log_p for s in result.shared) > np.log(1e-3)
    assert result.n_rare == 60
    assert result.expected_rare < 3
    assert result.log_p < np.log(1e-40)
    other = shared_attribute_test(
        rng.choice(np.arange(240, n), 240, replace=False), incidence, fit_bicm(incidence)
    )
    assert other.log_p > np.log(0.01)
