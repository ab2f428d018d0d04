"""A value that very many hold costs what its holders cost, never their square; the kernels behind that are exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.co_occurrence import CONNECTED_BY, AttributeModels, held_rare_values
from stillwatch.campaigns.owners import connected_share
from stillwatch.links.bicm import fit_bicm
from stillwatch.links.incidence import Attributes, Incidence
from stillwatch.links.pair_kernels import shared_values
from stillwatch.links.poisson_binomial import log_tails_of_laws
from stillwatch.links.settings import LinkSettings
from stillwatch.links.shared_attributes import _GroupLaw
from stillwatch.links.validated import _shares, validated_links

HOLDERS = 100_000


def attributes(n, **kinds):
    """Entities with values of each kind, given as pairs of (entities, values)."""
    made = {}
    for kind, (entities, values) in kinds.items():
        shape = (n, int(values.max()) + 1)
        made[kind] = Incidence.from_pairs(kind, entities, values, shape)
    return Attributes(tuple(f"e{i:07d}" for i in range(n)) if n < 10**6 else (), made)


def hot(n, pairs):
    """One value with `HOLDERS` holders beside values of two holders each."""
    entities = np.concatenate([np.arange(HOLDERS), np.arange(2 * pairs)])
    values = np.concatenate([np.zeros(HOLDERS, np.int64), 1 + np.arange(2 * pairs) // 2])
    return attributes(n, prefix=(entities, values))


def test_a_value_of_a_hundred_thousand_makes_no_pair():
    found = hot(HOLDERS, 50)
    shares, sharing = _shares(found, ("prefix",), LinkSettings().cap)
    assert sharing == 50
    sizes = np.diff(shares.holder_starts)
    assert (sizes * (sizes - 1) // 2).sum() == 50
    models = {"prefix": fit_bicm(found.kinds["prefix"])}
    links = validated_links(found, models)
    # The rest is found as if the hot value were not there.
    assert set(zip(links.first.tolist(), links.second.tolist(), strict=True)) <= {
        (2 * i, 2 * i + 1) for i in range(50)
    }


@pytest.mark.parametrize("cap", [2, 50, 200])
def test_pairs_never_exceed_holders_times_the_cap(cap):
    rng = np.random.default_rng(cap)
    values = (rng.pareto(0.6, 20_000) * 3).astype(np.int64) % 5_000
    found = attributes(20_000, prefix=(np.arange(20_000), values))
    shares, sharing = _shares(found, ("prefix",), cap)
    assert sharing <= len(shares.holders) * (cap - 1) / 2


def test_a_group_s_ties_are_as_many_as_its_values():
    """A hundred thousand accounts of two million on one address are five thousand million pairs."""
    models = AttributeModels(hot(20 * HOLDERS, 50), {})
    member, value = held_rare_values(np.arange(HOLDERS + 10), models, CONNECTED_BY)
    assert len(member) == len(value) == HOLDERS + 100


def test_one_value_holds_a_large_group_together():
    n, holders = 60_000, 3_000
    found = attributes(n, prefix=(np.arange(n), np.maximum(np.arange(n) - holders + 1, 0)))
    group = np.arange(holders + 1_000)
    assert connected_share(group, AttributeModels(found, {})) == pytest.approx(holders / len(group))


def test_laws_are_made_of_kinds_of_members_not_of_members():
    found = hot(3 * HOLDERS, 50).kinds["prefix"]
    law = _GroupLaw(np.arange(HOLDERS + 10), fit_bicm(found))
    one, count = law.kinds
    assert len(one) == 3  # with two values, one, and none
    assert count.sum() == HOLDERS + 10
    whole = law.model.probabilities(law.members, 0)
    assert law.expected(np.array([0]))[0] == pytest.approx(whole.sum())
    unknown, sizes, tails = law.attainable
    assert sizes.sum() + unknown == (law.model.class_degree >= 2) @ law.model.class_size
    assert np.all(np.diff(tails[:, :2], axis=1) <= 0)


def tails_one_by_one(p, k):
    """P(X >= j) for j = 0..k, toss by toss; the last cell of the law is k or more."""
    law = np.zeros(k + 1)
    law[0] = 1.0
    for q in p:
        law = np.concatenate([law[:-1] * (1 - q), law[-1:]]) + np.concatenate([[0.0], law[:-1] * q])
    return np.cumsum(law[::-1])[::-1]


@given(
    st.lists(st.tuples(st.floats(1e-6, 0.999), st.integers(1, 2_000)), min_size=1, max_size=4),
    st.integers(1, 20),
)
def test_tosses_that_are_alike_are_counted_as_if_one_by_one(kinds, k):
    p, n = (np.array(column) for column in zip(*kinds, strict=True))
    with np.errstate(divide="ignore"):
        one_by_one = np.log(tails_one_by_one(np.repeat(p, n), k))
    np.testing.assert_allclose(
        log_tails_of_laws(p[None], n.astype(np.int64), np.array([k]))[0], one_by_one, rtol=1e-9, atol=1e-12
    )


@given(st.lists(st.sets(st.integers(0, 15)), min_size=2, max_size=8), st.sets(st.integers(0, 15)))
def test_shared_values_of_pairs(held, dropped):
    starts = np.cumsum([0, *map(len, held)]).astype(np.int64)
    values = np.array([value for own in held for value in sorted(own)], dtype=np.int64)
    kept = np.array([value not in dropped for value in range(16)])
    pairs = [(i, j) for i in range(len(held)) for j in range(i + 1, len(held))]
    begins, found = shared_values(starts, values, kept, np.array(pairs, dtype=np.int64))
    for at, (i, j) in enumerate(pairs):
        assert found[begins[at] : begins[at + 1]].tolist() == sorted((held[i] & held[j]) - dropped)
