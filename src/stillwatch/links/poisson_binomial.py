"""Upper tails of sums of independent, unequal coin tosses (the Poisson-binomial law), in log space.

Exact by exponential tilting (Esscher 1932) and direct convolution: after tilting the wanted count is the
mean, and every term of the sum is positive, so neither underflow nor cancellation harms even a tail of
1e-10000. Where the convolution would cost too much, a rigorous upper bound is returned: Chernoff's, sharpened
by the largest possible point mass 0.4688 / sigma of such a sum (Baillon, Cominetti & Vaisman, Comb. Probab.
Comput. 25, 352, 2016).
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BUDGET = 10_000_000
"""Most additions spent on one exact tail (about 0.01 s): groups of hundreds of accounts are exact, for thousands that
share one value with hundreds of others the bound, which is a little larger, is what a test can afford."""

_POINT_MASS = 0.4689


def log_tail(p: Floats, k: int, n: Ints | None = None, budget: int = BUDGET) -> float:
    """Natural logarithm of P(X >= k) for X = sum of independent Bernoulli(p_i), never too small.

    Args:
        p: probabilities of the kinds of tosses (m,), each in [0, 1].
        k: count.
        n: how many tosses of each kind (m,); one of each if None.
        budget: most additions; above it the upper bound is returned in place of the exact value.

    Returns:
        log P, at most 0; -inf where k is impossible. Relative error of P below 1e-9 where exact.

    Raises:
        ValueError: a probability outside [0, 1].
    """
    n = np.ones(len(p), np.int64) if n is None else n
    return float(log_tails(np.asarray(p, np.float64)[None], np.array([k], np.int64), n, budget)[0])


def log_tails(p: Floats, k: Ints, n: Ints, budget: int = BUDGET) -> Floats:
    """`log_tail` of several laws over the same tosses, shape (n_laws,).

    Args:
        p: probabilities of the kinds of tosses under each law (n_laws, m), each in [0, 1].
        k: count of each law (n_laws,).
        n: how many tosses of each kind (m,), in all laws.
        budget: most additions for each law.

    Raises:
        ValueError: a probability outside [0, 1].
    """
    p = np.ascontiguousarray(p, np.float64)
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError("probabilities must lie in [0, 1]")
    return np.asarray(_log_tails(p, k, n, budget))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _log_tails(p: Floats, k: Ints, n: Ints, budget: int) -> Floats:
    found = np.empty(len(k))
    for law in range(len(k)):
        certain = n[p[law] == 1].sum()
        uncertain = (p[law] > 0) & (p[law] < 1) & (n > 0)
        found[law] = min(0.0, _log_tail(p[law][uncertain], n[uncertain], k[law] - certain, budget))
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _log_tail(p: Floats, n: Ints, k: int, budget: int) -> float:
    """As `log_tail`, of tosses none of which is certain."""
    tosses = n.sum()
    if k <= 0:
        return 0.0
    if k > tosses:
        return -np.inf
    if k == tosses:
        return float((n * np.log(p)).sum())
    if k <= (n * p).sum():
        return float(np.log(_tails_of_kinds(p, n, k)[k])) if tosses * k <= budget else 0.0
    theta = _tilt(np.log(p) - np.log1p(-p), n, float(k))
    return float(_tilted_tail(p, n, (k, theta), budget))


def log_tails_of_laws(p: Floats, n: Ints, k: Ints) -> Floats:
    """log P(X >= j) of several laws for j = 0..k (n_laws, largest k + 1), by convolution without tilting; -inf below
    about 1e-300, and beyond a law's own k.

    Args:
        p: probabilities of the kinds of tosses under each law (n_laws, m).
        n: how many tosses of each kind (m,), in all laws; many of a kind are doubled up, not taken singly.
        k: largest count asked for of each law (n_laws,).
    """
    with np.errstate(divide="ignore"):
        return np.minimum(np.log(_tails_of_laws(np.ascontiguousarray(p), n, k)), 0.0)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _tails_of_laws(p: Floats, n: Ints, k: Ints) -> Floats:
    largest = 0
    for law in range(len(k)):
        largest = max(largest, k[law])
    tails = np.zeros((len(k), largest + 1))
    for law in range(len(k)):
        tails[law, : k[law] + 1] = _tails_of_kinds(p[law], n, k[law])
    return tails


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _toss(mass: Floats, q: float) -> None:
    """One toss more, in place; the last cell is that count or more."""
    k = mass.size - 1
    mass[k] += mass[k - 1] * q if k > 0 else 0.0
    for j in range(k - 1, 0, -1):
        mass[j] = mass[j] * (1 - q) + mass[j - 1] * q
    if k > 0:
        mass[0] *= 1 - q


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _joined(left: Floats, right: Floats) -> Floats:
    """Law of the sum of two independent counts whose last cells are that count or more; every term is positive."""
    k = left.size - 1
    out = np.zeros(k + 1)
    below = right.copy()  # P(right >= j)
    for j in range(k - 1, -1, -1):
        below[j] += below[j + 1]
    out[k] = left[k]
    for i in range(k):
        for j in range(k - i):
            out[i + j] += left[i] * right[j]
        out[k] += left[i] * below[k - i]
    return out


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _tails_of_kinds(p: Floats, n: Ints, k: int) -> Floats:
    mass = _law_of_kinds(p, n, k)
    for j in range(k - 1, -1, -1):
        mass[j] += mass[j + 1]
    return mass


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _law_of_kinds(p: Floats, n: Ints, k: int) -> Floats:
    """P(X = j) for j = 0..k - 1, and P(X >= k)."""
    mass = np.zeros(k + 1)
    mass[0] = 1.0
    for kind in range(p.size):
        left = n[kind]
        if left <= 2 * np.log2(left + 1) * (k + 1):
            for _ in range(left):
                _toss(mass, p[kind])
            continue
        power = np.zeros(k + 1)
        power[0] = 1.0
        _toss(power, p[kind])
        while left > 0:
            if left & 1:
                mass = _joined(mass, power)
            left >>= 1
            if left > 0:
                power = _joined(power, power)
    return mass


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _tilt(logit: Floats, n: Ints, k: float) -> float:
    """Solve sum n expit(logit + theta) = k for theta > 0: Newton's method, kept inside a shrinking bracket."""
    low, high = 0.0, 1.0 - logit.min() + np.log(n.sum())
    theta = 0.0
    for _ in range(200):
        mean = 0.0
        variance = 0.0
        for kind in range(logit.size):
            q = 1 / (1 + np.exp(-(logit[kind] + theta)))
            mean += n[kind] * q
            variance += n[kind] * q * (1 - q)
        if abs(mean - k) <= 1e-10 * k:
            break
        if mean < k:
            low = theta
        else:
            high = theta
        theta += (k - mean) / variance if variance > 0 else 0.0
        if theta <= low or theta >= high:
            theta = (low + high) / 2
    return theta


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _tilted_tail(p: Floats, n: Ints, at: tuple[int, float], budget: int) -> Any:
    k, theta = at
    cumulant = 0.0
    variance = 0.0
    tilted = np.empty(p.size)
    for i in range(p.size):
        stay, go = np.log1p(-p[i]), np.log(p[i]) + theta
        top = max(stay, go)
        norm = top + np.log(np.exp(stay - top) + np.exp(go - top))
        cumulant += n[i] * norm
        tilted[i] = np.exp(go - norm)
        variance += n[i] * tilted[i] * (1 - tilted[i])
    sigma = np.sqrt(variance)
    chernoff = cumulant - theta * k
    # Beyond `width` counts above k the weight exp(-theta (j - k)) or the law itself is negligible.
    tosses = n.sum()
    width = min(float(tosses - k), 45 / max(theta, 1e-9), 10 * sigma + 40)
    top_count = k + int(width) + 1
    if float(tosses) * top_count > budget:
        sharper = np.log(_POINT_MASS / (sigma * -np.expm1(-theta))) if sigma > 0 else 0.0
        return chernoff + min(0.0, sharper)
    # The last one: all counts from there on, weighted as the first of them.
    mass = _law_of_kinds(tilted, n, top_count)
    total = 0.0
    for j in range(top_count, k - 1, -1):
        total += mass[j] * np.exp(-theta * (j - k))
    return chernoff + np.log(total)
