"""Kernels over groups of rows against plain Python."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.grouped_rows import first_of_each, numbered_as_met, sums_of_groups

KEYS = st.lists(st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1), max_size=60)
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=60)


@given(KEYS)
@settings(deadline=None)
def test_keys_are_numbered_as_a_dictionary_numbers_them(keys):
    expected: dict[int, int] = {}
    numbers = [expected.setdefault(key, len(expected)) for key in keys]
    number, first = numbered_as_met(np.array(keys, np.int64))
    assert number.tolist() == numbers
    assert first.tolist() == [keys.index(key) for key in expected]


@given(ROWS)
@settings(deadline=None)
def test_sums_are_those_of_each_group_alone(rows):
    group = np.array([row[0] for row in rows], np.int64)
    vectors = np.array([row[1:] for row in rows], np.float32).reshape(-1, 2)
    expected = [[float(vectors[group == one, column].sum()) for column in range(2)] for one in range(4)]
    assert sums_of_groups(group, vectors, 4).tolist() == expected


@given(ROWS)
@settings(deadline=None)
def test_a_row_is_the_first_unless_its_group_had_it_before(rows):
    group = np.array([row[0] for row in rows], np.int64)
    vectors = np.array([row[1:] for row in rows], np.float32).reshape(-1, 2)
    expected = [any(row[1:]) and row not in rows[:place] for place, row in enumerate(rows)]
    assert first_of_each(group, vectors.view(np.uint32)).tolist() == expected
