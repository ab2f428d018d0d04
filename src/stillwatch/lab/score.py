"""`stillwatch lab score`: a detector's three result tables against the labels of the world.

The matching rule: a reported campaign belongs to the true campaign that most of its flagged exchanges are of
(of its member accounts, if it flags no exchange). It *matches* if at least half of them are (precision >=
0.5) and they are at least a tenth of that campaign (recall >= 0.1). It is a *false campaign* if less than half
of what it flags is of any campaign at all. What lies between is a *fragment*: less than a tenth of a campaign,
or several campaigns welded together of which none has half; no discovery, and no false accusation either. A
true campaign is found if anything matches it. In a reseller an account with at least one exchange of the
campaign is a true member, whatever else it carries.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stillwatch.campaigns.tables import Rung
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.lab.scoring.calibration import Discoveries, Discovery, Outcome
from stillwatch.lab.scoring.campaign import CampaignScore
from stillwatch.lab.scoring.grouping import Grouping, Part, compare, parts
from stillwatch.lab.scoring.joining import Joining, joinings
from stillwatch.lab.scoring.leakage import Leakage, Stopped, measure
from stillwatch.lab.scoring.pooled import Pooled, pool
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.result import Score, Unmatched
from stillwatch.lab.scoring.scenarios import Replacement, Scenario, read_replacements, read_scenarios
from stillwatch.lab.scoring.spent import read_nominal, read_spent
from stillwatch.lab.scoring.store import opened_store
from stillwatch.lab.scoring.tables import Reported, Truth, most_common, read_reported, read_truth

__all__ = ["CampaignScore", "Matches", "Pooled", "Score", "Unmatched", "match", "pool", "score"]

MATCH_PRECISION = 0.5
MATCH_RECALL = 0.1
_NOWHERE = ""
_RUNGS = [rung.value for rung in Rung]


@dataclass(frozen=True)
class _Extras:
    """What is known of a true campaign beyond labels and matches."""

    scenario: Scenario
    leakage: Leakage
    relinked: Rate
    part: Part
    joining: Joining | None


@dataclass(frozen=True)
class Matches:
    """What each reported campaign is: a match of a true one, false, or a fragment; `near`: what it is next to."""

    of: dict[str, list[str]]
    false: list[Unmatched]
    fragments: list[Unmatched]
    near: dict[str, str]

    def discoveries(self, reported: Reported, nominal: float | None) -> Discoveries:
        """Each reported campaign with its rate and what it is."""
        outcome = dict.fromkeys(reported.rung, Outcome.FOUND)
        outcome |= {u.campaign_id: Outcome.FALSE for u in self.false}
        outcome |= {u.campaign_id: Outcome.FRAGMENT for u in self.fragments}
        return Discoveries(
            tuple(Discovery(name, reported.fdr.get(name), outcome[name]) for name in sorted(outcome)), nominal
        )


def score(results: Path, labels: Path, dataset: Path | None = None) -> Score:
    """Scores the folder of a scan (or of any detector that writes the three tables) against labels.parquet.

    Beside the labels, scenarios.parquet and replacements.parquet are read where they are, and the folder `dataset`
    is taken for the dataset. In the results folder, run.json or summary.json tell time and memory. Of exchanges
    only counts are held in memory, so 28.8 million of them fit.

    Args:
        results: folder with campaigns.parquet, members.parquet and flagged.parquet.
        labels: labels.parquet of the simulation.
        dataset: dataset folder, for the times of exchanges; None for `dataset` beside the labels, if there.

    Raises:
        UnreadableInputError: for a missing or broken table.
        UsageError: for results or a dataset of other labels.
    """
    folder = labels.parent
    if dataset is None and (folder / "dataset" / "exchanges").is_dir():
        dataset = folder / "dataset"
    elif dataset is not None and not dataset.is_dir():
        raise UnreadableInputError("there is no such folder", "Name a dataset folder.", file=dataset)
    with opened_store() as store:
        truth = read_truth(store, labels)
        scenarios = read_scenarios(folder, truth.exchanges)
        replacements = read_replacements(folder)
        reported = read_reported(store, results, truth)
        matches = match(reported, truth)
        verdicts = {c: [reported.flagged_at[name] for name in names] for c, names in matches.of.items()}
        totals = dict(sorted(truth.exchanges.items()))
        leaks = measure(store, totals, verdicts, dataset)
        timed = dataset is not None and bool(reported.joined_at)
        joined = joinings(store, truth, reported, matches.of, replacements or ()) if timed else {}
    members = {account for accounts in reported.members.values() for account in accounts}
    grouping, shares = _grouping(members, reported, truth, matches.near)
    pairs = None if replacements is None else _relinked(replacements, reported, truth)
    extras = {
        campaign: _Extras(
            (scenarios or {}).get(campaign, Scenario(campaign)),
            leaks[campaign],
            (pairs or {}).get(campaign, Rate(0, 0)),
            shares.get(campaign, Part()),
            joined.get(campaign),
        )
        for campaign in totals
    }
    spent = read_spent(results)
    return Score(
        tuple(_campaign(c, names, reported, truth, extras[c]) for c, names in matches.of.items()),
        tuple(matches.false),
        tuple(matches.fragments),
        *_benign(members, truth),
        Agreement.of(members, truth.members),
        _all_exchanges(reported, truth),
        grouping,
        matches.discoveries(reported, read_nominal(results)),
        None if pairs is None else Rate.add(pairs.values()),
        spent,
        truth.n_exchanges,
        len(truth.home),
        _notes(scenarios is None, replacements, truth, leaks),
        shares.get(_NOWHERE, Part()),
    )


def match(reported: Reported, truth: Truth) -> Matches:
    """Which true campaign each reported one matches, by the rule above."""
    found = Matches({campaign: [] for campaign in sorted(truth.exchanges)}, [], [], {})
    for name in sorted(reported.rung):
        near = _nearest(name, reported, truth)
        found.near[name] = near.campaign or _NOWHERE
        if near.campaign is None or near.hostile < MATCH_PRECISION:
            found.false.append(_unmatched(name, near.precision, reported, truth))
            found.near[name] = _NOWHERE
        elif near.precision < MATCH_PRECISION or near.recall < MATCH_RECALL:
            found.fragments.append(_unmatched(name, near.precision, reported, truth))
        else:
            found.of[near.campaign].append(name)
    return found


@dataclass(frozen=True)
class _Nearest:
    """The true campaign that most of a reported one belongs to.

    Attributes:
        campaign: its name; None if the reported one has nothing of any.
        precision: share of the reported one that is of it.
        recall: share of it that is reported.
        hostile: share of the reported one that is of any campaign.
    """

    campaign: str | None = None
    precision: float = 0.0
    recall: float = 0.0
    hostile: float = 0.0


def _nearest(name: str, reported: Reported, truth: Truth) -> _Nearest:
    flagged, accounts = reported.flagged[name], set(reported.members[name])
    hits: Counter[str] = Counter()
    if flagged:
        for (campaign, _), n in flagged.items():
            if campaign is not None:
                hits[campaign] += n
        size, totals, together = flagged.total(), dict(truth.exchanges), hits.total()
    else:
        hits.update({c: len(accounts & own) for c, own in truth.accounts.items() if accounts & own})
        size, totals = len(accounts), {c: len(own) for c, own in truth.accounts.items()}
        # An account of two campaigns counts once.
        together = len(accounts & truth.members)
    if not hits:
        return _Nearest()
    nearest = most_common(hits)
    return _Nearest(nearest, hits[nearest] / size, hits[nearest] / totals[nearest], together / size)


def _campaign(
    campaign: str, names: list[str], reported: Reported, truth: Truth, extras: _Extras
) -> CampaignScore:
    members = {account for name in names for account in reported.members[name]}
    hits = reported.hits(names, campaign)
    flagged = sum(reported.flagged[name].total() for name in names)
    rungs = [reported.rung[name] for name in names]
    return CampaignScore(
        campaign,
        bool(names),
        max(rungs, key=lambda r: _RUNGS.index(r) if r in _RUNGS else -1) if rungs else None,
        tuple(names),
        Agreement.of(members, truth.accounts[campaign]),
        Agreement(Rate(hits, flagged), Rate(hits, truth.exchanges[campaign])),
        extras.scenario,
        extras.leakage,
        extras.relinked,
        extras.part,
        extras.joining,
    )


def _unmatched(name: str, precision: float, reported: Reported, truth: Truth) -> Unmatched:
    flagged, accounts = reported.flagged[name], reported.members[name]
    strata: Counter[str] = Counter()
    for (_, stratum), n in flagged.items():
        strata[stratum] += n
    strata = strata or Counter(truth.home[a] for a in accounts)
    stratum = most_common(strata) if strata else "nothing"
    return Unmatched(name, reported.rung[name], len(accounts), flagged.total(), stratum, precision)


def _benign(members: set[str], truth: Truth) -> tuple[Rate, dict[str, Rate]]:
    innocent = truth.home.keys() - truth.members
    total = Counter(truth.home[account] for account in innocent)
    hit = Counter(truth.home[account] for account in innocent & members)
    rates = {stratum: Rate(hit[stratum], total[stratum]) for stratum in sorted(total)}
    return Rate(hit.total(), total.total()), rates


def _all_exchanges(reported: Reported, truth: Truth) -> Agreement:
    cells = [cell for flagged in reported.flagged.values() for cell in flagged.items()]
    hits = sum(n for (campaign, _), n in cells if campaign is not None)
    return Agreement(Rate(hits, sum(n for _, n in cells)), Rate(hits, truth.exchanges.total()))


def _grouping(
    members: set[str], reported: Reported, truth: Truth, near: Mapping[str, str]
) -> tuple[Grouping, dict[str, Part]]:
    """The grouping, and the part of each true campaign; of `_NOWHERE`, the benign accounts of false campaigns.

    An account of several campaigns counts where most of its exchanges, or its probability, are.
    """
    likeliest: dict[str, tuple[float, str]] = {}
    for campaign in sorted(reported.members, reverse=True):
        for account, probability in reported.members[campaign].items():
            if probability >= likeliest.get(account, (-1.0, ""))[0]:
                likeliest[account] = (probability, campaign)
    items = members | truth.members
    home = {a: most_common(truth.shares[a]) if a in truth.shares else near[likeliest[a][1]] for a in items}
    said = {a: ("group", likeliest[a][1]) if a in likeliest else ("alone", a) for a in items}
    true = {a: ("group", home[a]) if a in truth.shares else ("alone", a) for a in items}
    return compare(said, true), parts(said, true, home)


def _relinked(replacements: Sequence[Replacement], reported: Reported, truth: Truth) -> dict[str, Rate]:
    """Pairs of which both accounts have an exchange; nobody can link one that never asked for anything."""
    within: dict[str, set[str]] = {}
    for name, accounts in reported.members.items():
        for account in accounts:
            within.setdefault(account, set()).add(name)
    hits, total = Counter[str](), Counter[str]()
    for pair in replacements:
        if _both_seen(pair, truth):
            total[pair.campaign_id] += 1
            common = within.get(pair.account_id, set()) & within.get(pair.replaces, set())
            hits[pair.campaign_id] += bool(common)
    return {campaign: Rate(hits[campaign], total[campaign]) for campaign in sorted(total)}


def _both_seen(pair: Replacement, truth: Truth) -> bool:
    return pair.account_id in truth.home and pair.replaces in truth.home


def _notes(
    nameless: bool,
    replacements: Sequence[Replacement] | None,
    truth: Truth,
    leaks: Mapping[str, Leakage],
) -> tuple[str, ...]:
    """What could not be measured, and what counts in a way that a reader would not expect."""
    notes = []
    if nameless and truth.exchanges:
        notes.append(
            "No scenarios.parquet beside the labels: campaigns stand under their own names, without a price."
        )
    unseen = sum(not _both_seen(pair, truth) for pair in replacements or ())
    if unseen:
        notes.append(
            "Relinking leaves out replacements of which one account has no exchange; "
            "nobody could have linked them."
        )
    stopped = {leak.stopped for leak in leaks.values()}
    if Stopped.AFTER_EVERYTHING in stopped:
        notes.append(
            "Verdicts without a time (flagged_at is null) come after everything: all exchanges are gone by then."
        )
    if Stopped.UNKNOWN in stopped:
        notes.append(
            "No dataset beside the labels: leakage before verdicts with a time is unknown (name it with --dataset)."
        )
    return tuple(notes)
