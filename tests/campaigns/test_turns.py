"""The kernel of alternation counts what its definition says, after every shift."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.alternation import _cases, _shifted_cases


def by_definition(turns, n):
    """For every gap of one account, other accounts that were seen before it began and are seen at its end or after."""
    once, cases = np.zeros(n), np.zeros(n)
    merged = [(place, who) for place, who in enumerate(turns) if place == 0 or turns[place - 1] != who]
    for at, (place, mine) in enumerate(merged):
        begun = [k for k in range(at) if merged[k][1] == mine]
        if not begun:
            continue
        for other in set(turns) - {mine}:
            before = any(who == other for _, who in merged[: begun[-1]])
            after = any(who == other for who in turns[place:])
            between = sum(who == other for _, who in merged[begun[-1] : at])
            if before and after:
                cases[mine] += 1
                once[mine] += between == 1
    return np.stack([once, cases], axis=1)


@given(st.lists(st.integers(0, 4), max_size=40))
def test_cases_by_definition(turns):
    turns = np.array(turns, dtype=np.int64)
    np.testing.assert_array_equal(_cases(turns, 5), by_definition(turns.tolist(), 5))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=40), st.integers(0, 99)
)
def test_shifted_turns_are_merged_as_a_stable_sort_does(events, seed):
    events.sort(key=lambda event: event[0])
    ts, account = (np.array(column) for column in zip(*events, strict=True))
    # Whole shifts, so that many turns fall on one moment.
    shifts = np.random.default_rng(seed).integers(-9, 9, (6, 5)).astype(float)
    order = np.argsort(account, kind="stable")
    starts = np.searchsorted(account[order], np.arange(6)).astype(np.int64)
    found = _shifted_cases(ts.astype(float), order, starts, shifts)
    for shift, totals in zip(shifts, found, strict=True):
        turns = account[np.argsort(ts + shift[account], kind="stable")]
        np.testing.assert_array_equal(totals, _cases(turns.astype(np.int64), 5).sum(axis=0))
