"""The kernel behind validated pairs: entity by entity, through the holders of its values."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
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


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
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


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _pair(counts: Ints, i: int, j: int, null: Null, by_kind: Floats, loosest: float) -> float:
    """ln p of a pair from its counts (n_kinds, n_tiers), or 0 where it is above `loosest`; fills `by_kind`."""
    n_kinds, n_tiers = counts.shape
    best = np.zeros(null.log_block.size)
    chance = np.zeros(null.log_block.size)
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
        chance[block] = math.log(min(1.0, max(chance[block], 1e-300)))
        if best[block] < 0:
            seen += chance[block]
    # The term of the sets that are below 1 is a bound from below; nearly all pairs end here.
    if min(product, seen) > loosest:
        return 0.0
    return product_p_value(product, chance)


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def enumerate_pairs(shares: Shares, null: Null, loosest: float) -> tuple[Ints, Ints, Floats, Floats]:
    """All pairs whose ln p is at most `loosest`.

    Returns:
        first, second (n_pairs,) with first < second; ln p (n_pairs,); ln p by kind (n_pairs, n_kinds).
    """
    n = shares.starts.size - 1
    n_kinds, n_tiers = null.log_sum.shape[0], null.log_sum.shape[1]
    counts = np.zeros((n, n_kinds, n_tiers), np.int32)
    met = np.zeros(n, np.bool_)
    touched = np.empty(n, np.int64)
    by_kind = np.zeros(n_kinds)
    capacity, size = 1024, 0
    first, second = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    log_p, log_p_kind = np.empty(capacity), np.empty((capacity, n_kinds))
    for i in range(n):
        n_touched = 0
        for at in range(shares.starts[i], shares.starts[i + 1]):
            value = shares.values[at]
            kind, tier = shares.kind[value], shares.tier[value]
            for where in range(shares.holder_starts[value + 1] - 1, shares.holder_starts[value] - 1, -1):
                j = shares.holders[where]
                if j <= i:
                    break
                if not met[j]:
                    met[j] = True
                    touched[n_touched] = j
                    n_touched += 1
                counts[j, kind, tier] += 1
        for at in range(n_touched):
            j = touched[at]
            joint = _pair(counts[j], i, j, null, by_kind, loosest)
            met[j] = False
            counts[j] = 0
            if joint > loosest:
                continue
            if size == capacity:
                first, second = np.concatenate((first, first)), np.concatenate((second, second))
                log_p, log_p_kind = np.concatenate((log_p, log_p)), np.concatenate((log_p_kind, log_p_kind))
                capacity *= 2
            first[size], second[size], log_p[size] = i, j, joint
            log_p_kind[size] = by_kind
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
