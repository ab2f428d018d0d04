import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.minhash import BINS, bands, signatures, similarity
from tests.text import reference

sets = st.lists(st.integers(1, 2**64 - 1), max_size=150)


def pack(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0] + [len(r) for r in rows]).astype(np.int64)
    return offsets, np.array([h for r in rows for h in r], np.uint64)


def slow_signature(members: list[int]) -> list[int]:
    bins: dict[int, int] = {}
    for h in map(reference.mix, members):
        bins[h >> 58] = min(h, bins.get(h >> 58, reference.MASK))
    out = []
    for b in range(BINS):
        source, attempt = b, 0
        while bins and source not in bins:
            attempt += 1
            source = reference.combine(b, attempt) >> 58
        out.append(bins.get(source, reference.MASK))
    return out


@settings(deadline=None)
@given(st.lists(sets, max_size=5))
def test_signatures_equal_the_slow_version(rows):
    assert signatures(*pack(rows)).tolist() == [slow_signature(r) for r in rows]


@settings(deadline=None)
@given(sets.filter(bool), st.data())
def test_order_and_repetition_do_not_matter(members, data):
    shuffled = data.draw(st.permutations(members + members[:3]))
    one, other = signatures(*pack([members, shuffled]))
    assert (one == other).all()


@pytest.mark.parametrize(("n", "shared"), [(30, 5), (30, 25), (300, 60), (300, 240), (1000, 500)])
def test_estimate_is_within_binomial_error(n, shared):
    rng = np.random.default_rng(n + shared)
    pairs = 400
    rows = []
    for _ in range(pairs):
        members = rng.integers(1, 2**63, 2 * n - shared, dtype=np.uint64).tolist()
        rows += [members[:n], members[n - shared :]]
    signed = signatures(*pack(rows))
    estimates = similarity(signed[0::2], signed[1::2])
    truth = shared / (2 * n - shared)
    # Sets smaller than the number of bins carry less than BINS independent draws.
    draws = min(BINS, 2 * n - shared)
    sd = np.sqrt(truth * (1 - truth) / draws)
    assert abs(estimates.mean() - truth) < 5 * sd / np.sqrt(pairs) + 0.002
    assert estimates.std() < 1.35 * sd


@pytest.mark.parametrize("n_bands", [1, 8, 32, 64])
def test_bands_agree_where_their_bins_do(n_bands):
    rng = np.random.default_rng(n_bands)
    signed = rng.integers(0, 3, (40, BINS)).astype(np.uint64)
    found = bands(signed, n_bands)
    cut = signed.reshape(40, n_bands, -1)
    same_bins = (cut[:, None] == cut[None, :]).all(axis=3)
    assert ((found[:, None] == found[None, :]) == same_bins).all()


def test_bands_must_divide_the_bins():
    with pytest.raises(ValueError, match="divide 64"):
        bands(np.zeros((1, BINS), np.uint64), 5)
