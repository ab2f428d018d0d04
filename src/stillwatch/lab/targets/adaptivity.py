"""Which campaigns are static and which adaptive; the decision and its reasons stand in adaptivity.toml."""

import tomllib
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from importlib.resources import files

from stillwatch.lab.scoring.campaign import CampaignScore
from stillwatch.lab.scoring.scenarios import Scenario


class Side(StrEnum):
    """A column of the targets' table."""

    STATIC = "static"
    ADAPTIVE = "adaptive"


@cache
def adaptive_from() -> dict[str, float | None]:
    """Family of scenarios -> the dose from which it is adaptive; None where it never is."""
    text = (files("stillwatch.lab.targets") / "adaptivity.toml").read_text(encoding="utf-8")
    return {family: entry.get("adaptive_from") for family, entry in tomllib.loads(text).items()}


def side(scenario: Scenario) -> Side:
    """The column of one campaign; a family that nobody has judged is held to the harder, static aims."""
    start = adaptive_from().get(scenario.family)
    return Side.ADAPTIVE if start is not None and (scenario.dose or 0.0) >= start else Side.STATIC


def sides(campaigns: Iterable[CampaignScore]) -> frozenset[Side]:
    """The columns that a world's innocent accounts count in: those of its campaigns, both where it has none."""
    return frozenset(side(campaign.scenario) for campaign in campaigns) or frozenset(Side)
