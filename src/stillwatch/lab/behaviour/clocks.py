"""When things happen: human sessions, machines, and the working hours of both. Times are microseconds since
1970.

People: people_clock.py (pauses of RealHumanEval, days of the authors of chit-chat). Machines: machines.py (clients of
ServeGen). The hours of the day and the zones are figures of our own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.lab.behaviour.machines import machine_arrivals, machine_times
from stillwatch.lab.behaviour.people_clock import active_days, openings, pauses

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "OFFICE_HOURS",
    "PRIVATE_HOURS",
    "SECOND",
    "Floats",
    "Ints",
    "Rhythm",
    "Sessions",
    "heavy_tailed",
    "human_sessions",
    "machine_arrivals",
    "machine_times",
    "periodic_times",
]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Share of people's activity by local hour: low at night, a shoulder at noon, a peak in the evening.
PRIVATE_HOURS = np.array(
    [14, 8, 5, 3, 3, 4, 8, 16, 26, 34, 38, 40, 40, 38, 38, 40, 42, 44, 46, 52, 58, 56, 44, 26.0]
)
OFFICE_HOURS = np.array(
    [2, 1, 1, 1, 1, 2, 5, 18, 52, 74, 80, 76, 58, 66, 78, 78, 70, 50, 26, 16, 14, 12, 8, 4.0]
)
# Where users live, as hours from UTC with weights: the Americas, Europe and Africa, Asia and Oceania.
ZONES = np.array([-8, -7, -6, -5, -3, 0, 1, 2, 3, 5, 5.5, 7, 8, 9, 10])
ZONE_WEIGHTS = np.array([10, 3, 6, 15, 6, 9, 14, 8, 4, 2, 9, 4, 3, 5, 2.0])


@dataclass(frozen=True)
class Sessions:
    """Turns of people, one entry a turn, grouped by session.

    Attributes:
        person: int64, who.
        session: int64, running number of the session.
        turn: int64, place in the session, from 0.
        ts: int64, microseconds.
    """

    person: Ints
    session: Ints
    turn: Ints
    ts: Ints


@dataclass(frozen=True)
class Rhythm:
    """How a kind of people spends its time.

    Attributes:
        hours: weights of the 24 local hours.
        weekend: activity on Saturday and Sunday relative to a working day.
        turns: mean number of turns in a session (geometric).
        pause_s: median pause between two turns, seconds; the distribution is RealHumanEval's.
        zones: hours from UTC to draw from, or None for the whole world.
    """

    hours: Floats
    weekend: float = 0.8
    turns: float = 3.0
    pause_s: float = 78.0
    zones: Floats | None = None


def heavy_tailed(rng: np.random.Generator, size: int, mean: float, sigma: float = 1.2) -> Floats:
    """Log-normal rates with the given mean: most people do little, a few do very much."""
    return rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, size)


def human_sessions(
    rng: np.random.Generator, per_day: Floats, start: int, end: int, rhythm: Rhythm
) -> Sessions:
    """Sessions of people inside start..end: active and idle days, sessions that follow each other, real pauses.

    Args:
        rng: source of chance.
        per_day: mean turns a day of each person.
        start: first microsecond.
        end: end of the window, excluded.
        rhythm: hours, weekdays, zones, turns and pauses.
    """
    if end <= start or len(per_day) == 0:
        empty = np.zeros(0, np.int64)
        return Sessions(empty, empty, empty, empty)
    zones, weights = (
        (ZONES, ZONE_WEIGHTS) if rhythm.zones is None else (rhythm.zones, np.ones(len(rhythm.zones)))
    )
    zone = rng.choice(zones, len(per_day), p=weights / weights.sum())
    shift = zone + rng.normal(0, 1.2, len(per_day))  # chronotype, in hours
    person, opened = _session_starts(rng, per_day / rhythm.turns, shift, (start, end), rhythm)
    turns = rng.geometric(1 / rhythm.turns, len(person))
    first = np.repeat(np.cumsum(turns) - turns, turns)
    turn = np.arange(len(first)) - first
    pause = pauses(rng, len(turn), rhythm.pause_s)
    pause[turn == 0] = 0
    elapsed = np.cumsum(pause)
    ts = np.repeat(opened, turns) + (elapsed - elapsed[first]).astype(np.int64)
    keep = np.flatnonzero((ts >= start) & (ts < end))
    number, turn = np.repeat(np.arange(len(person)), turns)[keep], turn[keep]
    if len(number):
        # A session that was open when the window begins starts with its first turn inside.
        begins = np.flatnonzero(np.diff(number, prepend=-1))
        turn = turn - np.repeat(turn[begins], np.diff(begins, append=len(number)))
    return Sessions(np.repeat(person, turns)[keep], number, turn, ts[keep])


def _session_starts(
    rng: np.random.Generator, per_day: Floats, shift: Floats, window: tuple[int, int], rhythm: Rhythm
) -> tuple[Ints, Ints]:
    """Who opens a session and when: local days that touch the window, weekends weaker."""
    start, end = window
    first = start // DAY - 1
    day_number = np.arange(first, -(-end // DAY) + 1)
    # 1970-01-01 was a Thursday.
    weekend = (day_number + 3) % 7 >= 5
    person, day, sessions = active_days(rng, per_day, _relative(weekend, rhythm.weekend))
    local = openings(rng, sessions, rhythm.hours)
    person = np.repeat(person, sessions)
    opened = (first + np.repeat(day, sessions)) * DAY + ((local - shift[person]) * HOUR).astype(np.int64)
    near = (opened >= start - HOUR) & (opened < end)
    person, opened = person[near], opened[near]
    # Seconds are fine enough to order sessions, and fit into one key with the person.
    key = person * (2 * (end - start) // SECOND + DAY // SECOND) + (opened - start + HOUR) // SECOND
    order = np.argsort(key, kind="stable")
    return person[order], opened[order]


def _relative(weekend: NDArray[np.bool_], level: float) -> Floats:
    """Activity of each day, 1 on the mean of a window's days."""
    weight = np.where(weekend, level, 1.0)
    mean: Floats = weight / weight[1:-1].mean()
    return mean


def periodic_times(
    rng: np.random.Generator, start: int, end: int, period_us: int, phase_us: int, missed: float = 0.02
) -> Ints:
    """Ticks of a timer with the start-up delay of a job (median 2 s, at times more); a few are missed."""
    ticks = np.arange(start - start % period_us + phase_us, end, period_us)
    ticks = ticks[(ticks >= start) & (rng.random(len(ticks)) >= missed)]
    delay = rng.lognormal(np.log(2.0), 0.9, len(ticks)) * SECOND
    return np.minimum(ticks + delay.astype(np.int64), end - 1)
