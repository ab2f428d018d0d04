"""When people open a session and how long they pause: active days, sessions of a day, turns of a session.

Sources (lab/traces/NOTICE.md): pauses between two prompts are the real ones of RealHumanEval; how active days follow
one another, and how soon a session follows another on the same day, are those of the authors of chit-chat.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from stillwatch.lab.behaviour.chance import State, uniform
from stillwatch.lab.behaviour.lengths import from_quantiles
from stillwatch.lab.traces import HERE

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
# Sessions of a day that follow the one before, and do not open at an hour of their own.
_FOLLOWING = 0.5
# Mean sessions on an active day of somebody who comes rarely (chit-chat: median 1.5).
_RARE = 1.5


@dataclass(frozen=True)
class PeopleClock:
    """Real figures of people.

    Attributes:
        pause_s: quantiles of the seconds between two prompts, on an even grid of shares.
        session_gap_s: quantiles of the seconds between two sessions of a day.
        persistence: lag-1 autocorrelation of active days.
    """

    pause_s: Floats
    session_gap_s: Floats
    persistence: float

    @property
    def median_pause_s(self) -> float:
        """Median pause of the source."""
        return float(self.pause_s[len(self.pause_s) // 2])


@cache
def people_clock() -> PeopleClock:
    """The figures that come with the package."""
    table = pq.read_table(HERE / "people_clock.parquet")
    pause, gap = (table[c].to_numpy().astype(np.float64) for c in ("pause_s", "session_gap_s"))
    return PeopleClock(pause, gap, float(table["persistence"][0].as_py()))


def pauses(rng: np.random.Generator, size: int, median_s: float) -> Floats:
    """Microseconds between prompts: the real distribution, scaled to a median."""
    clock = people_clock()
    drawn: Floats = from_quantiles(clock.pause_s, rng.random(size)) * (
        median_s / clock.median_pause_s * SECOND
    )
    return drawn


def active_days(
    rng: np.random.Generator, sessions_per_day: Floats, weights: Floats
) -> tuple[Ints, Ints, Ints]:
    """On which days people come, and how often then.

    A person's days form a two-state chain: the share of active days grows with the rate (1 - exp(-rate / 1.5)),
    neighbours have the real autocorrelation, and the sessions of an active day are geometric, so that the mean
    rate is the wanted one.

    Args:
        rng: source of chance.
        sessions_per_day: mean sessions a day of each person.
        weights: activity of each day, 1 for a mean day.

    Returns:
        (person, day, sessions): one entry an active day, in order of person and day.
    """
    seeds = rng.integers(0, 2**64, len(sessions_per_day), np.uint64)
    rate = np.asarray(sessions_per_day, np.float64)
    stay = people_clock().persistence
    size = int(_walk(seeds, rate, weights, stay, np.empty((0, 3), np.int64)))
    out = np.empty((size, 3), np.int64)
    _walk(seeds, rate, weights, stay, out)
    return out[:, 0], out[:, 1], out[:, 2]


@njit(nogil=True, cache=True)
def _walk(seeds, rate, weights, stay, out):  # type: ignore[no-untyped-def]
    """Write active days; with an empty `out` only count them."""
    state = np.empty(1, np.uint64)
    size = 0
    for person in range(len(seeds)):
        state[0] = seeds[person]
        before = -1.0
        for day in range(len(weights)):
            wanted = rate[person] * weights[day]
            active = 1.0 - np.exp(-wanted / _RARE)
            chance = active
            if before >= 0:
                # The share of active days, moved towards what the day before was.
                last = 1.0 - np.exp(-rate[person] * weights[day - 1] / _RARE)
                chance = min(1.0, max(0.0, active + stay * (before - last)))
            if uniform(state) >= chance:
                before = 0.0
                continue
            before = 1.0
            if len(out):
                out[size, 0], out[size, 1] = person, day
                out[size, 2] = _geometric(state, active / wanted)
            else:
                _geometric(state, active / wanted)
            size += 1
    return size


@njit(nogil=True, cache=True)
def _geometric(state: State, chance: float) -> int:
    """Trials to the first success, 1 or more."""
    if chance >= 1.0:
        return 1
    return 1 + int(np.log(uniform(state)) / np.log1p(-chance))


def openings(rng: np.random.Generator, sessions: Ints, hours: Floats) -> Floats:
    """Local hour at which each session of each active day opens, in order within the day's chain.

    Args:
        rng: source of chance.
        sessions: int64, sessions of each active day.
        hours: weights of the 24 local hours.

    Returns:
        float64, sessions.sum() hours from local midnight; a late chain runs past 24.
    """
    total = int(sessions.sum())
    first = np.zeros(total, bool)
    first[np.cumsum(sessions) - sessions] = True
    own = first | (rng.random(total) >= _FOLLOWING)
    gap = np.where(own, 0.0, from_quantiles(people_clock().session_gap_s, rng.random(total)) / 3600)
    chain = np.cumsum(own) - 1
    anchor = rng.choice(24, int(own.sum()), p=hours / hours.sum()) + rng.random(int(own.sum()))
    elapsed = np.cumsum(gap)
    opened: Floats = anchor[chain] + elapsed - elapsed[own][chain]
    return opened
