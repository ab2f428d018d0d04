"""Planned requests in the form in which they are kept on disk: one record a request, numbers only."""

import numpy as np
from numpy.typing import NDArray

from stillwatch.lab.behaviour.clocks import MINUTE, SECOND, Ints
from stillwatch.lab.traffic import NONE, Rows

EVENT = np.dtype(
    [
        ("id", "<u8"),  # random; everything that happens to the request later is drawn from it
        ("ts", "<i8"),
        ("writer", "<u8"),
        ("item", "<u8"),
        ("draw", "<u8"),
        ("session", "<u8"),  # 0: none
        ("end_user", "<u8"),  # 0: none
        ("account", "<i4"),
        ("program", "<i4"),
        ("system", "<i4"),
        ("turn", "<i2"),
        ("actor", "<i2"),
        ("model", "u1"),
        ("answer", "u1"),
        ("n_tools", "u1"),
        ("failed", "?"),
    ]
)
Events = NDArray[np.void]
_FAILING = 0.012


def with_retries(rng: np.random.Generator, rows: Rows, *, anywhere: bool) -> tuple[Rows, NDArray[np.bool_]]:
    """Some requests fail; most of these are sent again after seconds to a minute, whether or not that is possible.

    Args:
        rng: source of chance.
        rows: requests.
        anywhere: whether a balancer sends the second attempt to whichever account is served next.

    Returns:
        the requests with the second attempts, and whether each failed.
    """
    failed = rng.random(len(rows)) < _FAILING
    again = np.flatnonzero(failed & (rng.random(len(rows)) < 0.8))
    delay = (rng.lognormal(np.log(8), 1.0, len(again)) * SECOND).astype(np.int64)
    retry = rows.take(again)
    account = retry.account
    if anywhere and len(rows):
        order = np.argsort(rows.ts, kind="stable")
        following = np.searchsorted(rows.ts[order], retry.ts + delay)
        account = rows.account[order[np.minimum(following, len(rows) - 1)]]
    retry = retry.moved(retry.ts + delay, account)
    return Rows.concatenate([rows, retry]), np.concatenate([failed, np.zeros(len(retry), bool)])


def possible(rows: Rows, lives: tuple[Ints, Ints], window: tuple[int, int]) -> Ints:
    """Places of the requests between an account's birth and its ban, inside the world.

    Args:
        rows: requests.
        lives: births and bans, int64 microseconds, an entry an account.
        window: start and end of the world, the end excluded.
    """
    created_at, banned_at = lives
    since = np.maximum(created_at + 2 * MINUTE, window[0])[rows.account]
    until = np.minimum(banned_at, window[1])[rows.account]
    return np.flatnonzero((rows.ts >= since) & (rows.ts < until))


def as_events(
    rng: np.random.Generator, rows: Rows, failed: NDArray[np.bool_], first_account: int, actor: int
) -> Events:
    """The requests as records in the order of time, with random ids; numbers of conversations become random too."""
    events = np.zeros(len(rows), EVENT)
    events["id"] = rng.integers(1, 2**64, len(rows), dtype=np.uint64)
    for name in ("ts", "system", "turn", "model", "answer", "n_tools"):
        events[name] = getattr(rows, name)
    for name in ("program", "writer", "item", "draw"):
        events[name] = getattr(rows.prompt, name)
    events["account"] = rows.account + first_account
    events["session"] = _named(rng, rows.session)
    events["end_user"] = _named(rng, rows.end_user)
    events["actor"] = actor
    events["failed"] = failed
    return events[np.lexsort((events["id"], events["ts"]))]


def _named(rng: np.random.Generator, numbers: Ints) -> NDArray[np.uint64]:
    """Random names for running numbers; 0 for NONE."""
    names = rng.integers(1, 2**64, int(numbers.max(initial=0)) + 1, dtype=np.uint64)
    return np.where(numbers == NONE, np.uint64(0), names[numbers])
