import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from stillwatch.prefetching import prefetch


@njit
def sum_ahead(values, ahead):
    total = 0
    for i in range(len(values)):
        prefetch(values, i + ahead)
        total += values[i]
    return total


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=50), st.integers(-(10**6), 10**6))
def test_a_hint_changes_nothing_wherever_it_points(values, ahead):
    array = np.array(values, np.int64)
    assert sum_ahead(array, ahead) == sum(values)
    assert array.tolist() == values
