"""Balancers against slow versions of themselves, and against what tells one from another."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.lab.conducts._dispatch import NOBODY, POLICIES, Lives, deal

_MASK = 2**64 - 1


class Chance:
    """splitmix64, as behaviour/chance.py has it."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def uniform(self) -> float:
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (((z ^ (z >> 31)) >> 11) + 0.5) / 2**53

    def below(self, limit: int) -> int:
        return min(int(self.uniform() * limit), limit - 1)


def least_recently_used(rng, since, until, ts):
    draws = rng.random((len(ts), 2))
    unborn = sorted(range(len(since)), key=lambda a: since[a])
    queue: list[int] = []
    for now, (hurry, step) in zip(ts, draws, strict=True):
        while unborn and since[unborn[0]] <= now:
            queue.insert(0, unborn.pop(0))
        skip = 1 + int(step * 4) if hurry < 0.2 else 0
        chosen = NOBODY
        while queue and chosen == NOBODY:
            account = queue.pop(min(skip, len(queue) - 1))
            if until[account] > now:
                queue.append(account)
                chosen = account
        yield chosen


def hashed(since, until, ts, items):
    for now, item in zip(ts, items, strict=True):
        z = ((item + 1) * 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 32)) * 0xD6E8FEB86659FD93) & _MASK
        first = (z ^ (z >> 32)) % len(since)
        ring = [(first + step) % len(since) for step in range(len(since))]
        yield next((a for a in ring if since[a] <= now < until[a]), NOBODY)


def drawn(rng, policy, since, until, ts):
    """random, power_of_two and sticky."""
    weight = rng.gamma(12.0, 1.0, len(since))
    weight = weight / weight.max()
    chance = Chance(int(rng.integers(0, 2**64, 1, dtype=np.uint64)[0]))
    unborn = sorted(range(len(since)), key=lambda a: since[a])
    alive: list[int] = []
    used: Counter[int] = Counter()
    workers = [NOBODY] * max(1, len(since) // 10)
    for now in ts:
        while unborn and since[unborn[0]] <= now:
            alive.append(unborn.pop(0))
        worker = chance.below(len(workers))
        held = workers[worker]
        if policy == "sticky" and held != NOBODY and until[held] > now and chance.uniform() > 1 / 20:
            yield held
            continue
        candidates: list[int] = []
        while alive:
            at = chance.below(len(alive))
            account = alive[at]
            if until[account] <= now:
                alive[at] = alive[-1]
                alive.pop()
            elif policy == "random" and chance.uniform() > weight[account]:
                pass
            else:
                candidates.append(account)
                if len(candidates) == (2 if policy == "power_of_two" else 1):
                    break
        if not candidates or (policy == "power_of_two" and len(candidates) < 2):
            yield NOBODY
            continue
        chosen = candidates[-1]
        if policy == "power_of_two" and used[candidates[0]] < used[chosen]:
            chosen = candidates[0]
        used[chosen] += 1
        workers[worker] = chosen
        yield chosen


def slowly(rng, policy, since, until, ts, items):
    if policy == "least_recently_used":
        return list(least_recently_used(rng, since, until, ts))
    if policy == "hashed":
        return list(hashed(since, until, ts, items))
    return list(drawn(rng, policy, since, until, ts))


@st.composite
def pools(draw):
    """Lives of 1 to 25 accounts in 0..1000, and up to 80 requests; at times nobody lives."""
    count = draw(st.integers(1, 25))
    since = draw(st.lists(st.integers(0, 900), min_size=count, max_size=count))
    length = draw(st.lists(st.integers(0, 1000), min_size=count, max_size=count))
    ts = sorted(draw(st.lists(st.integers(0, 1000), max_size=80)))
    items = draw(st.lists(st.integers(0, 40), min_size=len(ts), max_size=len(ts)))
    until = [s + n for s, n in zip(since, length, strict=True)]
    return since, until, ts, items


def ints(values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=60, deadline=None)
@given(pool=pools(), seed=st.integers(0, 2**32))
def test_the_kernel_deals_as_the_slow_version_does_and_only_to_the_living(policy, pool, seed):
    since, until, ts, items = pool
    lives = Lives(ints(since), ints(until))
    dealt = deal(np.random.default_rng(seed), policy, lives, ints(ts), ints(items)).tolist()
    assert dealt == slowly(np.random.default_rng(seed), policy, since, until, ts, items)
    for now, account in zip(ts, dealt, strict=True):
        living = [a for a in range(len(since)) if since[a] <= now < until[a]]
        assert account in living if living else account == NOBODY


def over(policy, accounts=60, requests=6000, seed=3):
    """Requests of a pool in which everybody lives all the time."""
    rng = np.random.default_rng(seed)
    lives = Lives(np.zeros(accounts, np.int64), np.full(accounts, 10**9))
    return deal(rng, policy, lives, np.arange(requests), rng.integers(0, 3000, requests))


def waits(dealt):
    last: dict[int, int] = {}
    found = []
    for place, account in enumerate(dealt.tolist()):
        if account in last:
            found.append(place - last[account])
        last[account] = place
    return np.array(found)


def test_only_the_longest_wait_makes_waits_alike():
    variation = {policy: np.std(waits(over(policy))) / np.mean(waits(over(policy))) for policy in POLICIES}
    assert variation["least_recently_used"] < 0.3
    assert 0.85 < variation["random"] < 1.25
    assert variation["sticky"] > 2


def test_two_choices_balance_better_than_one():
    counts = {policy: np.bincount(over(policy), minlength=60) for policy in ("random", "power_of_two")}
    assert counts["power_of_two"].std() < 0.4 * counts["random"].std()
    assert counts["random"].std() > 1.5 * np.sqrt(100)  # some accounts are preferred: more than chance alone


def test_a_hashed_item_always_finds_the_same_account_and_goes_on_to_the_next_after_a_ban():
    items = np.arange(200) % 20
    lives = Lives(np.zeros(9, np.int64), np.full(9, 1000))
    before = deal(np.random.default_rng(0), "hashed", lives, np.arange(200), items)
    assert all(len(set(before[items == item].tolist())) == 1 for item in range(20))
    banned = int(before[0])
    until = np.full(9, 1000)
    until[banned] = 0
    after = deal(np.random.default_rng(0), "hashed", Lives(lives.since, until), np.arange(200), items)
    assert (after[before != banned] == before[before != banned]).all()
    assert set(after[before == banned].tolist()) == {(banned + 1) % 9}


def test_a_sticky_worker_keeps_an_account_for_about_twenty_requests():
    dealt = over("sticky", accounts=10)  # one worker
    runs = np.diff(np.flatnonzero(np.diff(dealt, prepend=-1, append=-1) != 0))
    assert 14 < runs.mean() < 32


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="no policy 'fair'; there are least_recently_used"):
        over("fair")
