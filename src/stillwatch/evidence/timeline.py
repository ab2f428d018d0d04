"""The activity of a group over time, binned, and as the outlines of a drawing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from stillwatch.evidence.figures import Figure, Row, key_of
from stillwatch.evidence.numbers import Kind, day

WIDTH = 720
LEFT = 8
RIGHT = 712
_HOURS_DRAWN_SINGLY = 24 * 16
_SPARK = "▁▂▃▄▅▆▇█"

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """Activity in bins of equal width.

    Attributes:
        start: start of the first bin.
        hours: width of a bin.
        exchanges: int64[bins], exchanges in the bin.
        accounts: int64[bins], accounts active in the busiest hour of the bin (those of several hours cannot
            be added).
    """

    start: datetime
    hours: int
    exchanges: Counts
    accounts: Counts

    @property
    def unit(self) -> str:
        """What a bin is called."""
        return {1: "hour", 24: "day", 168: "week"}[self.hours]


@dataclass(frozen=True)
class Tick:
    """A mark on the time axis; `minor` ones give way where the page is narrow."""

    x: float
    label: str
    minor: bool


@dataclass(frozen=True)
class DayColumn:
    """One day of the drawing, with the figures that belong to it."""

    x: float
    width: float
    label: str
    exchanges: Figure
    accounts: Figure


@dataclass(frozen=True)
class TimelineDrawing:
    """Everything a template needs to draw a timeline (units: those of the view box)."""

    unit: str
    exchanges_path: str
    exchanges_top: int
    accounts_path: str
    accounts_top: int
    ticks: tuple[Tick, ...]
    days: tuple[DayColumn, ...]
    verdict_x: float | None


def bin_timeline(rows: Sequence[Row]) -> Timeline | None:
    """Bin the hours of a group: single hours up to 16 days, days up to two years, then weeks.

    Args:
        rows: rows of the table `timeline` of one group, any order; hours that are not there had no exchange.
    """
    if not rows:
        return None
    first = min(row["hour"] for row in rows).astimezone(UTC)
    last = max(row["hour"] for row in rows)
    span = _hours(last - first) + 1
    width = 1 if span <= _HOURS_DRAWN_SINGLY else 24 if span <= 24 * 730 else 168
    start = first if width == 1 else first.replace(hour=0, minute=0, second=0, microsecond=0)
    places = np.array([_hours(row["hour"] - start) // width for row in rows])
    exchanges = np.zeros(int(places.max()) + 1, dtype=np.int64)
    accounts = np.zeros_like(exchanges)
    np.add.at(exchanges, places, [row["n_exchanges"] for row in rows])
    np.maximum.at(accounts, places, [row["n_accounts"] for row in rows])
    return Timeline(start, width, exchanges, accounts)


def sparkline(timeline: Timeline | None, cells: int = 56) -> str:
    """The exchanges over time in block characters, at most `cells` wide."""
    if timeline is None:
        return ""
    sums = np.array(
        [part.sum() for part in np.array_split(timeline.exchanges, min(cells, len(timeline.exchanges)))]
    )
    heights = np.ceil(sums * (len(_SPARK) - 1) / max(1, sums.max())).astype(int)
    return "".join(_SPARK[height] for height in heights)


def draw_timeline(group_id: str, rows: Sequence[Row], verdict: datetime | None) -> TimelineDrawing | None:
    """Lay a timeline out: exchanges in a panel of 100 units, active accounts in one of 60 below."""
    timeline = bin_timeline(rows)
    if timeline is None:
        return None
    axis = _Axis(timeline.start, timeline.start + timedelta(hours=timeline.hours * len(timeline.exchanges)))
    exchanges_top = nice_top(int(timeline.exchanges.max()))
    accounts_top = nice_top(int(timeline.accounts.max()))
    inside = verdict is not None and axis.start <= verdict <= axis.end
    return TimelineDrawing(
        unit=timeline.unit,
        exchanges_path=_steps(timeline.exchanges, exchanges_top, bottom=116.0, height=100.0),
        exchanges_top=exchanges_top,
        accounts_path=_steps(timeline.accounts, accounts_top, bottom=194.0, height=60.0),
        accounts_top=accounts_top,
        ticks=_ticks(axis),
        days=_days(group_id, rows, axis) if timeline.hours <= 24 else (),
        verdict_x=axis.x(verdict) if verdict is not None and inside else None,
    )


def small_outline(rows: Sequence[Row], start: datetime, end: datetime, cells: int = 84) -> str:
    """The outline of a group's exchanges over the whole period of the scan, 120 by 22 units."""
    span = max(1.0, (end - start).total_seconds())
    sums = np.zeros(cells)
    for row in rows:
        place = int((row["hour"] - start).total_seconds() / span * cells)
        sums[min(max(place, 0), cells - 1)] += row["n_exchanges"]
    if not sums.any():
        return ""
    tops = 21 - 20 * sums / sums.max()
    points = [f"{120 * i / cells:.1f} {tops[i]:.1f}H{120 * (i + 1) / cells:.1f}" for i in range(cells)]
    return "M0 21L" + "L".join(points) + "L120 21Z"


def nice_top(value: int) -> int:
    """The smallest round number that is at least `value`."""
    if value <= 10:
        return max(1, value)
    power: int = 10 ** (len(str(value)) - 2)
    return next(
        top for step in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100) if (top := step * power) >= value
    )


@dataclass(frozen=True)
class _Axis:
    start: datetime
    end: datetime

    def x(self, moment: datetime) -> float:
        part = (moment - self.start) / (self.end - self.start)
        return round(LEFT + (RIGHT - LEFT) * part, 1)


def _steps(values: Counts, top: int, bottom: float, height: float) -> str:
    width = (RIGHT - LEFT) / len(values)
    parts = [f"M{LEFT} {bottom}"]
    previous = None
    for place, value in enumerate(values):
        if value != previous:
            y = bottom - height * value / top
            parts.append(f"H{LEFT + place * width:.1f}V{y:.1f}")
            previous = value
    return "".join(parts) + f"H{RIGHT}V{bottom}Z"


def _ticks(axis: _Axis) -> tuple[Tick, ...]:
    days = max(1, round((axis.end - axis.start) / timedelta(days=1)))
    step = next((step for step in (1, 2, 7, 14, 28, 56, 112) if days / step <= 8), 224)
    moments = [moment for moment in _midnights(axis, step) if axis.x(moment) <= RIGHT - 24]
    if not moments:
        return (Tick(LEFT, day(axis.start), False),)
    return tuple(Tick(axis.x(moment), day(moment), place % 2 == 1) for place, moment in enumerate(moments))


def _days(group_id: str, rows: Sequence[Row], axis: _Axis) -> tuple[DayColumn, ...]:
    exchanges: Counter[str] = Counter()
    accounts: dict[str, int] = {}
    for row in rows:
        date = f"{row['hour'].astimezone(UTC):%Y-%m-%d}"
        exchanges[date] += row["n_exchanges"]
        accounts[date] = max(accounts.get(date, 0), row["n_accounts"])
    columns = []
    for moment in _midnights(axis, 1, before=True):
        date = f"{moment:%Y-%m-%d}"
        if date not in exchanges:
            continue
        left, right = axis.x(max(moment, axis.start)), axis.x(min(moment + timedelta(days=1), axis.end))
        key = f"{key_of(group_id)}/{date}"
        columns.append(
            DayColumn(
                left,
                round(right - left, 1),
                day(moment),
                Figure(exchanges[date], Kind.COUNT, f"sum(timeline.n_exchanges[{key}])"),
                Figure(accounts[date], Kind.COUNT, f"max(timeline.n_accounts[{key}])"),
            )
        )
    return tuple(columns)


def _midnights(axis: _Axis, step: int, *, before: bool = False) -> list[datetime]:
    moment = axis.start.replace(hour=0, minute=0, second=0, microsecond=0)
    if moment < axis.start and not before:
        moment += timedelta(days=1)
    moments = []
    while moment < axis.end:
        moments.append(moment)
        moment += timedelta(days=step)
    return moments


def _hours(span: timedelta) -> int:
    return int(span.total_seconds() // 3600)
