"""A score, or several pooled, as tables for the terminal and as JSON."""

import json
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from stillwatch.lab.scoring.calibration import Calibrated
from stillwatch.lab.scoring.grouping import Grouping
from stillwatch.lab.scoring.leakage import Gone, LeakageSummary
from stillwatch.lab.scoring.pooled import Effort, Pooled, pool
from stillwatch.lab.scoring.price import Price
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.recall import Recall
from stillwatch.lab.scoring.result import Score, Unmatched
from stillwatch.lab.scoring.spoken import (
    accounts_range,
    bytes_spoken,
    figure,
    interval,
    number,
    percent,
    scenario,
)


def to_json(score: Score) -> str:
    """The score as indented JSON with sorted keys."""
    return json.dumps(score.to_dict(), indent=2, sort_keys=True, allow_nan=False)


def to_tables(score: Score) -> Group:
    """The score as tables: campaigns, what was reported wrongly, then as `pooled_tables`."""
    parts: list[RenderableType] = [_campaigns(score)]
    if score.false_campaigns:
        parts.append(_unmatched("False campaigns", score.false_campaigns))
    if score.fragments:
        parts.append(_unmatched("Fragments of true campaigns, or several welded together", score.fragments))
    return Group(*parts, *_summary(pool([score])))


def pooled_tables(pooled: Pooled) -> Group:
    """Several scores as tables: recall, false campaigns, benign accounts, totals, and the rest of the figures."""
    first = _table(f"{len(pooled.scores)} runs taken together", "", "campaigns", "found", "95 % interval")
    first.add_row("all", *_recall_cells(pooled.campaigns))
    parts: list[RenderableType] = [first]
    if pooled.false_campaigns:
        hit = _table("False campaigns", "stratum hit", "campaigns")
        for stratum, count in pooled.false_campaigns.items():
            hit.add_row(escape(stratum), str(count))
        parts.append(hit)
    return Group(*parts, *_summary(pooled))


def _summary(pooled: Pooled) -> list[RenderableType]:
    return [
        *_recalls(pooled),
        _benign(pooled.benign, pooled.benign_by_stratum),
        _totals(pooled.accounts, pooled.exchanges, pooled.grouping),
        *_leakage(pooled.leakage),
        *_calibration(pooled.calibration),
        *_prices(pooled.prices),
        _rest(pooled.relinking, pooled.effort),
        *(escape(note) for note in pooled.notes),
    ]


def _table(title: str, first: str, *figures: str) -> Table:
    """A table whose first column holds names and the others figures."""
    table = Table(title=title, title_justify="left")
    table.add_column(first, overflow="fold")
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _campaigns(score: Score) -> Table:
    table = Table(title="True campaigns", title_justify="left")
    for name in ("campaign", "found as", "rung"):
        table.add_column(name, overflow="fold")
    for name in ("accounts prec.", "accounts rec.", "exchanges prec.", "exchanges rec.", "gone before"):
        table.add_column(name, justify="right")
    for campaign in score.campaigns:
        both = (campaign.accounts, campaign.exchanges)
        figures = [percent(rate.share) for a in both for rate in (a.precision, a.recall)]
        found = escape(", ".join(campaign.reported)) or "missed"
        names = (escape(campaign.campaign_id), found, escape(campaign.rung or "-"))
        table.add_row(*names, *figures, percent(campaign.leakage.share))
    return table


def _unmatched(title: str, rows: tuple[Unmatched, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("reported", "rung", "stratum hit", "accounts", "exchanges", "share of a true campaign"):
        table.add_column(name, justify="left" if name in ("reported", "rung", "stratum hit") else "right")
    for row in rows:
        counts = (str(row.n_accounts), str(row.n_exchanges), percent(row.precision))
        table.add_row(escape(row.campaign_id), escape(row.rung), escape(row.stratum), *counts)
    return table


def _recalls(pooled: Pooled) -> list[Table]:
    columns = ("campaigns", "found", "95 % interval", "accounts", "exchanges")
    tables = []
    if pooled.by_scenario:
        table = _table("Recall by scenario", "scenario", *columns)
        for row in pooled.by_scenario:
            table.add_row(escape(scenario(row.family, row.dose)), *_recall_row(row.recall))
        tables.append(table)
    if pooled.by_size:
        table = _table("Recall by size", "about so many accounts", *columns)
        for size in pooled.by_size:
            name = f"{size.size:,} ({accounts_range(size.least, size.most)})"
            table.add_row(name, *_recall_row(size.recall))
        tables.append(table)
    return tables


def _recall_row(recall: Recall) -> tuple[str, ...]:
    return (
        *_recall_cells(recall.campaigns),
        percent(recall.accounts.share),
        percent(recall.exchanges.share),
    )


def _recall_cells(rate: Rate) -> tuple[str, str, str]:
    return str(rate.total), str(rate.hits), interval(rate)


def _benign(benign: Rate, strata: dict[str, Rate]) -> Table:
    names = ("reported", "accounts", "rate", "95 % interval")
    table = _table("Benign accounts reported as members", "stratum", *names)
    for stratum, rate in strata.items():
        table.add_row(escape(stratum), *_cells(rate))
    table.add_section()
    table.add_row("all", *_cells(benign))
    return table


def _totals(accounts: Agreement, exchanges: Agreement, grouping: Grouping) -> Table:
    table = _table("Totals", "measure", "precision", "recall", "F1")
    for name, agreement in (("accounts", accounts), ("exchanges", exchanges)):
        table.add_row(name, percent(agreement.precision.share), percent(agreement.recall.share), "")
    g = grouping
    table.add_row("B-cubed", percent(g.b_cubed_precision), percent(g.b_cubed_recall), percent(g.b_cubed_f1))
    table.add_row("pairs of accounts", percent(g.pair_precision), percent(g.pair_recall), "")
    return table


def _leakage(summary: LeakageSummary) -> list[Table]:
    if not summary.all.campaigns and not summary.unknown:
        return []
    columns = ("campaigns", "median", "95th percentile", "median share", "95th percentile share")
    table = _table("Exchanges gone before the verdict", "over", *columns)
    table.add_row("found campaigns", *_gone(summary.found))
    table.add_row("all campaigns (missed: all gone)", *_gone(summary.all))
    if summary.after_everything:
        table.caption = f"{summary.after_everything} verdicts without a time: everything was gone"
    return [table]


def _gone(gone: Gone) -> tuple[str, ...]:
    shares = (percent(gone.median_share), percent(gone.p95_share))
    return (str(gone.campaigns), number(gone.median), number(gone.p95), *shares)


def _calibration(rows: Sequence[Calibrated]) -> list[Table]:
    if not rows:
        return []
    columns = (
        "runs",
        "reported",
        "false",
        "95 % interval of the share",
        "realised rate",
        "runs with a false one",
    )
    table = _table("Calibration: false discovery, nominal and realised", "nominal", *columns)
    for row in rows:
        table.add_row(
            percent(row.level, 1),
            str(row.runs),
            str(row.false.total),
            str(row.false.hits),
            interval(row.false),
            percent(row.realised),
            f"{row.runs_with_false.hits} ({interval(row.runs_with_false)})",
        )
    return [table]


def _prices(rows: Sequence[Price]) -> list[Table]:
    if not rows:
        return []
    columns = ("EUR per 1,000", "accounts per 1,000", "delay, hours", "dose", "where")
    table = _table("Attacker's price at 50 % exchange recall", "family", *columns)
    for row in rows:
        figures = [figure(v) for v in (row.money_eur, row.accounts, row.delay_hours, row.dose)]
        table.add_row(escape(row.family), *figures, row.reached)
    return [table]


def _rest(relinking: Rate | None, effort: Effort) -> Table:
    table = _table("Relinking, time and memory", "measure", "value", "95 % interval")
    if relinking is not None:
        share = f"{relinking.hits} of {relinking.total} ({percent(relinking.share)})"
        table.add_row("replaced accounts linked to their successor", share, interval(relinking))
    table.add_row("seconds by the clock (median of runs)", number(effort.median_wall_s, 1), "")
    table.add_row("seconds of all processors (sum)", number(effort.total_cpu_s, 1), "")
    table.add_row("peak memory (most of any run)", bytes_spoken(effort.peak_bytes), "")
    table.add_row("exchanges per second", number(effort.exchanges_per_second), "")
    return table


def _cells(rate: Rate) -> tuple[str, str, str, str]:
    return str(rate.hits), str(rate.total), percent(rate.share), interval(rate)
