"""Cases of `turns` after each account's whole trace was shifted against the others': the null of `alternation`.

What costs is to bring all turns into order again after each of some hundred shifts. Each account's own turns stay in
order, so the accounts are merged two by two, on whole numbers that hold moment and place together: a quarter of the
time of taking the earliest of 20 accounts turn by turn, and half of that of sorting.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillwatch.campaigns.turns import add_cases

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_TICKS = 4.0
"""Moments are told apart to a quarter of a microsecond: no double holds more of the microseconds since 1970."""
_KEY_BITS = 62
_ONE = np.uint64(1)


def shifted_cases(ts: Floats, order: Ints, starts: Ints, shifts: Floats) -> Floats:
    """Cases of exactly one turn, and all cases, after each shift of the accounts' traces, shape (n_shifts, 2).

    Turns of one moment stay in the order in which they were given.

    Args:
        ts: moments in microseconds, not decreasing, shape (n_turns,).
        order: turns account by account, each account's in order of time, shape (n_turns,).
        starts: where each account begins in `order`, shape (n_accounts + 1,).
        shifts: added to the moments of each account, in microseconds, shape (n_shifts, n_accounts).
    """
    account = np.empty(len(ts), dtype=np.int64)
    account[order] = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    place_bits = max(len(ts) - 1, 1).bit_length()
    farthest = float(np.abs(shifts).max())
    begin = float(np.floor(ts[0] - farthest))
    ticks = _TICKS
    # Coarser where years and many turns would not fit together: at 20,000 turns from two years on.
    while (ts[-1] + farthest - begin + 1.0) * ticks >= 2.0 ** (_KEY_BITS - place_bits):
        ticks /= 2.0
    traces = ts[order], order, starts, account
    return np.asarray(_cases_of_shifts(traces, shifts, (begin, ticks, place_bits)))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _cases_of_shifts(traces, shifts, scale):  # type: ignore[no-untyped-def]
    """See `shifted_cases`.

    Args:
        traces: moments account by account (n_turns,); place of each among all (n_turns,); where each account begins
            (n_accounts + 1,); account at each place (n_turns,).
        shifts: as there.
        scale: what is taken from moments; ticks of a microsecond; bits that hold a place.
    """
    own, _, starts, account = traces
    size, n = len(own), len(starts) - 1
    result = np.zeros((len(shifts), 2))
    keys, spare = np.empty(size, np.int64), np.empty(size, np.int64)
    turns, last = np.empty(size, np.int64), np.empty(n, np.int64)
    of_accounts = np.empty((n, 2))
    no_moment = (np.int64(1) << scale[2]) - 1
    for number in range(len(shifts)):
        _key(traces, shifts[number], scale, keys)
        width = 1
        while width < n:
            for first in range(0, n, 2 * width):
                middle, end = starts[min(first + width, n)], starts[min(first + 2 * width, n)]
                _merge(keys, spare, starts[first], middle, end)
            keys, spare = spare, keys
            width *= 2
        for at in range(size):
            mine = account[keys[at] & no_moment]
            turns[at] = mine
            last[mine] = at
        of_accounts[:] = 0.0
        add_cases(turns, last, of_accounts)
        result[number, 0] = of_accounts[:, 0].sum()
        result[number, 1] = of_accounts[:, 1].sum()
    return result


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _key(traces, shift, scale, keys):  # type: ignore[no-untyped-def]
    """Fill `keys` with whole numbers that are in order as the shifted moments are, and at one moment as the places."""
    own, place, starts, _ = traces
    begin, ticks, place_bits = scale
    for account in range(len(starts) - 1):
        for at in range(starts[account], starts[account + 1]):
            moment = np.int64((own[at] + shift[account] - begin) * ticks)
            keys[at] = (moment << place_bits) | place[at]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _merge(keys, merged, begin, middle, end):  # type: ignore[no-untyped-def]
    """Merge `keys[begin:middle]` and `keys[middle:end]`, each in order, no key twice, into `merged[begin:end]`.

    Each step waits for the one before it, so as many as are safe are made from both ends at once: the processor has two
    chains to work on.
    """
    steps = min(middle - begin, end - middle)  # neither part can run out before, from neither end
    # Unsigned, or every place is asked whether it counts from the end: a third of the time.
    low, high, to = np.uint64(begin), np.uint64(middle), np.uint64(begin)
    low_end, high_end, to_end = np.uint64(middle - 1), np.uint64(end - 1), np.uint64(end - 1)
    for _ in range(steps):
        one, other = keys[low], keys[high]
        second = np.uint64(other < one)
        merged[to] = other if other < one else one
        low, high, to = low + (_ONE - second), high + second, to + _ONE
        one, other = keys[low_end], keys[high_end]
        first = np.uint64(one > other)
        merged[to_end] = one if one > other else other
        low_end, high_end, to_end = low_end - first, high_end - (_ONE - first), to_end - _ONE
    _merge_rest(
        keys, merged, (np.int64(low), np.int64(low_end), np.int64(high), np.int64(high_end)), np.int64(to)
    )


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _merge_rest(keys, merged, left, to):  # type: ignore[no-untyped-def]
    """Merge what is left of two parts, first and last place of each, into `merged` from `to` on."""
    low, low_end, high, high_end = left
    while low <= low_end and high <= high_end:
        one, other = keys[low], keys[high]
        second = np.int64(other < one)
        merged[to] = other if other < one else one
        low, high, to = low + 1 - second, high + second, to + 1
    while low <= low_end:
        merged[to] = keys[low]
        low, to = low + 1, to + 1
    while high <= high_end:
        merged[to] = keys[high]
        high, to = high + 1, to + 1
