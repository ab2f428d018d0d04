"""Share of an account that belongs to a campaign: the law of the sum of its exchanges' probabilities.

Given that the account is a member it is either *dedicated* (all of it is the campaign's) or *shared* with others, and
then each exchange is the campaign's with a probability of its own, independently (Poisson-binomial law). The interval
is exact for that mixture, by convolution; above `MOST` uncertain exchanges by the normal law.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MOST = 2_000
SURE = 1e-6
"""Exchanges less likely than this, or likelier than one minus this, are counted as certain."""
TAIL = 0.025


@dataclass(frozen=True)
class Share:
    """Part of an account's exchanges that belong to a campaign.

    Attributes:
        mean: expected part, within the interval.
        low, high: exact 95 % interval.
    """

    mean: float
    low: float
    high: float


def account_share(
    probability: FloatArray, n: FloatArray, dedicated: float, dedicated_most: float | None = None
) -> Share:
    """Share of one account.

    Args:
        probability: shape (n_cells,); that an exchange of the cell is the campaign's if the account is shared.
        n: shape (n_cells,); exchanges of each cell, at least one.
        dedicated: probability that the account works for the campaign alone.
        dedicated_most: the most that it may be, for the upper end; None for `dedicated`.
    """
    total = float(n.sum())
    certain = probability > 1 - SURE
    uncertain = ~certain & (probability > SURE)
    least = int(n[certain].sum())
    law = count_law(np.repeat(probability[uncertain], n[uncertain].astype(np.int64)))
    below = np.cumsum(law)
    most = dedicated if dedicated_most is None else max(dedicated, dedicated_most)
    low = _quantile(below * (1 - dedicated), TAIL, least, total) / total
    high = _quantile(below * (1 - most), 1 - TAIL, least, total) / total
    mean = dedicated + (1 - dedicated) * float((probability * n).sum()) / total
    # A mixture's mean may lie outside its central interval; what is almost certain is told as certain.
    return Share(min(max(mean, low), high), low, high)


def _quantile(below: FloatArray, level: float, least: int, total: float) -> float:
    """Smallest count with at least `level` of the mass at or below it; what is not in `below` is at `total`."""
    at = int(np.searchsorted(below, level - 1e-12))
    return float(least + at) if at < len(below) else total


def count_law(probability: FloatArray) -> FloatArray:
    """Law of the number of successes of independent trials, shape (n + 1,).

    Args:
        probability: shape (n,), each in [0, 1].
    """
    if len(probability) <= MOST:
        return np.asarray(_convolved(np.ascontiguousarray(probability, dtype=np.float64)))
    mean = float(probability.sum())
    spread = math.sqrt(2 * max(float((probability * (1 - probability)).sum()), 1e-12))
    edges = np.arange(-1, len(probability) + 1) + 0.5
    cumulative = np.array([0.5 * (1 + math.erf((edge - mean) / spread)) for edge in edges])
    cumulative[0], cumulative[-1] = 0.0, 1.0
    return np.diff(cumulative)


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _convolved(probability: FloatArray) -> FloatArray:
    mass = np.zeros(len(probability) + 1)
    mass[0] = 1.0
    for done, p in enumerate(probability):
        for k in range(done + 1, 0, -1):
            mass[k] = mass[k] * (1 - p) + mass[k - 1] * p
        mass[0] *= 1 - p
    return mass
