"""k-means in blocks, with what did not change left alone, is k-means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.clusters import _by_cluster, k_means, nearest


def plain(data, k, rounds, rng):
    """Every round in full."""
    centres = data[np.sort(rng.choice(len(data), k, replace=False))].copy()
    for _ in range(rounds):
        label = (data @ centres.T - 0.5 * (centres**2).sum(axis=1)).argmax(axis=1)
        for cluster in np.unique(label):
            centres[cluster] = data[label == cluster].astype(np.float64).mean(axis=0)
    return centres


@pytest.mark.parametrize(("n", "k", "rounds"), [(30, 3, 8), (700, 40, 8), (2_000, 160, 3), (5, 5, 8)])
def test_centres_are_those_of_plain_rounds(n, k, rounds):
    rng = np.random.default_rng(n)
    data = (rng.integers(0, 6, n)[:, None] == np.arange(16)) + rng.normal(0, 0.3, (n, 16))
    data = data.astype(np.float32)
    found, expected = (
        of(data, k, rounds, np.random.default_rng(1)).astype(np.float64) for of in (k_means, plain)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    distances = ((data[:, None] - expected) ** 2).sum(axis=2)
    np.testing.assert_array_equal(nearest(data, found.astype(np.float32)), distances.argmin(axis=1))


def test_rows_that_are_alike_leave_clusters_empty():
    data = np.ones((20, 4), dtype=np.float32)
    np.testing.assert_array_equal(k_means(data, 3, 8, np.random.default_rng(0)), np.ones((3, 4)))
    assert (nearest(data, np.ones((3, 4), np.float32)) == 0).all()
    assert len(nearest(np.zeros((0, 4), np.float32), data[:3])) == 0


@pytest.mark.parametrize("n", [2_048, 2_049, 5_000])
def test_blocks_of_rows_are_all_rows(n):
    rng = np.random.default_rng(n)
    data, centres = (rng.normal(size=(size, 64)).astype(np.float32) for size in (n, 90))
    expected = (data @ centres.T - 0.5 * (centres**2).sum(axis=1)).argmax(axis=1)
    np.testing.assert_array_equal(nearest(data, centres), expected)


def test_rows_that_are_alike_and_between_two_centres_have_one_label():
    """Two clusters of one text have centres that differ by rounding only, or by the order of their numbers."""
    rng = np.random.default_rng(2)
    row = rng.normal(size=64)
    row /= np.linalg.norm(row)
    aside = rng.normal(size=64)
    aside -= (aside @ row) * row
    centres = np.concatenate([rng.normal(size=(88, 64)) * 0.1, [row + aside, row - aside]]).astype(np.float32)
    data = np.tile(row.astype(np.float32), (2_600, 1))
    assert len(np.unique(nearest(data, centres))) == 1


@given(st.lists(st.integers(0, 4), max_size=40), st.lists(st.booleans(), min_size=5, max_size=5))
@settings(deadline=None)
def test_rows_of_changed_clusters_stand_together_in_order(label, changed):
    data = np.arange(2 * len(label), dtype=np.float32).reshape(-1, 2)
    kept = [
        row for cluster in range(5) if changed[cluster] for row in range(len(label)) if label[row] == cluster
    ]
    rows, sizes = _by_cluster(data, np.array(label, np.int64), np.array(changed))
    np.testing.assert_array_equal(rows, data[kept])
    assert sizes.tolist() == [label.count(cluster) * changed[cluster] for cluster in range(5)]
