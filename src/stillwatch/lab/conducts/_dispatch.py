"""How a balancer picks the account of each request: five policies, over accounts that come and go."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from stillwatch.lab.behaviour.chance import below, uniform
from stillwatch.lab.behaviour.clocks import Floats, Ints

POLICIES = ("least_recently_used", "random", "hashed", "power_of_two", "sticky")
RANDOM, POWER_OF_TWO, STICKY = 1, 3, 4
NOBODY = -1
_STICKY_RUN = 20.0  # mean requests that a worker sends through one account before it takes another


@dataclass(frozen=True)
class Lives:
    """When each account of a campaign may be used, int64 microseconds; `until` is the ban or the campaign's end."""

    since: Ints
    until: Ints


def deal(rng: np.random.Generator, policy: str, lives: Lives, ts: Ints, items: Ints) -> Ints:
    """The account of each request; NOBODY where none is alive.

    least_recently_used: whoever waited longest, in one of five cases one of the next four, as requests
    overtake each other. random: any, some preferred (weights of a Gamma with shape 12). hashed: by the
    item's hash, the next living account on the ring. power_of_two: the less used of two random ones
    (Mitzenmacher 2001). sticky: one worker for ten accounts, each keeps an account for about twenty
    requests.

    Args:
        rng: source of chance.
        policy: one of POLICIES.
        lives: of the accounts.
        ts: int64, in the order of time.
        items: int64, what each request asks for.

    Raises ValueError for an unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"no policy {policy!r}; there are {', '.join(POLICIES)}")
    coming = np.argsort(lives.since, kind="stable")
    if policy == "least_recently_used":
        draws = rng.random((len(ts), 2))
        return _oldest(ts, lives.since, lives.until, coming, draws)
    if policy == "hashed":
        return _hashed(ts, lives.since, lives.until, items.astype(np.uint64))
    weight = rng.gamma(12.0, 1.0, len(lives.since))
    spans = np.stack([lives.since, lives.until])
    seed = rng.integers(0, 2**64, 1, dtype=np.uint64)
    return _drawn(ts, spans, coming, seed, weight / weight.max(), POLICIES.index(policy))


@njit(cache=True, nogil=True)
def _oldest(ts: Ints, since: Ints, until: Ints, coming: Ints, draws: Floats) -> Ints:  # pragma: no cover
    accounts = len(since)
    chosen = np.full(len(ts), NOBODY)
    queue = np.empty(accounts + len(ts) + 1, np.int64)
    head, tail, born = accounts, accounts, 0
    for place in range(len(ts)):
        while born < accounts and since[coming[born]] <= ts[place]:
            head -= 1  # a new account is used at once
            queue[head] = coming[born]
            born += 1
        skip = 1 + int(draws[place, 1] * 4) if draws[place, 0] < 0.2 else 0
        while head < tail:
            at = head + min(skip, tail - head - 1)
            account = queue[at]
            for earlier in range(at, head, -1):
                queue[earlier] = queue[earlier - 1]
            head += 1
            if until[account] > ts[place]:
                queue[tail] = account
                tail += 1
                chosen[place] = account
                break
    return chosen


@njit(cache=True, nogil=True)
def _hashed(ts: Ints, since: Ints, until: Ints, items: np.ndarray) -> Ints:  # pragma: no cover
    accounts = len(since)
    chosen = np.full(len(ts), NOBODY)
    for place in range(len(ts)):
        z = (items[place] + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        first = np.int64((z ^ (z >> np.uint64(32))) % np.uint64(accounts))
        for step in range(accounts):
            account = (first + step) % accounts
            if since[account] <= ts[place] < until[account]:
                chosen[place] = account
                break
    return chosen


@njit(cache=True, nogil=True)
def _drawn(
    ts: Ints, spans: Ints, coming: Ints, seed: np.ndarray, weight: Floats, policy: int
) -> Ints:  # pragma: no cover
    since, until = spans[0], spans[1]
    accounts = len(since)
    chosen = np.full(len(ts), NOBODY)
    alive = np.empty(accounts, np.int64)
    used = np.zeros(accounts, np.int64)
    workers = np.full(max(1, accounts // 10), NOBODY)
    many, born = 0, 0
    for place in range(len(ts)):
        now = ts[place]
        while born < accounts and since[coming[born]] <= now:
            alive[many] = coming[born]
            many += 1
            born += 1
        worker = below(seed, len(workers))
        held = workers[worker]
        if policy == STICKY and held != NOBODY and until[held] > now and uniform(seed) > 1 / _STICKY_RUN:
            chosen[place] = held
            continue
        first = NOBODY
        while many > 0:
            at = below(seed, many)
            account = alive[at]
            if until[account] <= now:
                many -= 1
                alive[at] = alive[many]
                continue
            if policy == RANDOM and uniform(seed) > weight[account]:
                continue
            if policy == POWER_OF_TWO and first == NOBODY:
                first = account
                continue
            if policy == POWER_OF_TWO and used[first] < used[account]:
                account = first
            chosen[place] = account
            used[account] += 1
            workers[worker] = account
            break
    return chosen
