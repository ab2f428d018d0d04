"""A detector's score on one world, and its JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.lab.scoring.calibration import Discoveries, Discovery, Outcome, calibrate
from stillwatch.lab.scoring.campaign import CampaignScore
from stillwatch.lab.scoring.grouping import Grouping, Part
from stillwatch.lab.scoring.leakage import LeakageSummary
from stillwatch.lab.scoring.price import prices
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.recall import by_scenario, by_size
from stillwatch.lab.scoring.spent import Spent


@dataclass(frozen=True)
class Unmatched:
    """A reported campaign without a match: false, or a fragment.

    Attributes:
        campaign_id: reported name.
        rung: its rung.
        n_accounts: members.
        n_exchanges: flagged exchanges.
        stratum: stratum of most of its flagged exchanges (else of its accounts).
        precision: share that belongs to the nearest true campaign.
    """

    campaign_id: str
    rung: str
    n_accounts: int
    n_exchanges: int
    stratum: str
    precision: float


@dataclass(frozen=True)
class Score:
    """A detector's score on one world.

    Attributes:
        campaigns: each true campaign.
        false_campaigns: reported campaigns that mostly hit something else.
        fragments: reported campaigns that hit less than a tenth of a true one, or several welded together.
        benign: accounts without a campaign exchange that are reported as members.
        benign_by_stratum: the same by the stratum of most of an account's exchanges.
        accounts: all reported members against all true members.
        exchanges: all flagged exchanges against all exchanges of campaigns.
        grouping: of the accounts that are true or reported members; a benign account is a true group of its
            own.
        discoveries: every reported campaign with its nominal rate and what it turned out to be.
        relinking: replaced accounts that stand in one reported campaign with their successor; None if the
            world does not say who was replaced.
        spent: time and memory of the detector.
        n_exchanges: exchanges of the world.
        n_accounts: accounts of the world.
        notes: what could not be measured, in words.
        false_part: what the benign accounts of false campaigns contribute to the grouping.
    """

    campaigns: tuple[CampaignScore, ...]
    false_campaigns: tuple[Unmatched, ...]
    fragments: tuple[Unmatched, ...]
    benign: Rate
    benign_by_stratum: dict[str, Rate]
    accounts: Agreement
    exchanges: Agreement
    grouping: Grouping
    discoveries: Discoveries = field(default_factory=lambda: Discoveries(()))
    relinking: Rate | None = None
    spent: Spent = field(default_factory=Spent)
    n_exchanges: int = 0
    n_accounts: int = 0
    notes: tuple[str, ...] = ()
    false_part: Part = field(default_factory=Part)

    def to_dict(self, *, spent: bool = False) -> dict[str, Any]:
        """For JSON; the same results give the same, unless time and memory are asked for (`spent`).

        What can be computed from the rest (by_scenario, by_size, leakage, calibration, prices) is there for readers
        and ignored by `from_dict`.
        """
        recalls = [(c.scenario, c.exchanges.recall) for c in self.campaigns]
        return {
            "campaigns": [campaign.to_dict() for campaign in self.campaigns],
            "false_campaigns": [asdict(u) for u in self.false_campaigns],
            "fragments": [asdict(u) for u in self.fragments],
            "benign": self.benign.to_dict(),
            "benign_by_stratum": {name: rate.to_dict() for name, rate in self.benign_by_stratum.items()},
            "accounts": self.accounts.to_dict(),
            "exchanges": self.exchanges.to_dict(),
            "grouping": asdict(self.grouping),
            "by_scenario": [row.to_dict() for row in by_scenario(self.campaigns)],
            "by_size": [row.to_dict() for row in by_size(self.campaigns)],
            "leakage": asdict(LeakageSummary.of(c.leakage for c in self.campaigns)),
            "discoveries": [asdict(d) for d in self.discoveries.reported],
            "nominal_fdr": self.discoveries.nominal,
            "calibration": [row.to_dict() for row in calibrate([self.discoveries])],
            "prices": [price.to_dict() for price in prices(recalls)],
            "relinking": self.relinking.to_dict() if self.relinking is not None else None,
            **({"spent": self.spent.to_dict()} if spent else {}),
            "n_exchanges": self.n_exchanges,
            "n_accounts": self.n_accounts,
            "notes": list(self.notes),
            "false_part": asdict(self.false_part),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], file: str = "score") -> "Score":
        """From `to_dict`, so that saved scores can be pooled.

        Raises UnreadableInputError, naming `file`, if it is no score of this version.
        """
        try:
            return cls(
                tuple(CampaignScore.from_dict(campaign) for campaign in data["campaigns"]),
                tuple(Unmatched(**u) for u in data["false_campaigns"]),
                tuple(Unmatched(**u) for u in data["fragments"]),
                Rate.from_dict(data["benign"]),
                {name: Rate.from_dict(rate) for name, rate in data["benign_by_stratum"].items()},
                Agreement.from_dict(data["accounts"]),
                Agreement.from_dict(data["exchanges"]),
                Grouping(**data["grouping"]),
                Discoveries(tuple(_discovery(d) for d in data["discoveries"]), data["nominal_fdr"]),
                Rate.from_dict(data["relinking"]) if data["relinking"] is not None else None,
                Spent(**data.get("spent", {})),
                int(data["n_exchanges"]),
                int(data["n_accounts"]),
                tuple(data["notes"]),
                Part(**data["false_part"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"no score of this version ({type(error).__name__}: {error})"
            raise UnreadableInputError(what, "Score the results again.", file=file) from error


def _discovery(data: Mapping[str, Any]) -> Discovery:
    return Discovery(data["campaign_id"], data["fdr"], Outcome(data["outcome"]))
