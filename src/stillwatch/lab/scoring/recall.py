"""Recall of campaigns by scenario and by size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log, sqrt
from typing import Any

from stillwatch.lab.scoring.campaign import CampaignScore
from stillwatch.lab.scoring.rates import Rate

SIZES = (20, 50, 100, 500, 5_000)
"""Classes of size: a campaign is of the class that its accounts are nearest to by ratio."""


@dataclass(frozen=True)
class Recall:
    """Recall of some campaigns: of the campaigns, and of their accounts and exchanges taken together."""

    campaigns: Rate
    accounts: Rate
    exchanges: Rate

    @classmethod
    def of(cls, campaigns: Sequence[CampaignScore]) -> "Recall":
        """Of these campaigns."""
        return cls(
            Rate(sum(c.found for c in campaigns), len(campaigns)),
            Rate.add(c.accounts.recall for c in campaigns),
            Rate.add(c.exchanges.recall for c in campaigns),
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "campaigns": self.campaigns.to_dict(),
            "accounts": self.accounts.to_dict(),
            "exchanges": self.exchanges.to_dict(),
        }


@dataclass(frozen=True)
class ScenarioRecall:
    """Recall of the campaigns of one family and dose."""

    family: str
    dose: float | None
    recall: Recall

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"family": self.family, "dose": self.dose, **self.recall.to_dict()}


@dataclass(frozen=True)
class SizeRecall:
    """Recall of the campaigns of about one size: `least` to `most` accounts (no bound: None)."""

    size: int
    least: int
    most: int | None
    recall: Recall

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"size": self.size, "least": self.least, "most": self.most, **self.recall.to_dict()}


def by_scenario(campaigns: Iterable[CampaignScore]) -> tuple[ScenarioRecall, ...]:
    """By family and dose, in that order."""
    groups: dict[tuple[str, float | None], list[CampaignScore]] = {}
    for campaign in campaigns:
        groups.setdefault((campaign.scenario.family, campaign.scenario.dose), []).append(campaign)
    order = sorted(groups, key=lambda key: (key[0], key[1] is not None, key[1] or 0.0))
    return tuple(ScenarioRecall(*key, Recall.of(groups[key])) for key in order)


def by_size(campaigns: Iterable[CampaignScore]) -> tuple[SizeRecall, ...]:
    """By class of size; classes without a campaign are left out."""
    bounds = [0, *(floor(sqrt(a * b)) for a, b in pairwise(SIZES)), None]
    groups: dict[int, list[CampaignScore]] = {}
    for campaign in campaigns:
        groups.setdefault(size_class(campaign.accounts.recall.total), []).append(campaign)
    return tuple(
        SizeRecall(size, (low or 0) + 1, high, Recall.of(groups[size]))
        for size, (low, high) in zip(SIZES, pairwise(bounds), strict=True)
        if size in groups
    )


def size_class(accounts: int) -> int:
    """The class of a campaign with so many accounts (at least 1)."""
    return min(SIZES, key=lambda size: abs(log(accounts / size)))
