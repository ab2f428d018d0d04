"""Accounts of a pool mix labels as the pool does; others keep to their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.dealt_mix import mix_ratios


def ratios(counts, weight):
    """`mix_ratios` of a table of counts, shape (n_entities, n_labels)."""
    entity, label = np.nonzero(counts)
    return mix_ratios(entity, label, counts[entity, label].astype(float), np.asarray(weight, dtype=float))


def pool_and_strangers(seed, n_each=20):
    """40 accounts dealt from one mix, and 5 that keep to one label each."""
    rng = np.random.default_rng(seed)
    mix = rng.dirichlet(np.full(8, 2.0))
    dealt = rng.multinomial(n_each, mix, size=40)
    own = np.zeros((5, 8), dtype=np.int64)
    own[np.arange(5), rng.choice(8, 5, p=mix)] = n_each
    return np.concatenate([dealt, own]), np.concatenate([np.full(40, 0.9), np.full(5, 0.9)])


@pytest.mark.parametrize("seed", range(5))
def test_strangers_who_keep_to_one_label_are_told_from_the_pool(seed):
    found = ratios(*pool_and_strangers(seed))
    assert np.median(found[:40]) > np.median(found[40:]) + 3
    assert found[:40].min() > -3
    assert found[40:].max() < -3


def test_pools_in_which_each_account_keeps_to_its_own_say_little():
    rng = np.random.default_rng(3)
    counts = np.zeros((40, 8), dtype=np.int64)
    counts[np.arange(40), rng.integers(0, 8, 40)] = 20
    assert np.abs(ratios(counts, np.full(40, 0.9))).max() < 2.5


def test_one_exchange_says_little_where_all_use_the_label():
    counts, weight = pool_and_strangers(1)
    single = np.zeros((1, 8), dtype=np.int64)
    single[0, counts.sum(axis=0).argmax()] = 1
    assert abs(ratios(np.concatenate([counts, single]), np.append(weight, 0.0))[-1]) < 1


def test_an_entity_does_not_testify_for_itself():
    """A stranger with a label of its own is not made typical by its own volume."""
    counts, weight = pool_and_strangers(2)
    counts = np.pad(counts, ((0, 1), (0, 1)))
    counts[-1, -1] = 5_000
    assert ratios(counts, np.append(weight, 1.0))[-1] < -5


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_order_of_entities_and_names_of_labels_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, size=(12, 5))
    weight = rng.random(12)
    rows, columns = rng.permutation(12), rng.permutation(5)
    shuffled = ratios(counts[rows][:, columns], weight[rows])
    assert shuffled == pytest.approx(ratios(counts, weight)[rows], abs=1e-9)


def test_nothing_is_said_of_nothing():
    assert ratios(np.zeros((3, 4), dtype=np.int64), np.ones(3)).tolist() == [0, 0, 0]
    assert ratios(np.full((3, 1), 7), np.ones(3)).tolist() == [0, 0, 0]
