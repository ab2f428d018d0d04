"""Which candidate continues which hypothesis: the same as by comparing all with all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.uses import UsesByTemplate
from stillwatch.replaying.hypotheses import SAME, Hypothesis, identify

N = 6
GROUPS = st.lists(
    st.tuples(
        st.sets(st.integers(0, N - 1), min_size=1),
        st.sets(st.integers(0, N - 1), min_size=1),
        st.sampled_from(["templates", "links"]),
    ),
    max_size=7,
)


def usage():
    nothing = np.zeros(0, np.int64)
    uses = UsesByTemplate.counted((N, N), nothing, nothing, nothing.astype(np.bool_), nothing)
    # Two of the names that hypotheses have are not there any more.
    names = np.array([f"n{number}" for number in range(N)])
    return Usage(names, names, uses, np.zeros((N, 2)), np.zeros((N, 2), np.int64), np.zeros(N))


def jaccard(left, right):
    return len(left & right) / len(left | right)


@given(GROUPS, GROUPS)
def test_the_most_alike_first_and_none_twice(found, known):
    none = np.zeros(0)
    candidates = [Candidate(tuple(sorted(t)), np.array(sorted(e)), by, 0.0, none, none) for t, e, by in found]
    old = [
        Hypothesis(
            tuple(f"n{one + 1}" for one in sorted(t)),
            tuple(f"n{one + 1}" for one in sorted(e)),
            by,
            1.0,
            1,
            0,
        )
        for t, e, by in known
    ]
    pairs = []
    for a, (templates, entities, by) in enumerate(found):
        for b, (its_templates, its_entities, its_by) in enumerate(known):
            alike = jaccard(templates, {one + 1 for one in its_templates})
            if by == its_by and alike >= SAME:
                close = jaccard(entities, {one + 1 for one in its_entities}) + alike
                pairs.append((-close, a, b))
    want: list[int | None] = [None] * len(found)
    for _, a, b in sorted(pairs):
        if want[a] is None and b not in want:
            want[a] = b
    assert identify(usage(), candidates, old, list(range(len(old)))) == want
