"""Which accounts take exactly one turn between two turns of another: the counting behind `alternation`.

Sets of at most `MOST_ACCOUNTS` accounts are kept as bits of one word, so that one operation asks something of all other
accounts at once.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_ACCOUNTS = 32

_NOBODY = np.uint32(0)
_EVERYBODY = np.uint32(0xFFFFFFFF)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def cases(turns: Ints, n: int) -> Floats:
    """For each account: cases in which another one had exactly one turn in its gap, and all cases; shape (n, 2).

    Turns of one account in a row are one. The other account counts where it was seen before the gap and is seen
    again at or after its end.

    Args:
        turns: accounts in the order of their turns, 0..n-1.
        n: accounts, `MOST_ACCOUNTS` at most.
    """
    last = np.full(n, -1, np.int64)
    for place in range(len(turns)):
        last[turns[place]] = place
    result = np.zeros((n, 2))
    add_cases(turns, last, result)
    return result


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def add_cases(turns: Ints, last: Ints, result: Floats) -> None:
    """Add the `cases` of each account to `result`, shape (n, 2); `last` is the last place of each account, (n,)."""
    # Of each account: who had a turn since its own last one, who had two or more, who was seen before that.
    once = np.zeros(MOST_ACCOUNTS, np.uint32)
    twice = np.zeros(MOST_ACCOUNTS, np.uint32)
    before = np.zeros(MOST_ACCOUNTS, np.uint32)
    seen, alive = _NOBODY, _EVERYBODY
    previous = -1
    for place in range(len(turns)):
        mine = turns[place]
        bit = np.uint32(np.uint32(1) << np.uint32(mine))
        if mine != previous:
            previous = mine
            others = before[mine] & alive & ~bit
            result[mine, 0] += _size(others & once[mine] & ~twice[mine])
            result[mine, 1] += _size(others)
            seen |= bit
            for other in range(MOST_ACCOUNTS):
                # Nobody had a turn yet since this one; for everybody else it is one more of mine.
                kept = _NOBODY if other == mine else _EVERYBODY
                had = once[other]
                twice[other] = (twice[other] | (had & bit)) & kept
                once[other] = (had | bit) & kept
            before[mine] = seen
        if last[mine] == place:
            alive &= ~bit


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _size(bits):  # type: ignore[no-untyped-def]
    """How many bits are set, in the form that compilers know as one instruction."""
    bits = bits - ((bits >> np.uint32(1)) & np.uint32(0x55555555))
    bits = (bits & np.uint32(0x33333333)) + ((bits >> np.uint32(2)) & np.uint32(0x33333333))
    bits = (bits + (bits >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return np.int64(np.uint32(bits * np.uint32(0x01010101)) >> np.uint32(24))
