"""What targets are computed from: the scores of a suite, by detector and simulation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stillwatch.lab.scoring.campaign import CampaignScore
from stillwatch.lab.scoring.result import Score
from stillwatch.lab.suites.variants import REPLAY, STILLWATCH
from stillwatch.lab.targets.adaptivity import Side, side, sides

Key = tuple[str, int, bool]
"""World, seed, and whether it is without campaigns."""


@dataclass(frozen=True)
class Simulation:
    """One simulation as one detector was scored on it.

    Attributes:
        key: which one.
        days: its length.
        score: the score.
    """

    key: Key
    days: float
    score: Score

    @cached_property
    def sides(self) -> frozenset[Side]:
        """The columns that its innocent accounts count in."""
        return sides(self.score.campaigns)

    def campaigns(self, wanted: Side) -> list[CampaignScore]:
        """Its campaigns of one column."""
        return [campaign for campaign in self.score.campaigns if side(campaign.scenario) is wanted]


@dataclass(frozen=True)
class Material:
    """Everything that a suite measured: detector -> simulation -> score; runs that failed are not in it."""

    scored: Mapping[str, Mapping[Key, Simulation]]

    @classmethod
    def of(cls, runs: Iterable[Mapping[str, Any]]) -> "Material":
        """From the runs of a quality.json.

        Raises UnreadableInputError for a score of another version.
        """
        found: dict[str, dict[Key, Simulation]] = {}
        for run in runs:
            if run["score"] is None:
                continue
            key = (str(run["world"]), int(run["seed"]), bool(run["null"]))
            score = Score.from_dict(run["score"], f"{run['world']} seed {run['seed']}, {run['detector']}")
            found.setdefault(run["detector"], {})[key] = Simulation(key, float(run["days"]), score)
        return cls(found)

    def scans(self, wanted: Side | None = None, detector: str = STILLWATCH) -> list[Simulation]:
        """Simulations that one detector was run on; those whose innocent accounts count in one column."""
        all_of_them = self.scored.get(detector, {}).values()
        return [simulation for simulation in all_of_them if wanted is None or wanted in simulation.sides]

    def replays(self) -> list[tuple[str, Simulation]]:
        """Each simulation that was replayed, with the length of the slices; the finest where there are several."""
        finest: dict[Key, tuple[float, str, Simulation]] = {}
        for detector, simulations in self.scored.items():
            if not detector.startswith(REPLAY):
                continue
            every = detector.removeprefix(REPLAY)
            for key, simulation in simulations.items():
                if key not in finest or _hours(every) < finest[key][0]:
                    finest[key] = (_hours(every), every, simulation)
        return [(every, simulation) for _, every, simulation in finest.values()]

    def pairs(self, variant: str) -> list[tuple[Simulation, Simulation]]:
        """Simulations that were scanned both as usual and by a variant."""
        usual, other = self.scored.get(STILLWATCH, {}), self.scored.get(variant, {})
        return [(usual[key], other[key]) for key in other if key in usual]


def _hours(every: str) -> float:
    return float(every[:-1]) * {"m": 1 / 60, "h": 1.0, "d": 24.0}[every[-1]]
