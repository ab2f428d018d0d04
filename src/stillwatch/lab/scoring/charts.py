"""Geometry of the charts: shares with their intervals as dots on whiskers, and recall against an attacker's cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from stillwatch.lab.scoring.price import TARGET, Price, Reached
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.spoken import figure, interval, percent

PLOT_WIDTH, PLOT_HEIGHT = 300, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 288, 10, 122


@dataclass(frozen=True)
class Scale:
    """Where a share of 0 to 1 stands on an axis of 0 to 100, and the axis's ticks."""

    place: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]

    @classmethod
    def linear(cls) -> "Scale":
        """Even."""
        return cls(lambda share: 100 * share, tuple((p, f"{p} %") for p in (0, 25, 50, 75, 100)))

    @classmethod
    def root(cls) -> "Scale":
        """By the square root: small shares are drawn apart, and 0 has a place."""
        shares = (0, 0.01, 0.05, 0.2, 0.5, 1)
        return cls(lambda share: 100 * sqrt(share), tuple((100 * sqrt(s), f"{100 * s:g} %") for s in shares))


@dataclass(frozen=True)
class Whisker:
    """A share with its interval, drawn on an axis of 0 to 100 and spelled beside it.

    Attributes:
        label: what it is of.
        detail: more about it; may be empty.
        counts: hits of total.
        share: the share, spelled.
        interval: its interval, spelled.
        dot: place of the share; None where there is none, as the next two.
        low: place of the lower end.
        high: place of the upper end.
        mark: place of a second figure to compare with; None for none.
        beside: further figures, spelled, for further columns.
    """

    label: str
    detail: str
    counts: str
    share: str
    interval: str
    dot: float | None
    low: float | None
    high: float | None
    mark: float | None = None
    beside: tuple[str, ...] = ()


def whisker(
    label: str,
    rate: Rate,
    scale: Scale,
    *,
    detail: str = "",
    mark: float | None = None,
    beside: Sequence[str] = (),
) -> Whisker:
    """Draws a rate."""
    dot, low, high = (None if v is None else scale.place(v) for v in (rate.share, rate.low, rate.high))
    return Whisker(
        label,
        detail,
        f"{rate.hits:,} of {rate.total:,}",
        percent(rate.share),
        interval(rate),
        dot,
        low,
        high,
        None if mark is None else scale.place(mark),
        tuple(beside),
    )


@dataclass(frozen=True)
class Bar:
    """A share as a bar of 0 to 100; None where it is not known."""

    label: str
    counts: str
    share: str
    width: float | None
    kind: str


@dataclass(frozen=True)
class PricePoint:
    """A dose in the plot, with its whisker."""

    x: float
    y: float
    low: float
    high: float
    words: str


@dataclass(frozen=True)
class PricePlot:
    """Exchange recall against money per 1,000 exchanges, for one family."""

    family: str
    verdict: str
    points: tuple[PricePoint, ...]
    line: str
    target_y: float
    cross_x: float | None
    x_labels: tuple[tuple[float, str], ...]


def price_plot(price: Price) -> PricePlot:
    """Draws a family's doses, cheapest first."""
    most = max(dose.money_eur for dose in price.doses) or 1.0
    points = []
    for dose in price.doses:
        rate = dose.recall
        share, low, high = ((0.0 if v is None else v) for v in (rate.share, rate.low, rate.high))
        name = "" if dose.dose is None else f"dose {figure(dose.dose)}: "
        words = f"{name}{percent(share)} recall at EUR {figure(dose.money_eur)} per 1,000 exchanges"
        points.append(
            PricePoint(_across(dose.money_eur / most), _down(share), _down(low), _down(high), words)
        )
    cross = None if price.money_eur is None else _across(price.money_eur / most)
    return PricePlot(
        price.family,
        price_words(price),
        tuple(points),
        "M" + "L".join(f"{point.x:.1f},{point.y:.1f}" for point in points),
        _down(TARGET),
        cross,
        ((_LEFT, "EUR 0"), (_RIGHT, f"EUR {figure(most)}")),
    )


def price_words(price: Price) -> str:
    """The price in a sentence."""
    if price.reached == Reached.NOT:
        return "Not reached: more than half of the exchanges are found at every dose tried."
    words = f"EUR {figure(price.money_eur)} per 1,000 exchanges"
    if price.accounts is not None:
        words += f", {figure(price.accounts)} accounts"
    if price.delay_hours:
        words += f", {figure(price.delay_hours)} hours of delay"
    if price.dose is not None:
        words += f" (dose {figure(price.dose)})"
    return (
        f"At most {words}: the cheapest dose escapes already."
        if price.reached == Reached.CHEAPEST
        else f"{words}."
    )


def _across(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _down(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)
