"""`stillwatch lab score`: a detector's three result tables against the labels of the world.

The matching rule: a reported campaign belongs to the true campaign that most of its flagged exchanges are of
(of its member accounts, if it flags no exchange). It *matches* if at least half of them are (precision >=
0.5) and they are at least a tenth of that campaign (recall >= 0.1); with less than a tenth it is a
*fragment*; with less than half it is a *false campaign*. A true campaign is found if anything matches it. In
a reseller an account with at least one exchange of the campaign is a true member, whatever else it carries.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stillwatch.campaigns.tables import Rung
from stillwatch.lab.scoring.grouping import Grouping, compare
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.tables import Reported, Truth, most_common, read_reported, read_truth

MATCH_PRECISION = 0.5
MATCH_RECALL = 0.1
_RUNGS = [rung.value for rung in Rung]


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
    """

    campaign_id: str
    found: bool
    rung: str | None
    reported: tuple[str, ...]
    accounts: Agreement
    exchanges: Agreement


@dataclass(frozen=True)
class Unmatched:
    """A reported campaign without a match: false, or a fragment of a true one.

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
        fragments: reported campaigns that hit less than a tenth of a true one.
        benign: accounts without a campaign exchange that are reported as members.
        benign_by_stratum: the same by the stratum of most of an account's exchanges.
        accounts: all reported members against all true members.
        exchanges: all flagged exchanges against all exchanges of campaigns.
        grouping: of the accounts that are true or reported members; a benign account is a true group of its
            own.
    """

    campaigns: tuple[CampaignScore, ...]
    false_campaigns: tuple[Unmatched, ...]
    fragments: tuple[Unmatched, ...]
    benign: Rate
    benign_by_stratum: dict[str, Rate]
    accounts: Agreement
    exchanges: Agreement
    grouping: Grouping

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "campaigns": [
                {
                    "campaign_id": c.campaign_id,
                    "found": c.found,
                    "rung": c.rung,
                    "reported": list(c.reported),
                    "accounts": c.accounts.to_dict(),
                    "exchanges": c.exchanges.to_dict(),
                }
                for c in self.campaigns
            ],
            "false_campaigns": [asdict(u) for u in self.false_campaigns],
            "fragments": [asdict(u) for u in self.fragments],
            "benign": self.benign.to_dict(),
            "benign_by_stratum": {name: rate.to_dict() for name, rate in self.benign_by_stratum.items()},
            "accounts": self.accounts.to_dict(),
            "exchanges": self.exchanges.to_dict(),
            "grouping": asdict(self.grouping),
        }


def score(results: Path, labels: Path) -> Score:
    """Scores the folder of a scan (or of any detector that writes the three tables) against labels.parquet.

    Args:
        results: folder with campaigns.parquet, members.parquet and flagged.parquet.
        labels: labels.parquet of the simulation.

    Raises:
        UnreadableInputError: for a missing or broken table.
        UsageError: for results of another dataset.
    """
    truth = read_truth(labels)
    return score_tables(read_reported(results, truth), truth)


def score_tables(reported: Reported, truth: Truth) -> Score:
    """Scores tables that were read."""
    matches: dict[str, list[str]] = {campaign: [] for campaign in sorted(truth.exchanges)}
    false, fragments = [], []
    for name in sorted(reported.rung):
        nearest, precision, recall = _nearest(name, reported, truth)
        if nearest is None or precision < MATCH_PRECISION:
            false.append(_unmatched(name, precision, reported, truth))
        elif recall < MATCH_RECALL:
            fragments.append(_unmatched(name, precision, reported, truth))
        else:
            matches[nearest].append(name)
    members = {account for accounts in reported.members.values() for account in accounts}
    flagged = {exchange for exchanges in reported.flagged.values() for exchange in exchanges}
    return Score(
        tuple(_campaign(campaign, names, reported, truth) for campaign, names in matches.items()),
        tuple(false),
        tuple(fragments),
        *_benign(members, truth),
        Agreement.of(members, truth.members),
        Agreement.of(flagged, set(truth.campaign)),
        _grouping(members, reported, truth),
    )


def _nearest(name: str, reported: Reported, truth: Truth) -> tuple[str | None, float, float]:
    """The true campaign that most of a reported one belongs to, with precision and recall."""
    exchanges, accounts = reported.flagged[name], set(reported.members[name])
    if exchanges:
        hits = Counter(truth.campaign[e] for e in exchanges if e in truth.campaign)
        size, totals = len(exchanges), {c: len(own) for c, own in truth.exchanges.items()}
    else:
        hits = Counter({c: len(accounts & own) for c, own in truth.accounts.items() if accounts & own})
        size, totals = len(accounts), {c: len(own) for c, own in truth.accounts.items()}
    if not hits:
        return None, 0.0, 0.0
    nearest = most_common(hits)
    return nearest, hits[nearest] / size, hits[nearest] / totals[nearest]


def _campaign(campaign: str, names: list[str], reported: Reported, truth: Truth) -> CampaignScore:
    members = {account for name in names for account in reported.members[name]}
    flagged = {exchange for name in names for exchange in reported.flagged[name]}
    rungs = [reported.rung[name] for name in names]
    return CampaignScore(
        campaign,
        bool(names),
        max(rungs, key=lambda r: _RUNGS.index(r) if r in _RUNGS else -1) if rungs else None,
        tuple(names),
        Agreement.of(members, truth.accounts[campaign]),
        Agreement.of(flagged, truth.exchanges[campaign]),
    )


def _unmatched(name: str, precision: float, reported: Reported, truth: Truth) -> Unmatched:
    exchanges, accounts = reported.flagged[name], reported.members[name]
    strata = Counter(truth.stratum[e] for e in exchanges) or Counter(truth.home[a] for a in accounts)
    stratum = most_common(strata) if strata else "nothing"
    return Unmatched(name, reported.rung[name], len(accounts), len(exchanges), stratum, precision)


def _benign(members: set[str], truth: Truth) -> tuple[Rate, dict[str, Rate]]:
    innocent = truth.home.keys() - truth.members
    total = Counter(truth.home[account] for account in innocent)
    hit = Counter(truth.home[account] for account in innocent & members)
    rates = {stratum: Rate(hit[stratum], total[stratum]) for stratum in sorted(total)}
    return Rate(hit.total(), total.total()), rates


def _grouping(members: set[str], reported: Reported, truth: Truth) -> Grouping:
    """An account of several campaigns counts where most of its exchanges, or its probability, are."""
    likeliest: dict[str, tuple[float, str]] = {}
    for campaign in sorted(reported.members, reverse=True):
        for account, probability in reported.members[campaign].items():
            if probability >= likeliest.get(account, (-1.0, ""))[0]:
                likeliest[account] = (probability, campaign)
    said: Mapping[str, tuple[str, str]] = {a: ("group", campaign) for a, (_, campaign) in likeliest.items()}
    items = members | truth.members
    return compare(
        {a: said.get(a, ("alone", a)) for a in items},
        {a: ("group", most_common(truth.shares[a])) if a in truth.shares else ("alone", a) for a in items},
    )
