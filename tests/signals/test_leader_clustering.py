"""What the signatures of two skeletons tell of their shingles."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.signals.leader_clustering import _sizes, compare

numbers = st.sets(st.integers(1, 2**64 - 1), max_size=120)


@settings(deadline=None)
@given(numbers, numbers, numbers)
def test_compare_counts_what_both_signatures_cover(a, b, both):
    left, right = a | both, b | both

    def signature(members: Any) -> Any:
        chosen = sorted(members)[:64]
        return np.array(chosen + [0] * (64 - len(chosen)), np.uint64), len(chosen)

    cut = min([sorted(s)[63] for s in (left, right) if len(s) >= 64], default=2**64 - 1)
    expected = tuple(len({h for h in s if h <= cut}) for s in (left & right, left, right))
    assert compare(*signature(left), *signature(right)) == expected
    # Whoever has counted what stands in both signatures knows the same.
    shared = len(set(sorted(left)[:64]) & set(sorted(right)[:64]))
    assert (shared, *_sizes(*signature(left), *signature(right))) == expected
