import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.sorting import sort


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=80), st.integers(0, 5))
def test_only_the_first_values_are_sorted(values, others):
    array = np.array(values, np.uint64)
    n = max(0, len(values) - others)
    sort(array, n)
    assert array.tolist() == sorted(values[:n]) + values[n:]
