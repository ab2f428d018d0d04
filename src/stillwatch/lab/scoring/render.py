"""A score as tables for the terminal and as JSON."""

import json

from rich.console import Group
from rich.table import Table

from stillwatch.lab.score import Score, Unmatched
from stillwatch.lab.scoring.rates import Rate


def to_json(score: Score) -> str:
    """The score as indented JSON with sorted keys."""
    return json.dumps(score.to_dict(), indent=2, sort_keys=True, allow_nan=False)


def to_tables(score: Score) -> Group:
    """The score as tables: campaigns, what was reported wrongly, benign accounts by stratum, totals."""
    parts = [_campaigns(score)]
    if score.false_campaigns:
        parts.append(_unmatched("False campaigns", score.false_campaigns))
    if score.fragments:
        parts.append(_unmatched("Fragments of true campaigns", score.fragments))
    return Group(*parts, _benign(score), _totals(score))


def _campaigns(score: Score) -> Table:
    table = Table(title="True campaigns", title_justify="left")
    for name in ("campaign", "found as", "rung"):
        table.add_column(name, overflow="fold")
    for name in ("accounts prec.", "accounts rec.", "exchanges prec.", "exchanges rec."):
        table.add_column(name, justify="right")
    for campaign in score.campaigns:
        both = (campaign.accounts, campaign.exchanges)
        figures = [_percent(rate.share) for a in both for rate in (a.precision, a.recall)]
        table.add_row(
            campaign.campaign_id, ", ".join(campaign.reported) or "missed", campaign.rung or "-", *figures
        )
    return table


def _unmatched(title: str, rows: tuple[Unmatched, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("reported", "rung", "stratum hit", "accounts", "exchanges", "share of a true campaign"):
        table.add_column(name, justify="left" if name in ("reported", "rung", "stratum hit") else "right")
    for row in rows:
        counts = (str(row.n_accounts), str(row.n_exchanges), _percent(row.precision))
        table.add_row(row.campaign_id, row.rung, row.stratum, *counts)
    return table


def _benign(score: Score) -> Table:
    table = Table(title="Benign accounts reported as members", title_justify="left")
    table.add_column("stratum")
    for name in ("reported", "accounts", "rate", "95 % interval"):
        table.add_column(name, justify="right")
    for stratum, rate in score.benign_by_stratum.items():
        table.add_row(stratum, *_cells(rate))
    table.add_section()
    table.add_row("all", *_cells(score.benign))
    return table


def _totals(score: Score) -> Table:
    table = Table(title="Totals", title_justify="left")
    for name in ("measure", "precision", "recall", "F1"):
        table.add_column(name, justify="left" if name == "measure" else "right")
    for name, agreement in (("accounts", score.accounts), ("exchanges", score.exchanges)):
        table.add_row(name, _percent(agreement.precision.share), _percent(agreement.recall.share), "")
    g = score.grouping
    table.add_row(
        "B-cubed", _percent(g.b_cubed_precision), _percent(g.b_cubed_recall), _percent(g.b_cubed_f1)
    )
    table.add_row("pairs of accounts", _percent(g.pair_precision), _percent(g.pair_recall), "")
    return table


def _cells(rate: Rate) -> tuple[str, str, str, str]:
    interval = "-" if rate.low is None else f"{_percent(rate.low)} to {_percent(rate.high)}"
    return str(rate.hits), str(rate.total), _percent(rate.share), interval


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
