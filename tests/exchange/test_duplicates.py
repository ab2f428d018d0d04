"""The detector agrees with a set, whatever the hashes do."""

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from stillwatch.exchange.duplicates import DuplicateDetector

ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)


@settings(deadline=None)
@given(st.lists(st.lists(ids, max_size=30), max_size=5), st.sampled_from([0, 1, 3, 64]))
def test_the_first_occurrence_wins_even_where_hashes_collide(batches: list[list[str]], bits: int) -> None:
    seen: set[str] = set()
    with DuplicateDetector(hash_bits=bits) as detector:
        for batch in batches:
            expected = []
            for name in batch:
                expected.append(name in seen)
                seen.add(name)
            assert detector.later(pa.array(batch, pa.string())).tolist() == expected


def test_many_ids_over_growing_tables_and_slices() -> None:
    rng = np.random.default_rng(5)
    numbers = rng.integers(0, 60_000, 100_000)
    _, first = np.unique(numbers, return_index=True)
    expected = np.ones(len(numbers), bool)
    expected[first] = False
    names = pa.array([f"id-{number}" for number in numbers])
    with DuplicateDetector() as detector:
        found = [detector.later(names.slice(start, 7_001)) for start in range(0, len(names), 7_001)]
    assert np.array_equal(np.concatenate(found), expected)


def test_one_id_that_begins_like_another_is_another() -> None:
    with DuplicateDetector(hash_bits=0) as detector:
        assert not detector.later(pa.array(["ab", "a", "b", "", "abc"])).any()


@pytest.mark.parametrize("count", [200_000])
def test_memory_for_an_id_is_bounded(count: int) -> None:
    with DuplicateDetector() as detector:
        detector.later(pa.array([f"{number:036d}" for number in range(count)]))
        assert detector.nbytes / count <= 23
