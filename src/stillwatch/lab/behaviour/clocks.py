"""When things happen: human sessions, machines, and the working hours of both. Times are microseconds since
1970.

Sources of the figures: the gap between two prompts of one person has the quantiles 24 / 43 / 78 / 140 / 216 s
(10 / 25 / 50 / 75 / 90 %) in RealHumanEval. Hourly volumes of heavy automated clients have a standard
deviation of the log of 1.1 / 2.1 / 2.7 (quartiles), an hour-to-hour correlation of 0.46 / 0.63 / 0.80, and
their gaps a coefficient of variation of 1.0 / 1.1 / 1.5 in the ServeGen client traces. So machines are not
smooth, and their days are not alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.lab.behaviour.machines import machine_arrivals as machine_arrivals
from stillwatch.lab.behaviour.machines import machine_times as machine_times

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
        pause_s: median pause between two turns, seconds (log-normal, sigma 0.85).
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
    """Sessions of people with the given expected turns a day, inside start..end; a person's in the order of time."""
    # Whole days, whatever the hour at which the window begins and ends: people keep to the hours of the clock.
    midnight = start - start % DAY
    days = -(-(end - midnight) // DAY)
    n_sessions = rng.poisson(per_day * days / rhythm.turns)
    person = np.repeat(np.arange(len(per_day)), n_sessions)
    if rhythm.zones is None:
        zone = rng.choice(ZONES, len(per_day), p=ZONE_WEIGHTS / ZONE_WEIGHTS.sum())
    else:
        zone = rng.choice(rhythm.zones, len(per_day))
    chronotype = rng.normal(0, 1.2, len(per_day))
    opened = _session_starts(rng, person, zone + chronotype, (midnight, days), rhythm)
    opened = opened[np.lexsort((opened, person))]
    turns = rng.geometric(1 / rhythm.turns, len(person))
    first = np.repeat(np.cumsum(turns) - turns, turns)
    turn = np.arange(turns.sum()) - first
    pause = rng.lognormal(np.log(rhythm.pause_s), 0.85, len(turn)) * SECOND
    pause[turn == 0] = 0
    elapsed = np.cumsum(pause)
    ts = np.repeat(opened, turns) + (elapsed - elapsed[first]).astype(np.int64)
    keep = (ts >= start) & (ts < end)
    who = np.repeat(person, turns)
    number = np.repeat(np.arange(len(person)), turns)
    return Sessions(who[keep], number[keep], turn[keep], ts[keep])


def _session_starts(
    rng: np.random.Generator, person: Ints, shift: Floats, window: tuple[int, int], rhythm: Rhythm
) -> Ints:
    start, n_days = window
    weekday = (np.arange(n_days) + int((start // DAY + 3) % 7)) % 7
    weight = np.where(weekday >= 5, rhythm.weekend, 1.0)
    day = rng.choice(n_days, len(person), p=weight / weight.sum())
    hour = rng.choice(24, len(person), p=rhythm.hours / rhythm.hours.sum()) + rng.random(len(person))
    local = (hour - shift[person]) % 24
    return (start + day * DAY + local * HOUR).astype(np.int64)


def periodic_times(
    rng: np.random.Generator, start: int, end: int, period_us: int, phase_us: int, missed: float = 0.02
) -> Ints:
    """Ticks of a timer with the start-up delay of a job (median 2 s, at times more); a few are missed."""
    ticks = np.arange(start - start % period_us + phase_us, end, period_us)
    ticks = ticks[(ticks >= start) & (rng.random(len(ticks)) >= missed)]
    delay = rng.lognormal(np.log(2.0), 0.9, len(ticks)) * SECOND
    return np.minimum(ticks + delay.astype(np.int64), end - 1)
