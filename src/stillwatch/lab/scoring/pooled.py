"""Scores of several worlds or seeds taken together: counts are added, intervals are taken of the sums."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from stillwatch.lab.scoring.calibration import Calibrated, calibrate
from stillwatch.lab.scoring.grouping import Grouping
from stillwatch.lab.scoring.grouping import pool as pool_groupings
from stillwatch.lab.scoring.leakage import LeakageSummary
from stillwatch.lab.scoring.price import Price, prices
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.recall import ScenarioRecall, SizeRecall, by_scenario, by_size
from stillwatch.lab.scoring.result import Score


@dataclass(frozen=True)
class Effort:
    """Time and memory over runs: median seconds by the clock, most memory of any run; None where not said."""

    runs: int
    median_wall_s: float | None
    total_cpu_s: float | None
    peak_bytes: int | None
    exchanges_per_second: float | None


@dataclass(frozen=True)
class Pooled:
    """Scores taken together.

    Attributes:
        scores: the scores.
        campaigns: found campaigns among the true ones.
        by_scenario: recall by family and dose.
        by_size: recall by class of size.
        false_campaigns: number of false campaigns by the stratum they hit.
        fragments: number of fragments.
        benign: benign accounts that are reported as members.
        benign_by_stratum: the same by stratum.
        accounts: reported members against true members.
        exchanges: flagged exchanges against those of campaigns.
        grouping: all worlds as one.
        leakage: over all campaigns.
        calibration: realised against nominal false discovery.
        prices: the attacker's price by family.
        relinking: replaced accounts that were linked to their successor; None if no world says who was replaced.
        effort: time and memory.
        notes: what could not be measured, each once.
    """

    scores: tuple[Score, ...]
    campaigns: Rate
    by_scenario: tuple[ScenarioRecall, ...]
    by_size: tuple[SizeRecall, ...]
    false_campaigns: dict[str, int]
    fragments: int
    benign: Rate
    benign_by_stratum: dict[str, Rate]
    accounts: Agreement
    exchanges: Agreement
    grouping: Grouping
    leakage: LeakageSummary
    calibration: tuple[Calibrated, ...]
    prices: tuple[Price, ...]
    relinking: Rate | None
    effort: Effort
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the single scores are left out."""
        return {
            "runs": len(self.scores),
            "campaigns": self.campaigns.to_dict(),
            "by_scenario": [row.to_dict() for row in self.by_scenario],
            "by_size": [row.to_dict() for row in self.by_size],
            "false_campaigns": self.false_campaigns,
            "fragments": self.fragments,
            "benign": self.benign.to_dict(),
            "benign_by_stratum": {name: rate.to_dict() for name, rate in self.benign_by_stratum.items()},
            "accounts": self.accounts.to_dict(),
            "exchanges": self.exchanges.to_dict(),
            "grouping": asdict(self.grouping),
            "leakage": asdict(self.leakage),
            "calibration": [row.to_dict() for row in self.calibration],
            "prices": [price.to_dict() for price in self.prices],
            "relinking": self.relinking.to_dict() if self.relinking is not None else None,
            "effort": asdict(self.effort),
            "notes": list(self.notes),
        }


def pool(scores: Sequence[Score]) -> Pooled:
    """Takes the scores of several worlds or seeds together.

    Every rate is the sum of hits over the sum of totals with the exact interval of that sum. Accounts and exchanges
    of one campaign share its fate, so their intervals are too narrow: compare detectors with `lab compare`.
    """
    campaigns = [campaign for score in scores for campaign in score.campaigns]
    strata = sorted({name for score in scores for name in score.benign_by_stratum})
    hit = Counter(u.stratum for score in scores for u in score.false_campaigns)
    relinking = [score.relinking for score in scores if score.relinking is not None]
    return Pooled(
        scores=tuple(scores),
        campaigns=Rate(sum(c.found for c in campaigns), len(campaigns)),
        by_scenario=by_scenario(campaigns),
        by_size=by_size(campaigns),
        false_campaigns={name: hit[name] for name in sorted(hit, key=lambda name: (-hit[name], name))},
        fragments=sum(len(score.fragments) for score in scores),
        benign=Rate.add(score.benign for score in scores),
        benign_by_stratum={
            name: Rate.add(s.benign_by_stratum[name] for s in scores if name in s.benign_by_stratum)
            for name in strata
        },
        accounts=Agreement.add(score.accounts for score in scores),
        exchanges=Agreement.add(score.exchanges for score in scores),
        grouping=pool_groupings(score.grouping for score in scores),
        leakage=LeakageSummary.of(campaign.leakage for campaign in campaigns),
        calibration=calibrate([score.discoveries for score in scores]),
        prices=prices((c.scenario, c.exchanges.recall) for c in campaigns),
        relinking=Rate.add(relinking) if relinking else None,
        effort=_effort(scores),
        notes=tuple(dict.fromkeys(note for score in scores for note in score.notes)),
    )


def _effort(scores: Sequence[Score]) -> Effort:
    timed = [score for score in scores if score.spent.wall_s is not None]
    walls = [score.spent.wall_s for score in timed if score.spent.wall_s is not None]
    cpus = [score.spent.cpu_s for score in scores if score.spent.cpu_s is not None]
    peaks = [score.spent.peak_bytes for score in scores if score.spent.peak_bytes is not None]
    return Effort(
        len(scores),
        median(walls) if walls else None,
        sum(cpus) if cpus else None,
        max(peaks, default=None),
        sum(score.n_exchanges for score in timed) / sum(walls) if walls and sum(walls) else None,
    )
