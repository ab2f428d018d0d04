"""Measured figures with their 95 % intervals: exact where the distribution is known, resampled where it is not."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from scipy.stats import beta, binom, gamma

from stillwatch.lab.scoring.rates import CONFIDENCE, Rate

RESAMPLES = 2_000
NEVER = "never"
_TAIL = (1 - CONFIDENCE) / 2
_Unit = TypeVar("_Unit")


@dataclass(frozen=True)
class Figure:
    """A measured figure.

    Attributes:
        value: the figure; None if nothing could be measured.
        low: lower end of the interval; None if it has none.
        high: upper end; infinite ends are None, too.
        counts: what it rests on, in words.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    counts: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: what never ends is "never"."""
        return {name: NEVER if value == math.inf else value for name, value in asdict(self).items()}


NOTHING = Figure(None)


def share(rate: Rate, counts: str = "") -> Figure:
    """A share with the interval of Clopper and Pearson 1934; `counts` is added to "hits of total"."""
    words = f"{rate.hits:,} of {rate.total:,}" + (f" {counts}" if counts else "")
    return Figure(rate.share, rate.low, rate.high, words) if rate.total else NOTHING


def event_rate(events: int, exposure: float, per: float, counts: str = "") -> Figure:
    """Events per `per` units of exposure, with the exact interval of a Poisson mean (Garwood 1936)."""
    if exposure <= 0:
        return NOTHING
    low = float(gamma.ppf(_TAIL, events)) if events else 0.0
    high = float(gamma.ppf(1 - _TAIL, events + 1))
    scale = per / exposure
    return Figure(events * scale, low * scale, high * scale, counts)


def quantile(values: Sequence[float], level: float, counts: str = "") -> Figure:
    """A quantile with the distribution-free interval between two order statistics (David and Nagaraja 2003, 7.1).

    The number of values up to the true quantile is binomial, whatever the distribution. Where so few values bound
    it on one side only, that end is None.
    """
    if not values:
        return NOTHING
    ordered, n = np.sort(np.asarray(values, dtype=np.float64)), len(values)
    # P(X_(r) <= q) = P(Bin(n, level) >= r), so r is the largest place with P(Bin <= r - 1) <= tail.
    below = int(np.searchsorted(binom.cdf(np.arange(n + 1), n, level), _TAIL, side="right"))
    above = int(binom.ppf(1 - _TAIL, n, level)) + 1
    low = float(ordered[below - 1]) if below >= 1 else None
    high = float(ordered[above - 1]) if above <= n else None
    value = float(np.quantile(ordered, level, method="inverted_cdf"))
    return Figure(value, low, high, counts or f"{n:,}")


def paired_difference(lost: int, won: int, total: int) -> Figure:
    """Share won less share lost of `total` pairs; the interval is exact and conservative.

    Each of the two shares has its Clopper-Pearson interval at half the error (Bonferroni); their difference lies
    between the extremes, however the two depend on each other.
    """
    if not total:
        return NOTHING
    lost_low, lost_high = _clopper_pearson(lost, total, _TAIL / 2)
    won_low, won_high = _clopper_pearson(won, total, _TAIL / 2)
    words = f"{lost:,} lost, {won:,} won of {total:,}"
    return Figure((won - lost) / total, won_low - lost_high, won_high - lost_low, words)


def resampled(
    units: Sequence[_Unit], statistic: Callable[[Sequence[_Unit]], float | None], counts: str
) -> Figure:
    """A statistic of units that are whole simulations, with its percentile bootstrap (Efron and Tibshirani 1993).

    Not exact: no exact interval is known for it. One unit alone has none.
    """
    value = statistic(units)
    if value is None or len(units) < 2:
        return Figure(value, counts=counts)
    rng = np.random.default_rng(0)
    drawn = (
        statistic([units[i] for i in rng.integers(len(units), size=len(units))]) for _ in range(RESAMPLES)
    )
    kept = [figure for figure in drawn if figure is not None]
    low, high = np.quantile(kept, [_TAIL, 1 - _TAIL])
    return Figure(value, float(low), float(high), counts)


def _clopper_pearson(hits: int, total: int, tail: float) -> tuple[float, float]:
    low = float(beta.ppf(tail, hits, total - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, total - hits)) if hits < total else 1.0
    return low, high
