"""Numbers are told apart by marks as by sorting."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.exchange.numbering import coded, numbered, runs


@given(
    st.lists(st.lists(st.none() | st.sampled_from(["", "a", "b", "B", "ß", "aa"]), max_size=6), max_size=4)
)
def test_strings_are_numbered_in_order_whatever_chunk_they_stand_in(chunks):
    names, number = coded(pa.chunked_array(chunks, pa.string()))
    rows = [text or "" for chunk in chunks for text in chunk]
    wanted = sorted(set(rows), key=str.encode)
    assert names.to_pylist() == wanted
    assert number.tolist() == [wanted.index(text) for text in rows]
    assert number.dtype == np.int64


@given(st.lists(st.integers(0, 60), max_size=30), st.sampled_from([61, 5_000]))
def test_as_numpy_s_unique(values, bound):
    given_values = np.array(values, np.int64)
    distinct, place = numbered(given_values, bound)
    wanted, inverse = np.unique(given_values, return_inverse=True)
    assert distinct.tolist() == wanted.tolist()
    assert place.tolist() == inverse.tolist()
    assert distinct.dtype == place.dtype == np.int64


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=12))
def test_runs_one_after_the_other(given_runs):
    starts, sizes = (np.array([one[side] for one in given_runs], np.int64) for side in (0, 1))
    run, place = runs(starts, sizes)
    wanted = [(at, start + step) for at, (start, size) in enumerate(given_runs) for step in range(size)]
    assert list(zip(run.tolist(), place.tolist(), strict=True)) == wanted
