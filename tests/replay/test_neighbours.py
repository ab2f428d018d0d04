"""Skeletons that wait: those that a new one could belong with are found, and few others are asked."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.replaying.neighbours import MOST_HOLDERS, Neighbours
from stillwatch.signals.leader_clustering import FRAME, SIMILAR

SETS = st.lists(st.sets(st.integers(1, 40), max_size=12), max_size=12)


def edges(one):
    """How it begins and ends; 0 where nothing is known."""
    return len(one) % 3, 0


def skeletons(sets, first=0):
    packed = [np.array([*edges(one), *sorted(one)], dtype="<u8").tobytes() for one in sets]
    numbers = pa.array(range(first, first + len(sets)), pa.uint64())
    return pa.table({"skeleton": numbers, "signature": pa.array(packed, pa.binary())})


@given(SETS, SETS, SETS)
def test_what_shares_enough_is_found(held, added, asked):
    near = Neighbours(skeletons(held))
    near.add(skeletons(added, len(held)))
    want = {
        number
        for number, one in enumerate([*held, *added])
        for other in asked
        if one & other
        and (
            (edges(one)[0] == edges(other)[0] > 0 and len(one & other) >= FRAME)
            or len(one & other) >= SIMILAR * min(len(one), len(other))
        )
    }
    assert near.of(skeletons(asked)).tolist() == sorted(want)


def test_phrases_of_the_language_tie_nobody():
    held = [{1, 2, 3, 100 + number} for number in range(MOST_HOLDERS + 1)]
    near = Neighbours(skeletons(held))
    assert near.of(skeletons([{1, 2, 3}])).tolist() == []
    assert near.of(skeletons([{1, 2, 3, 105}])).tolist() == []
    assert near.of(skeletons([{105, 200}])).tolist() == [5, 100]


def test_a_skeleton_without_words_is_near_to_none():
    assert Neighbours(skeletons([set(), {1}])).of(skeletons([set()])).tolist() == []
