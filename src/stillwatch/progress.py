"""How much of a run is done, and how long the rest will take: from what its phases usually take of the whole."""

import math
import time
from collections.abc import Callable, Mapping

Clock = Callable[[], float]

Report = Callable[[str, int, int], None]
"""Told of what is being done: (words, done, total); total 0 where it is not known."""

SCAN_SHARES: Mapping[str, float] = {
    "reading logs": 30,
    "checking the dataset": 12,
    "prompt sketch": 60,
    "system prompt sketch": 14,
    "signatures": 115,
    "prompt skeletons": 5,
    "prompt families": 60,
    "links": 30,
    "signals": 12,
    "template users": 1,
    "template outputs": 3,
    "candidate drawn": 12,
    "first asked": 4,
    "candidate sample": 40,
    "testing groups": 180,
    "cell probabilities": 6,
    "shown exchanges": 6,
    "flagged": 4,
    "results": 60,
}
"""What the phases of a scan take of its time, in their order, measured on half a million exchanges; any unit."""


class Estimate:
    """Follows what a `Report` is told.

    Phases that are not listed count as a part of the listed one before them. Within a phase that says how much of
    it is done, that is taken; in any other, time passes as it did in the phases before.

    Args:
        shares: phase -> what it usually takes, in the order in which phases come; empty for a run of one phase.
        clock: seconds.
    """

    def __init__(self, shares: Mapping[str, float], clock: Clock = time.monotonic) -> None:
        self._shares = shares
        self._total = sum(shares.values())
        self._begins = dict(zip(shares, _sums(list(shares.values())), strict=True))
        self._clock = clock
        self._start = clock()
        self._phase: str | None = None
        self._phase_start = self._start
        self._phase_done: float | None = None
        self._worked = 0.0  # shares of the phases that were gone through; others were left out
        self._pace: float | None = None  # seconds a share
        self._base: tuple[float, float] | None = (
            self._start,
            0.0,
        )  # where the count began that is told, if no shares are known
        self._furthest = 0.0
        self.words = ""

    def tell(self, words: str, done: int, total: int) -> None:
        """What a `Report` is told."""
        self.words = words
        if words in self._shares and words != self._phase:
            self._enter(words)
        told = min(done / total, 1.0) if total > 0 else None
        if words == self._phase:
            self._phase_done = told
        elif not self._shares:
            # One count after the other: where it falls, or pauses, another begins.
            if told is None:
                self._base = None
            elif self._base is None or told < (self._phase_done or 0.0):
                self._base = (self._clock(), told)
            self._phase_done = told

    def _enter(self, phase: str) -> None:
        now = self._clock()
        if self._phase is None:
            self._start = now
        else:
            self._worked += self._shares[self._phase]
            self._pace = (now - self._start) / self._worked if self._worked else None
        self._phase, self._phase_start, self._phase_done = phase, now, None

    @property
    def elapsed(self) -> float:
        """Seconds since the first phase began."""
        return self._clock() - self._start

    @property
    def fraction(self) -> float | None:
        """How much of the run is done, which never falls; without shares, of what is counted at the moment.

        None where nobody knows.
        """
        if not self._shares:
            return self._phase_done
        if self._phase is None:
            return 0.0
        found = (self._begins[self._phase] + self._inside() * self._shares[self._phase]) / self._total
        self._furthest = max(self._furthest, min(found, 1.0))
        return self._furthest

    def _inside(self) -> float:
        """How much of the phase at hand is done."""
        if self._phase is None:
            return 0.0
        if self._phase_done is not None:
            return self._phase_done
        expected = (self._pace or 0.0) * self._shares[self._phase]
        if expected <= 0:
            return 0.0
        passed = (self._clock() - self._phase_start) / expected
        # Past what was expected it nears the end and never comes to it.
        return passed if passed < 0.5 else 1 - 0.5 * math.exp(1 - 2 * passed)

    @property
    def left(self) -> float | None:
        """Seconds to the end, by the pace so far; None while that is no more than a guess."""
        fraction, elapsed = self.fraction, self.elapsed
        if fraction is None or elapsed < 2:
            return None
        if not self._shares:
            if self._base is None:
                return None
            since, before = self._base
            passed, gained = self._clock() - since, fraction - before
            return passed * (1 - fraction) / gained if gained > 0.02 and passed > 1 else None
        if self._phase is None:
            return None
        worked = self._worked + self._inside() * self._shares[self._phase]
        if worked < 0.02 * self._total:
            return None
        return elapsed / worked * (1 - fraction) * self._total


def _sums(shares: list[float]) -> list[float]:
    sums, total = [], 0.0
    for share in shares:
        sums.append(total)
        total += share
    return sums


def in_words(seconds: float | None) -> str:
    """ "about 4 min left", or nothing where nobody knows."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"about {max(round(seconds / 5) * 5, 5)} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {round(minutes / 60, 1):g} h left"


def clock_words(seconds: float) -> str:
    """Elapsed time as 0:07, 12:31 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def so_far(estimate: Estimate) -> str:
    """Percent, time passed, time left, as far as they are known."""
    fraction = estimate.fraction
    percent = "" if fraction is None else f"{fraction:.0%}"
    return "  ".join(filter(None, (percent, clock_words(estimate.elapsed), in_words(estimate.left))))
