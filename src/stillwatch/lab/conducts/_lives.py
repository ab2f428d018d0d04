"""Births, bans and replacements of a campaign's accounts."""

import heapq
from dataclasses import dataclass

import numpy as np

from stillwatch.lab.behaviour.clocks import DAY, HOUR, Ints
from stillwatch.lab.conducts._dispatch import Lives
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import NONE


@dataclass(frozen=True)
class Biography:
    """Accounts of a campaign.

    Attributes:
        born: int64 microseconds.
        lives: usable spans.
        banned: int64 microseconds, possibly after the end of the campaign.
        replaces: int64, place of the banned account that this one replaced, or NONE.
    """

    born: Ints
    lives: Lives
    banned: Ints
    replaces: Ints


def biography(stage: Stage, begin: int, end: int, *, hurry: bool) -> Biography:
    """Cohorts before the start; a banned account is replaced within hours as long as any is left.

    Args:
        stage: its setting `bans_per_day` is the share of the living accounts that is banned each day.
        begin: first microsecond of the campaign.
        end: its end, excluded.
        hurry: whether accounts are used at once, or in the course of their first thirty hours.
    """
    rng, count = stage.rng, stage.accounts
    hazard = stage.number("bans_per_day")
    first = max(1, round(count / (1 + hazard * (end - begin) / DAY)))
    born, since = np.empty(count, np.int64), np.empty(count, np.int64)
    replaces = np.full(count, NONE)
    cohorts = begin - rng.integers(2 * HOUR, 4 * DAY, max(1, first // 20))
    born[:first] = cohorts[rng.integers(0, len(cohorts), first)] + rng.integers(0, 100 * HOUR // 60, first)
    since[:first] = np.maximum(begin, born[:first]) + rng.integers(0, (8 if hurry else 30) * HOUR, first)
    lifetime = rng.exponential(DAY / hazard, count) if hazard else np.full(count, np.inf)
    length = np.minimum(lifetime, 400 * DAY).astype(np.int64)
    deaths = [(int(since[place] + length[place]), place) for place in range(first)]
    heapq.heapify(deaths)
    for place in range(first, count):
        died, whose = heapq.heappop(deaths)
        if died < end:
            replaces[place] = whose
        else:  # no ban left to answer: the operator opens the rest in the first half of the campaign
            died = int(rng.integers(begin, begin + (end - begin) // 2))
        born[place] = died + int(rng.integers(HOUR // 2, 6 * HOUR))
        since[place] = born[place] + int(rng.integers(HOUR // 10, 3 * HOUR))
        heapq.heappush(deaths, (int(since[place] + length[place]), place))
    banned = since + length
    return Biography(born, Lives(since, np.minimum(banned, end)), banned, replaces)
