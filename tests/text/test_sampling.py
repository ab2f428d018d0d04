"""Draws from strings: uniform, independent by seed, and a matter of the string alone."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stillwatch.text.sampling import hash_of, uniform_of
from tests.text.reference import combine

STRINGS = st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=20)
IDS = pa.array([f"exchange-{i}" for i in range(20_000)])


def by_definition(value: str | None, seed: int) -> int:
    h = seed
    for byte in (value or "").encode():
        h = combine(h, byte)
    return h


@given(STRINGS, st.integers(0, 2**63))
@settings(deadline=None)
def test_hashes_the_bytes_one_after_the_other(values, seed):
    expected = [by_definition(value, seed) for value in values]
    assert hash_of(pa.array(values, pa.string()), seed).tolist() == expected


@given(STRINGS, st.integers(0, 20), st.integers(0, 20), st.sampled_from([pa.string(), pa.large_string()]))
@settings(deadline=None)
def test_slices_and_widths_of_offsets_do_not_matter(values, start, length, kind):
    whole = hash_of(pa.array(values, pa.string()), 1)
    part = hash_of(pa.array(values, kind).slice(start, length), 1)
    assert part.tolist() == whole[start : start + length].tolist()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_uniform_on_consecutive_ids(seed):
    drawn = uniform_of(IDS, seed).to_numpy()
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


def test_seeds_are_independent():
    one, other = (uniform_of(IDS, seed).to_numpy() for seed in (1, 2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    thinned = one < 0.1
    assert np.mean(other[thinned] < 0.5) == pytest.approx(0.5, abs=0.04)


def test_the_same_on_every_machine_and_version():
    """Kept results name their sample by these draws: a change here changes every scan."""
    expected = [1, 2784649067559600315, 16985006068255086068]
    assert hash_of(pa.array(["", "a", "exchange-1"]), 1).tolist() == expected


def test_null_is_the_empty_string_and_nothing_is_nothing():
    assert hash_of(pa.array([None], pa.string()), 7).tolist() == hash_of(pa.array([""]), 7).tolist()
    assert len(hash_of(pa.array([], pa.string()), 7)) == 0
