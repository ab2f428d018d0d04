"""The kernel behind validated pairs: entity by entity, through the holders of its values."""

import math
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillwatch.ordered import in_order

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_PARTS = 4
"""Parts of the work for each thread: none knows how long its own will take."""


class Shares(NamedTuple):
    """Who has what, in both directions, over the values of all kinds that can make pairs.

    Attributes:
        starts, values: CSR of entity -> values.
        holder_starts, holders: CSR of value -> entities, ascending.
        kind: kind of each value.
        tier: first tier of rarity that counts it.
    """

    starts: Ints
    values: Ints
    holder_starts: Ints
    holders: Ints
    kind: Ints
    tier: Ints


class Null(NamedTuple):
    """What is expected of a pair.

    Attributes:
        log_x: log-parameter by kind and entity (n_kinds, n_entities).
        log_sum: ln sum of y_v^s y_v^t over the values of a tier (n_kinds, n_tiers, n_strata, n_strata).
        log_tests: ln of the number of tiers that hold values (n_kinds,).
        stratum: stratum of each entity (n_entities,).
        block: dependent set of each kind, -1 for a kind that is left out (n_kinds,).
        log_block: ln of the number of kinds in each set (n_blocks,).
    """

    log_x: Floats
    log_sum: Floats
    log_tests: Floats
    stratum: Ints
    block: Ints
    log_block: Floats


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def poisson_bound(count: int, log_mean: float) -> float:
    """ln of an upper bound on P(X >= count) for any Poisson-binomial X with at most this mean.

    The union bound for one; for more the Poisson tail, which is above the Poisson-binomial's from mean + 1 on
    (Hoeffding, Ann. Math. Stat. 27, 713, 1956; Anderson & Samuels 1967); 0 below that.
    """
    if count <= 0 or (count > 1 and math.exp(min(log_mean, 700.0)) + 1 > count):
        return 0.0
    if count == 1:
        return min(0.0, log_mean)
    mean = math.exp(log_mean)
    term, total = 1.0, 1.0
    j = count
    while term > 1e-17 * total:
        j += 1
        term *= mean / j
        total += term
    return min(0.0, count * log_mean - mean - math.lgamma(count + 1.0) + math.log(total))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def product_p_value(log_product: float, log_chance: Floats) -> float:
    """ln of an upper bound on P(product of independent p-values <= exp(log_product)).

    Fisher's product (1932), sharpened for p-values that are mostly 1: the b-th is below 1 with a probability
    of at most exp(log_chance[b]) and super-uniform, so it is no smaller than a variable that is uniform on
    (0, chance) with that probability and 1 otherwise. Summed over which of them are below 1. With all chances
    1 the last term alone is Fisher's.
    """
    if log_product >= 0:
        return 0.0
    total = 0.0
    for subset in range(1, 1 << log_chance.size):
        chance, n = 0.0, 0
        for b in range(log_chance.size):
            if subset >> b & 1:
                chance += log_chance[b]
                n += 1
        below = min(0.0, log_product - chance)
        term, tail = 1.0, 1.0
        for i in range(1, n):
            term *= -below / i
            tail += term
        # Relative to exp(log_product), which may itself underflow.
        total += tail * math.exp(min(0.0, chance - log_product))
    return min(0.0, log_product + math.log(total))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _pair(
    counts: Ints, i: int, j: int, null: Null, made: tuple[Floats, Floats, Floats], loosest: float
) -> float:
    """ln p of a pair from its counts (n_kinds, n_tiers), or 0 where it is above `loosest`.

    Fills `made`: ln p by kind; then, for its own use, the least ln p of each set and the chance of one below 1.
    """
    by_kind, best, chance = made
    best[:] = 0.0
    chance[:] = 0.0
    n_kinds, n_tiers = counts.shape
    s, t = null.stratum[i], null.stratum[j]
    for kind in range(n_kinds):
        by_kind[kind] = 0.0
        block = null.block[kind]
        if block < 0:
            continue
        both = null.log_x[kind, i] + null.log_x[kind, j]
        count = 0
        for tier in range(n_tiers):
            count += counts[kind, tier]
            if count > 0:
                log_p = poisson_bound(count, both + null.log_sum[kind, tier, s, t])
                by_kind[kind] = min(by_kind[kind], log_p + null.log_tests[kind])
        chance[block] += math.exp(min(0.0, both + null.log_sum[kind, n_tiers - 1, s, t]))
        best[block] = min(best[block], by_kind[kind] + null.log_block[block])
    product, seen = best.sum(), 0.0
    for block in range(chance.size):
        if best[block] < 0:
            seen += math.log(min(1.0, max(chance[block], 1e-300)))
    # The term of the sets that are below 1 is a bound from below; nearly all pairs end here.
    if min(product, seen) > loosest:
        return 0.0
    for block in range(chance.size):
        chance[block] = math.log(min(1.0, max(chance[block], 1e-300)))
    return product_p_value(product, chance)


_Found = tuple[Ints, Ints, Floats, Floats]


def enumerate_pairs(shares: Shares, null: Null, loosest: float, threads: int = 1) -> _Found:
    """All pairs whose ln p is at most `loosest`.

    Args:
        shares: who has what.
        null: what is expected of a pair.
        loosest: see above.
        threads: how many look for pairs; no result depends on it.

    Returns:
        first, second (n_pairs,) with first < second; ln p (n_pairs,); ln p by kind (n_pairs, n_kinds).
    """
    met = _met(shares)
    # The first entities meet most others: parts of even work, several a thread.
    work = np.cumsum(met)
    cuts = np.searchsorted(work, np.linspace(0, work[-1] if len(work) else 0, _PARTS * threads + 1)[1:-1])
    bounds = [0, *cuts.tolist(), len(met)]

    def found(begin: int, end: int) -> Iterator[_Found]:
        yield _pairs_from(shares, null, loosest, (begin, end), int(met[begin:end].max(initial=0)))

    parts = [partial(found, begin, end) for begin, end in pairwise(bounds)]
    with closing(in_order(parts, threads, lambda part: 0, 0)) as made:
        first, second, log_p, log_p_kind = (np.concatenate(column) for column in zip(*made, strict=True))
    return first, second, log_p, log_p_kind


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _met(shares: Shares) -> Ints:
    """How often each entity meets a later one in its values (n_entities,)."""
    met = np.zeros(shares.starts.size - 1, np.int64)
    for value in range(shares.holder_starts.size - 1):
        begin, end = shares.holder_starts[value], shares.holder_starts[value + 1]
        for at in range(begin, end):
            met[shares.holders[at]] += end - 1 - at
    return met


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _pairs_from(shares: Shares, null: Null, loosest: float, bounds: tuple[int, int], most: int) -> _Found:
    """`enumerate_pairs` of those whose first entity lies within bounds; none of these meets more than `most`."""
    n = shares.starts.size - 1
    n_kinds, n_tiers = null.log_sum.shape[0], null.log_sum.shape[1]
    # By place among those met: what is counted stays in the nearest cache.
    counts, touched = np.zeros((most, n_kinds, n_tiers), np.int64), np.empty(most, np.int64)
    place = np.full(n, -1, np.int32)
    made = np.zeros(n_kinds), np.zeros(null.log_block.size), np.zeros(null.log_block.size)
    capacity, size = 1024, 0
    first, second = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    log_p, log_p_kind = np.empty(capacity), np.empty((capacity, n_kinds))
    for i in range(bounds[0], bounds[1]):
        n_touched = 0
        for at in range(shares.starts[i], shares.starts[i + 1]):
            value = shares.values[at]
            kind, tier = shares.kind[value], shares.tier[value]
            for where in range(shares.holder_starts[value + 1] - 1, shares.holder_starts[value] - 1, -1):
                j = shares.holders[where]
                if j <= i:
                    break
                if place[j] < 0:
                    place[j] = n_touched
                    touched[n_touched] = j
                    n_touched += 1
                counts[place[j], kind, tier] += 1
        for at in range(n_touched):
            j = touched[at]
            joint = _pair(counts[at], i, j, null, made, loosest)
            place[j] = -1
            counts[at] = 0
            if joint > loosest:
                continue
            if size == capacity:
                first, second = np.concatenate((first, first)), np.concatenate((second, second))
                log_p, log_p_kind = np.concatenate((log_p, log_p)), np.concatenate((log_p_kind, log_p_kind))
                capacity *= 2
            first[size], second[size], log_p[size] = i, j, joint
            log_p_kind[size] = made[0]
            size += 1
    return first[:size].copy(), second[:size].copy(), log_p[:size].copy(), log_p_kind[:size].copy()


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def shared_values(starts: Ints, values: Ints, kept: NDArray[np.bool_], pairs: Ints) -> tuple[Ints, Ints]:
    """Values that each of some pairs shares.

    Args:
        starts, values: CSR of entity -> values, ascending within an entity.
        kept: which values count (n_values,).
        pairs: entities (n_pairs, 2).

    Returns:
        Where the values of each pair begin (n_pairs + 1,), and the values.
    """
    begins = np.zeros(len(pairs) + 1, np.int64)
    found = np.empty(1024, np.int64)
    size = 0
    for number in range(len(pairs)):
        a, b = starts[pairs[number, 0]], starts[pairs[number, 1]]
        end_a, end_b = starts[pairs[number, 0] + 1], starts[pairs[number, 1] + 1]
        while a < end_a and b < end_b:
            if values[a] < values[b]:
                a += 1
            elif values[a] > values[b]:
                b += 1
            else:
                if kept[values[a]]:
                    if size == found.size:
                        found = np.concatenate((found, found))
                    found[size] = values[a]
                    size += 1
                a += 1
                b += 1
        begins[number + 1] = size
    return begins, found[:size].copy()
