import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, combine_pvalues, poisson

from stillwatch.links.incidence import Attributes
from stillwatch.links.pair_kernels import enumerate_pairs, poisson_bound, product_p_value
from stillwatch.links.poisson_binomial import log_tail
from stillwatch.links.settings import LinkSettings
from stillwatch.links.steps import fit_models
from stillwatch.links.validated import _null, _shares, validated_links
from tests.links.worlds import draw, planted


def world(rng: np.random.Generator, n: int = 300) -> Attributes:
    kinds = {kind: draw(rng, n, 2 * n, 4 * n, kind) for kind in ("payment", "prefix", "client")}
    return Attributes(tuple(f"e{i:05d}" for i in range(n)), kinds)


@given(st.lists(st.floats(1e-9, 0.9), min_size=1, max_size=40), st.integers(1, 12))
def test_the_bound_is_above_the_exact_tail(p: list[float], k: int) -> None:
    assert poisson_bound(k, math.log(sum(p))) >= log_tail(np.array(p), k) - 1e-9


@given(st.integers(2, 60), st.floats(1e-8, 50))
def test_the_bound_is_scipys_poisson_tail_above_the_mean(k: int, mean: float) -> None:
    assume(abs(k - mean - 1) > 1e-9)  # there rounding decides which of the two it is
    expected = poisson.logsf(k - 1, mean) if k >= mean + 1 else 0.0
    if expected > -600:
        assert poisson_bound(k, math.log(mean)) == pytest.approx(expected, rel=1e-7, abs=1e-9)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=6))
def test_product_without_atoms_is_fishers(p: list[float]) -> None:
    expected = combine_pvalues(p, "fisher").pvalue
    log_p = product_p_value(float(np.log(p).sum()), np.zeros(len(p)))
    # The sum over subsets counts the terms of fewer p-values as well: it may be above, never below.
    assert log_p >= math.log(expected) - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_product_holds_where_most_p_values_are_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.01, 0.5, 4)
    p = np.where(rng.random((200_000, 4)) < chance, rng.random((200_000, 4)) * chance, 1.0)
    ordered = np.sort(np.log(p).sum(axis=1))
    for rank in (20, 200, 2000):
        corrected = math.exp(product_p_value(float(ordered[rank]), np.log(chance)))
        assert (rank + 1) / ordered.size <= corrected + 5 * math.sqrt(corrected / ordered.size)
        assert corrected <= 20 * (rank + 1) / ordered.size


def one_by_one(
    attributes: Attributes, settings: LinkSettings, loosest: float
) -> dict[tuple[int, int], float]:
    """ln p of every pair that shares a value under the cap, worked out from the sets of values."""
    kinds = tuple(sorted(attributes.kinds))
    null = _null(attributes, fit_models(attributes), kinds, settings)
    tiers = np.array([2, 10, 50, settings.cap])
    found = {}
    for i in range(len(attributes.entities)):
        for j in range(i + 1, len(attributes.entities)):
            best, chance = np.zeros(len(null.log_block)), np.zeros(len(null.log_block))
            for number, kind in enumerate(kinds):
                incidence, block = attributes.kinds[kind], null.block[number]
                dense = incidence.matrix.toarray()
                degrees = incidence.value_degrees[(dense[i] > 0) & (dense[j] > 0)]
                means = null.log_x[number, i] + null.log_x[number, j] + null.log_sum[number, :, 0, 0]
                counts = [int((degrees <= tier).sum()) for tier in tiers]
                own = [
                    poisson_bound(n, mean) + null.log_tests[number]
                    for n, mean in zip(counts, means, strict=True)
                    if n
                ]
                best[block] = min(best[block], min([0.0, *own]) + null.log_block[block])
                chance[block] += math.exp(min(0.0, means[-1]))
            log_p = product_p_value(float(best.sum()), np.log(np.clip(chance, 1e-300, 1.0)))
            if log_p <= loosest:
                found[i, j] = log_p
    return found


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 9))
@example(seed=444, threads=1, loosest=1)  # a pair whose p-value is less than the product
def test_pairs_are_those_of_every_pair_looked_at(seed: int, threads: int, loosest: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = {kind: draw(rng, 14, 8, 24, kind) for kind in ("payment", "prefix", "birth")}
    attributes = Attributes(tuple(f"e{i:02d}" for i in range(14)), kinds)
    limits = LinkSettings()
    shares, _ = _shares(attributes, tuple(sorted(kinds)), limits.cap)
    null = _null(attributes, fit_models(attributes), tuple(sorted(kinds)), limits)
    first, second, log_p, log_p_kind = enumerate_pairs(shares, null, -loosest / 3, threads)
    wanted = one_by_one(attributes, limits, -loosest / 3)
    found = dict(zip(zip(first.tolist(), second.tolist(), strict=True), log_p.tolist(), strict=True))
    assert found == pytest.approx(wanted)
    assert log_p_kind.shape == (len(first), len(kinds))


def test_a_world_without_ties_gives_no_links() -> None:
    rng = np.random.default_rng(1)
    for _ in range(12):
        attributes = world(rng)
        assert validated_links(attributes, fit_models(attributes), LinkSettings(fdr=0.05)).first.size <= 1


def test_p_values_of_pairs_hold() -> None:
    rng = np.random.default_rng(2)
    hits, tested = 0, 0
    for _ in range(20):
        attributes = world(rng)
        pairs = validated_links(attributes, fit_models(attributes), LinkSettings(fdr=0.999))
        hits += int(np.sum(pairs.log_p <= math.log(1e-4)))
        tested += pairs.n_tested
    assert hits <= binom.isf(1e-4, tested, 1e-4)


def planted_world(rng: np.random.Generator, members: list[int]) -> Attributes:
    attributes = world(rng, 1500)
    kinds = dict(attributes.kinds)
    for kind in ("payment", "prefix"):
        rare = np.flatnonzero(kinds[kind].value_degrees <= 1)[:8].tolist()
        for _ in range(4):
            kinds[kind] = planted(kinds[kind], members, rare, rng)
    return Attributes(attributes.entities, kinds)


def test_planted_ties_are_found_and_little_else() -> None:
    rng = np.random.default_rng(3)
    members = list(range(10, 35))
    attributes = planted_world(rng, members)
    pairs = validated_links(attributes, fit_models(attributes))
    inside = np.isin(pairs.first, members) & np.isin(pairs.second, members)
    assert inside.sum() >= 120  # of 300
    assert len(set(pairs.first[inside]) | set(pairs.second[inside])) >= 24  # of 25
    assert (~inside).sum() <= 0.05 * pairs.first.size
    assert np.all(pairs.first < pairs.second)
    assert np.all(pairs.log_p_kind[:, pairs.kinds.index("client")] <= 0)


def test_the_cap_leaves_out_hot_values_only() -> None:
    rng = np.random.default_rng(4)
    members = list(range(12))
    attributes = planted_world(rng, members)
    models = fit_models(attributes)
    hot = max(int(i.value_degrees[v]) for i in attributes.kinds.values() for v in i.matrix[[0]].indices)
    full = validated_links(attributes, models, LinkSettings(cap=hot + 1000))
    same = validated_links(attributes, models, LinkSettings(cap=hot + 2000))
    assert np.array_equal(full.first, same.first)
    assert np.array_equal(full.second, same.second)
    assert full.first.size > 20
    assert validated_links(attributes, models, LinkSettings(cap=2)).first.size < full.first.size / 2


def test_counts_are_those_of_the_matrix_product() -> None:
    """Every pair that shares anything under the cap, and no other, comes out when all may pass."""
    attributes = world(np.random.default_rng(5), 120)
    models = fit_models(attributes)
    from stillwatch.links.pair_kernels import enumerate_pairs
    from stillwatch.links.validated import _null, _shares

    settings, kinds = LinkSettings(cap=9), tuple(sorted(attributes.kinds))
    shares, bound = _shares(attributes, kinds, settings.cap)
    first, second, _, _ = enumerate_pairs(shares, _null(attributes, models, kinds, settings), 0.0)
    product = np.zeros((120, 120))
    for incidence in attributes.kinds.values():
        dense = incidence.matrix.toarray()[:, incidence.value_degrees <= 9]
        product += dense @ dense.T
    expected = np.argwhere(np.triu(product, 1))
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == sorted(map(tuple, expected.tolist()))
    assert bound >= len(expected)


def test_nothing_to_share() -> None:
    attributes = Attributes(("a",), {})
    assert validated_links(attributes, {}).first.size == 0


@pytest.mark.parametrize("wrong", [{"cap": 1}, {"fdr": 0.0}, {"fdr": 1.0}, {"resolution": 0.0}])
def test_settings_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        LinkSettings(**wrong)  # type: ignore[arg-type]
