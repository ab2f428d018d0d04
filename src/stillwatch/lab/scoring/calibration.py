"""Calibration: the false discoveries that a detector allows itself against those that it makes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from stillwatch.lab.scoring.rates import Rate

LEVELS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


class Outcome(StrEnum):
    """What a reported campaign turned out to be."""

    FOUND = "found"
    FRAGMENT = "fragment"
    FALSE = "false"


@dataclass(frozen=True)
class Discovery:
    """A reported campaign: the rate at which its detector reports it, and what it is."""

    campaign_id: str
    fdr: float | None
    outcome: Outcome


@dataclass(frozen=True)
class Discoveries:
    """What one run reported.

    Attributes:
        reported: each reported campaign.
        nominal: the rate that the run was asked for; None if unknown. Above it nothing can be reported.
    """

    reported: tuple[Discovery, ...]
    nominal: float | None = None

    @property
    def usable(self) -> bool:
        """Whether every reported campaign names its rate."""
        return all(discovery.fdr is not None for discovery in self.reported)


@dataclass(frozen=True)
class Calibrated:
    """Realised false discovery at one nominal level.

    Attributes:
        level: nominal rate: what is counted are the campaigns with fdr <= level.
        runs: runs that report up to this level.
        false: false campaigns among the reported ones of all these runs; a fragment is not false.
        realised: mean over runs of the share that is false (0 where nothing is reported): the false discovery
            rate as Benjamini and Hochberg 1995 define it; None without a run.
        runs_with_false: runs that report at least one false campaign.
    """

    level: float
    runs: int
    false: Rate
    realised: float | None
    runs_with_false: Rate

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **asdict(self),
            "false": self.false.to_dict(),
            "runs_with_false": self.runs_with_false.to_dict(),
        }


def calibrate(runs: Iterable[Discoveries]) -> tuple[Calibrated, ...]:
    """Realised against nominal, one row a level that some run reports up to.

    Runs whose detector names no rates are left out; nothing is left of a detector that never does.
    """
    usable = [run for run in runs if run.usable and (run.reported or run.nominal is not None)]
    levels = sorted({*LEVELS, *(run.nominal for run in usable if run.nominal is not None)})
    rows = (_at(level, usable) for level in levels)
    return tuple(row for row in rows if row.runs)


def _at(level: float, runs: list[Discoveries]) -> Calibrated:
    kept = [run for run in runs if run.nominal is None or run.nominal >= level]
    counts = []
    for run in kept:
        at = [d for d in run.reported if d.fdr is not None and d.fdr <= level]
        counts.append((sum(d.outcome == Outcome.FALSE for d in at), len(at)))
    false, reported = sum(f for f, _ in counts), sum(n for _, n in counts)
    realised = sum(f / n for f, n in counts if n) / len(kept) if kept else None
    return Calibrated(
        level, len(kept), Rate(false, reported), realised, Rate(sum(f > 0 for f, _ in counts), len(kept))
    )
