"""Looking at one group's templates alone gives what looking at everything gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array
from scipy.stats import hypergeom

from stillwatch.campaigns.candidates import (
    CandidateSettings,
    _log_probability,
    _rare,
    candidates,
    followed_up,
)
from stillwatch.campaigns.overlap import overlaps
from stillwatch.campaigns.repetition import Usage, log_e_of_use
from stillwatch.campaigns.split import split_by_mix
from stillwatch.campaigns.uses import Exposures, UsesByTemplate
from stillwatch.exchange.numbering import places_among

N_ENTITIES, N_TEMPLATES = 12, 5
COUNTS = arrays(np.int64, (2, N_ENTITIES, N_TEMPLATES), elements=st.integers(0, 3))
OTHERS = arrays(np.int64, (N_ENTITIES, 2), elements=st.integers(0, 400))
TEMPLATES = st.lists(st.integers(0, N_TEMPLATES - 1), min_size=1, max_size=4, unique=True).map(sorted)


def by_template_of(found, tested):
    """In no order, and some counts in two pieces."""
    half, entity, template = np.nonzero(np.stack([found, tested]))
    n = np.stack([found, tested])[half, entity, template]
    rows = np.random.default_rng(len(n)).permutation(np.arange(2 * len(n)) % max(len(n), 1))
    first = np.zeros(2 * len(n), dtype=bool)
    first[np.unique(rows, return_index=True)[1]] = True
    piece = np.where(first, n[rows] - n[rows] // 2, n[rows] // 2)
    return UsesByTemplate.counted(found.shape, entity[rows], template[rows], half[rows] == 1, piece)


def usage_of(found, tested, others=0):
    totals = np.stack([found.sum(axis=1), tested.sum(axis=1)], axis=1) + others
    n_entities, n_templates = found.shape
    return Usage(
        np.array([f"e{i:06d}" for i in range(n_entities)]),
        np.array([f"t{i:05d}" for i in range(n_templates)]),
        by_template_of(found, tested),
        totals.astype(float),
        np.zeros((n_entities, 2), np.int64),
        np.zeros(n_templates),
    )


def asked_one_by_one(found, tested, totals):
    """The definition: every entity's likelihood ratio, each cut at 5."""
    users = found >= 2
    rate_of = lambda hits, exposure: (hits + 0.5) / (exposure + 1.0)  # noqa: E731
    rate = np.full(len(found), rate_of(found[~users].sum(), totals[~users, 0].sum()))
    rate[users] = rate_of(found[users].sum(), totals[users, 0].sum())
    common = rate_of(tested.sum(), totals[:, 1].sum())
    ratio = tested * np.log(rate / common) - totals[:, 1] * (rate - common)
    return np.clip(ratio, -5, 5).sum()


@given(COUNTS, OTHERS, TEMPLATES)
def test_those_who_never_used_it_are_added_up_as_if_asked_one_by_one(counts, others, templates):
    found, tested = counts
    usage = usage_of(found, tested, others)
    uses, _ = usage.by_template.of_templates(templates).by_entity()
    of_templates = [half[:, templates].sum(axis=1).astype(float) for half in counts]
    expected = asked_one_by_one(of_templates[0], of_templates[1], usage.totals)
    assert log_e_of_use(uses, usage.exposures) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(COUNTS, TEMPLATES, st.sets(st.integers(0, N_ENTITIES - 1)))
def test_uses_are_the_columns_of_the_matrix(counts, templates, entities):
    usage, chosen = usage_of(*counts), np.array(sorted(entities), dtype=np.int64)
    at, uses, row = usage.by_template.of_group(chosen, templates)
    for half, name in enumerate(("found", "tested")):
        matrix = np.zeros((len(chosen), len(templates)))
        matrix[row, uses.template] = getattr(uses, name)
        np.testing.assert_array_equal(matrix, counts[half][chosen][:, templates])
    np.testing.assert_array_equal(
        usage.volumes(chosen, templates), counts.sum(axis=0)[chosen][:, templates].sum(axis=0)
    )
    np.testing.assert_array_equal(
        usage.found_in(chosen, templates).toarray(), counts[0][chosen][:, templates]
    )
    np.testing.assert_array_equal(usage.by_template.entity[at], uses.entity)
    np.testing.assert_array_equal(chosen[row], uses.entity)


@given(COUNTS, TEMPLATES)
def test_all_entities_as_a_group_are_all_users_of_the_templates(counts, templates):
    by_template = usage_of(*counts).by_template
    everything = by_template.of_templates(templates)
    at, uses, row = by_template.of_group(np.arange(N_ENTITIES), templates)
    for name in ("entity", "template", "found", "tested"):
        np.testing.assert_array_equal(getattr(uses, name), getattr(everything, name))
    np.testing.assert_array_equal(row, everything.entity)
    np.testing.assert_array_equal(by_template.entity[at], everything.entity)


@given(st.sets(st.integers(0, 3_000)), st.sets(st.integers(0, 3_000)))
def test_a_group_is_found_among_few_users_and_among_many(users, entities):
    entity, chosen = (np.array(sorted(numbers), dtype=np.int64) for numbers in (users, entities))
    ones = np.ones(len(entity), dtype=np.int64)
    everything = UsesByTemplate.counted((3_001, 1), entity, 0 * entity, ones == 0, ones)
    at, uses, row = everything.of_group(chosen, [0])
    assert entity[at].tolist() == uses.entity.tolist() == chosen[row].tolist() == sorted(users & entities)


@given(COUNTS, TEMPLATES, st.sampled_from([1, 1_000]))
def test_uses_are_added_up_by_entity_whether_its_numbers_are_near_or_far_apart(counts, templates, apart):
    found, tested = (np.zeros((N_ENTITIES * apart, N_TEMPLATES), np.int64) for _ in counts)
    found[::apart], tested[::apart] = counts
    by_template = usage_of(found, tested).by_template
    uses = by_template.of_templates(templates)
    added, row = uses.by_entity()
    for name in ("entity", "template", "found", "tested"):
        np.testing.assert_array_equal(getattr(by_template.users(templates), name), getattr(added, name))
    np.testing.assert_array_equal(
        added.entity, apart * np.flatnonzero(counts.sum(axis=0)[:, templates].any(axis=1))
    )
    np.testing.assert_array_equal(added.found, found[added.entity][:, templates].sum(axis=1))
    np.testing.assert_array_equal(added.tested, tested[added.entity][:, templates].sum(axis=1))
    np.testing.assert_array_equal(added.entity[row], uses.entity)


def test_a_look_at_one_template_touches_its_users_only():
    entity, template, ones = np.array([5, 99_999, 7]), np.array([0, 1, 1]), np.ones(3, np.int64)
    by_template = UsesByTemplate.counted((100_000, 2), entity, template, ones == 0, ones)
    assert [len(by_template.of_templates([t]).entity) for t in range(2)] == [1, 2]
    assert by_template.starts.tolist() == [0, 1, 3]
    assert by_template.entity.tolist() == [5, 7, 99_999]


@given(COUNTS, st.integers(1, 4))
def test_who_used_a_template_often(counts, least):
    often = usage_of(*counts).by_template.used_often(least)
    np.testing.assert_array_equal(often.toarray(), counts.sum(axis=0) >= least)


@given(arrays(np.int64, 30, elements=st.integers(0, 50)), st.floats(0, 3), st.floats(0.1, 9))
def test_clipped_sums(totals, slope, most):
    exposures = Exposures(np.stack([totals, totals], axis=1).astype(float))
    expected = np.minimum(totals * slope, most).sum()
    assert exposures.clipped_sum(slope, most) == pytest.approx(expected, abs=1e-9)


@given(arrays(np.int64, (10, 6), elements=st.integers(0, 1)), st.integers(1, 6))
def test_overlaps_are_cosines_of_the_witnesses(used, most):
    found = overlaps(csr_array(used.astype(float)), most)
    witness = used[used.sum(axis=1) <= most]
    shared, size = witness.T @ witness, witness.sum(axis=0)
    cosine = np.zeros((6, 6))
    cosine[found.row, found.column] = found.cosine
    expected = shared / np.sqrt(np.maximum(np.outer(size, size), 1))
    np.testing.assert_allclose(cosine, np.triu(expected, 1))


def test_an_entity_with_very_many_templates_makes_no_pairs_and_changes_no_bundle():
    """Two pools of three templates each, and a host of everything who alone would make nine million pairs."""
    rng = np.random.default_rng(0)
    n = 3_000
    found = np.zeros((61, n), np.int64)
    found[:30, :3], found[30:60, 3:6] = 4, 4
    found[60] = rng.integers(1, 3, n)
    found[:60, 6:] = rng.random((60, n - 6)) < 0.002
    pairs = overlaps(csr_array((found > 0).astype(float)), 1_000)
    others = (found[:60] > 0).sum(axis=1)
    assert len(pairs.row) <= (others**2).sum() < 10_000

    # The same bundles where the host is allowed to speak: what it says of all says nothing of any.
    usage = usage_of(found[:, :40], found[:, :40], 20)
    bundles = [
        {c.templates for c in candidates(usage, (), CandidateSettings(most_templates=most))}
        for most in (39, 1_000)
    ]
    assert (0, 1, 2) in bundles[0]
    assert bundles[0] == bundles[1]


def two_pools_and_a_crowd():
    """Two pools that share a template with each other, with a few who use it now and then, and others."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(0.1, (2, 400, 12))
    counts[:, :, 7] += rng.poisson(0.3, (2, 400))
    counts[:, :60, 0:4] += rng.poisson(3, (2, 60, 4))
    counts[:, 60:110, 3:7] += rng.poisson(3, (2, 50, 4))
    counts[:, 110, 0] += 300
    return usage_of(counts[0], counts[1], rng.integers(0, 60, (400, 2)))


def test_candidates_know_what_they_hold_and_depend_on_no_thread():
    usage = two_pools_and_a_crowd()
    communities, kin = [np.arange(60), np.arange(50, 120)], [(0, 1), (2, 5)]
    alone, together = (
        candidates(usage, communities, CandidateSettings(), kin, threads=threads) for threads in (1, 3)
    )
    assert {one.discovered_by for one in alone} == {"templates", "links"}
    assert len(alone) > 20  # wholes, parts and cores
    for one, other in zip(alone, together, strict=True):
        assert (one.templates, one.log_e_repetitive) == (other.templates, other.log_e_repetitive)
        assert one.entities.tolist() == other.entities.tolist()
        users, _ = usage.by_template.of_templates(one.templates).by_entity()
        np.testing.assert_array_equal(one.each, users.both[places_among(users.entity, one.entities)])
        np.testing.assert_array_equal(one.volumes, usage.volumes(one.entities, one.templates))
        assert one.n_exchanges == one.each.sum()


def test_a_group_is_followed_up_however_little_it_repeats():
    usage = two_pools_and_a_crowd()
    entities = np.arange(0, 400, 2)
    expected = [e for e in entities.tolist() if usage.volumes(np.array([e]), [7]).sum() >= 2]
    assert 0 < len(expected) < len(entities)
    one = followed_up(usage, (7,), entities, "links", CandidateSettings(minimum_entities=1))
    assert one is not None
    assert (one.entities.tolist(), one.discovered_by) == (expected, "links")
    assert one.log_e_repetitive < CandidateSettings().log_e_repetitive
    assert followed_up(usage, (7,), entities, "links", CandidateSettings(minimum_entities=400)) is None


@settings(max_examples=60)
@given(st.integers(20, 400), st.data())
def test_bounds_decide_as_the_exact_tail_does(n, data):
    drawn = data.draw(st.integers(5, n))
    everywhere = data.draw(arrays(np.int64, 8, elements=st.integers(1, n)))
    most = np.minimum(everywhere, drawn)
    inside = np.array([data.draw(st.integers(1, int(k))) for k in most])
    kept = inside * n > everywhere * drawn
    inside, everywhere = inside[kept], everywhere[kept]
    threshold = np.log(1e-6 / 50)
    exact = hypergeom.logsf(inside - 1, n, everywhere, drawn)
    clear = np.abs(exact - threshold) > 1e-6
    found = _rare(inside, everywhere, drawn, n, threshold)
    np.testing.assert_array_equal(found[clear], (exact < threshold)[clear])


def test_accounts_are_parted_by_their_mix_from_sparse_counts_as_from_dense_ones():
    rng = np.random.default_rng(5)
    mixes = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    kind = rng.random(300) < 0.4
    counts = rng.multinomial(20, mixes[kind.astype(int)]).astype(float)
    sides = {frozenset(np.flatnonzero(kind == side).tolist()) for side in (False, True)}
    for given_counts in (counts, csr_array(counts)):
        parts = split_by_mix(given_counts, 5)
        assert {frozenset(part.tolist()) for part in parts} == sides


def test_accounts_of_one_mix_are_not_parted():
    rng = np.random.default_rng(6)
    for mix in ([0.25, 0.25, 0.25, 0.25], [0.9, 0.04, 0.03, 0.03]):
        assert split_by_mix(rng.multinomial(20, mix, size=300).astype(float), 5) is None
    assert split_by_mix(np.tile([3.0, 4.0], (50, 1)), 5) is None


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 400), st.data())
def test_probability_of_so_many_is_scipys(drawn: int, held: int, others: int, data: st.DataObject) -> None:
    n = held + others
    drawn = min(drawn, n)
    inside = data.draw(st.integers(max(0, drawn - others), min(drawn, held)))
    found = _log_probability(np.array([inside]), np.array([held]), drawn, n)
    assert found == pytest.approx(hypergeom.logpmf([inside], n, [held], drawn), rel=1e-9, abs=1e-9)
