"""The kernel of alternation counts what its definition says, after every shift."""

from types import SimpleNamespace
from typing import cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.alternation import LEAST_TURNS, _sets
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.shifted_turns import shifted_cases
from stillwatch.campaigns.turns import MOST_ACCOUNTS, cases


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
    np.testing.assert_array_equal(cases(turns, 5), by_definition(turns.tolist(), 5))


def test_as_many_accounts_as_a_word_has_bits():
    turns = np.random.default_rng(3).integers(0, MOST_ACCOUNTS, 600)
    expected = by_definition(turns.tolist(), MOST_ACCOUNTS)
    assert expected[:, 0].sum() > 100
    np.testing.assert_array_equal(cases(turns, MOST_ACCOUNTS), expected)


def test_a_set_fits_into_a_word():
    for n in range(2, 100):
        account = np.repeat(np.arange(n), LEAST_TURNS)
        sample = cast(
            "GroupSample", SimpleNamespace(entity=account, ts=np.arange(len(account)), n_entities=n)
        )
        assert max(len(members) for members in _sets(sample)) <= MOST_ACCOUNTS


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=40), st.integers(0, 99)
)
def test_shifted_turns_are_merged_as_a_stable_sort_does(events, seed):
    events.sort(key=lambda event: event[0])
    ts, account = (np.array(column) for column in zip(*events, strict=True))
    # Whole shifts, so that many turns fall on one moment.
    shifts = np.random.default_rng(seed).integers(-9, 9, (6, 5)).astype(np.float64)
    order = np.argsort(account, kind="stable")
    starts = np.searchsorted(account[order], np.arange(6)).astype(np.int64)
    found = shifted_cases(ts.astype(np.float64), order, starts, shifts)
    for shift, totals in zip(shifts, found, strict=True):
        turns = account[np.argsort(ts + shift[account], kind="stable")]
        np.testing.assert_array_equal(totals, cases(turns.astype(np.int64), 5).sum(axis=0))


def test_turns_of_years_are_merged_as_a_sort_does():
    rng = np.random.default_rng(5)
    ts = (np.sort(rng.integers(0, 20 * 365 * 86_400, 3_000)) * 1_000_000).astype(np.float64)
    account = rng.integers(0, 23, len(ts))
    order = np.argsort(account, kind="stable")
    starts = np.searchsorted(account[order], np.arange(24)).astype(np.int64)
    shifts = rng.uniform(-3e9, 3e9, (4, 23))
    for shift, totals in zip(shifts, shifted_cases(ts, order, starts, shifts), strict=True):
        turns = account[np.argsort(ts + shift[account], kind="stable")]
        np.testing.assert_array_equal(totals, cases(turns, 23).sum(axis=0))
