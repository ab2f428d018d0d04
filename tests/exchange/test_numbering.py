"""Numbers are told apart by marks as by sorting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.exchange.numbering import numbered


@given(st.lists(st.integers(0, 60), max_size=30), st.sampled_from([61, 5_000]))
def test_as_numpy_s_unique(values, bound):
    given_values = np.array(values, np.int64)
    distinct, place = numbered(given_values, bound)
    wanted, inverse = np.unique(given_values, return_inverse=True)
    assert distinct.tolist() == wanted.tolist()
    assert place.tolist() == inverse.tolist()
    assert distinct.dtype == place.dtype == np.int64
