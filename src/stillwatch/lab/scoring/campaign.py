"""How a detector did on one true campaign."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from stillwatch.lab.scoring.grouping import Part
from stillwatch.lab.scoring.joining import Joining
from stillwatch.lab.scoring.leakage import Leakage, Stopped
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.scenarios import Scenario


@dataclass(frozen=True)
class CampaignScore:
    """One true campaign.

    Attributes:
        campaign_id: true name.
        found: whether any reported campaign matches.
        rung: highest rung of those that match; None if not found.
        reported: names of those that match.
        accounts: members of the matching ones against the true members.
        exchanges: flagged exchanges of the matching ones against the true exchanges.
        scenario: its conduct and price.
        leakage: its exchanges that were gone before the verdict.
        relinked: of its replaced accounts, those that stand in one reported campaign with their successor.
        part: what its members, and the benign accounts reported with them, contribute to the grouping.
        joining: how soon its replaced accounts were joined; None where the detector tells no such time.
    """

    campaign_id: str
    found: bool
    rung: str | None
    reported: tuple[str, ...]
    accounts: Agreement
    exchanges: Agreement
    scenario: Scenario
    leakage: Leakage
    relinked: Rate
    part: Part = field(default_factory=Part)
    joining: Joining | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "campaign_id": self.campaign_id,
            "found": self.found,
            "rung": self.rung,
            "reported": list(self.reported),
            "accounts": self.accounts.to_dict(),
            "exchanges": self.exchanges.to_dict(),
            "scenario": self.scenario.to_dict(),
            "leakage": self.leakage.share,
            "gone": self.leakage.to_dict(),
            "relinked": self.relinked.to_dict(),
            "part": asdict(self.part),
            "joining": self.joining.to_dict() if self.joining is not None else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "CampaignScore":
        """From `to_dict`."""
        return cls(
            data["campaign_id"],
            bool(data["found"]),
            data["rung"],
            tuple(data["reported"]),
            Agreement.from_dict(data["accounts"]),
            Agreement.from_dict(data["exchanges"]),
            Scenario(**data["scenario"]),
            Leakage(**{**data["gone"], "stopped": Stopped(data["gone"]["stopped"])}),
            Rate.from_dict(data["relinked"]),
            Part(**data["part"]),
            Joining.from_dict(data["joining"]) if data["joining"] is not None else None,
        )
