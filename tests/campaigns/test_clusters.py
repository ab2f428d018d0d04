"""k-means in blocks, with what did not change left alone, is k-means."""

import numpy as np
import pytest

from stillwatch.campaigns.clusters import k_means, nearest


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
