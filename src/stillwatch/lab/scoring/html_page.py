"""A score, or several pooled, as one self-contained HTML page with charts."""

import functools
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stillwatch.exchange.output import partial_of, written
from stillwatch.lab.scoring.charts import Bar, Scale, Whisker, price_plot, whisker
from stillwatch.lab.scoring.leakage import Leakage, Stopped
from stillwatch.lab.scoring.pooled import Pooled
from stillwatch.lab.scoring.result import Score, Unmatched
from stillwatch.lab.scoring.spoken import (
    accounts_range,
    bytes_spoken,
    interval,
    number,
    percent,
    scenario,
)

MOST_ROWS = 60
"""Campaigns and false campaigns shown one by one; the page says how many more there are."""


@dataclass(frozen=True)
class Fact:
    """A figure of the head of the page."""

    name: str
    value: str
    detail: str


def write_page(pooled: Pooled, out: Path, title: str = "Score") -> None:
    """Writes the page. Raises OutputError if it cannot be written."""
    page = render_page(pooled, title)
    partial = partial_of(out)
    with written(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(out)


def render_page(pooled: Pooled, title: str = "Score") -> str:
    """The page as text: no script, no network, charts as inline SVG."""
    even, root = Scale.linear(), Scale.root()
    campaigns = [(_name(c.campaign_id, run, pooled), c) for run, s in _numbered(pooled) for c in s.campaigns]
    false = [
        (_name(u.campaign_id, run, pooled), u) for run, s in _numbered(pooled) for u in s.false_campaigns
    ]
    return (
        _environment()
        .get_template("score.html.j2")
        .render(
            style=Markup(_file("style.css")),  # noqa: S704  (a file of this package)
            title=title,
            runs=len(pooled.scores),
            headline=_headline(pooled),
            facts=_facts(pooled),
            even=even,
            root=root,
            scenarios=_scenarios(pooled, even),
            sizes=_sizes(pooled, even),
            campaigns=campaigns[:MOST_ROWS],
            more_campaigns=max(0, len(campaigns) - MOST_ROWS),
            wrong=_wrong(false[:MOST_ROWS]),
            more_false=max(0, len(false) - MOST_ROWS),
            false_by_stratum=pooled.false_campaigns,
            fragments=pooled.fragments,
            benign=_benign(pooled, root),
            agreements=_agreements(pooled, even),
            grouping=pooled.grouping,
            leakage=pooled.leakage,
            leaks=[_leak(name, c.leakage) for name, c in campaigns[:MOST_ROWS]],
            calibration=_calibration(pooled, root),
            prices=[price_plot(price) for price in pooled.prices],
            relinking=None if pooled.relinking is None else whisker("replaced", pooled.relinking, even),
            effort=pooled.effort,
            notes=pooled.notes,
        )
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("stillwatch.lab.scoring", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=number, bytes=bytes_spoken, interval=interval)
    return environment


def _file(name: str) -> str:
    return (
        importlib.resources.files("stillwatch.lab.scoring").joinpath("page", name).read_text(encoding="utf-8")
    )


def _headline(pooled: Pooled) -> str:
    true, false = pooled.campaigns, sum(pooled.false_campaigns.values())
    found = f"{true.hits} of {true.total} campaigns found" if true.total else "A world without campaigns"
    wrong = {0: "no false campaign", 1: "one false campaign"}.get(false, f"{false} false campaigns")
    return f"{found}, {wrong}"


def _facts(pooled: Pooled) -> list[Fact]:
    gone = pooled.leakage.all
    facts = [
        Fact("campaign recall", percent(pooled.campaigns.share, 1), interval(pooled.campaigns)),
        Fact("exchange recall", percent(pooled.exchanges.recall.share, 1), interval(pooled.exchanges.recall)),
        Fact("benign error", percent(pooled.benign.share), interval(pooled.benign)),
        Fact(
            "gone before the verdict", percent(gone.median_share, 1), "median campaign, missed ones all gone"
        ),
    ]
    if pooled.effort.median_wall_s is not None:
        facts.append(Fact("time", f"{number(pooled.effort.median_wall_s, 1)} s", "median run"))
    if pooled.effort.peak_bytes is not None:
        facts.append(Fact("memory", bytes_spoken(pooled.effort.peak_bytes), "peak of any run"))
    return facts


def _scenarios(pooled: Pooled, scale: Scale) -> list[Whisker]:
    return [
        whisker(
            scenario(row.family, row.dose),
            row.recall.campaigns,
            scale,
            mark=row.recall.exchanges.share,
            beside=(percent(row.recall.accounts.share, 1), percent(row.recall.exchanges.share, 1)),
        )
        for row in pooled.by_scenario
    ]


def _sizes(pooled: Pooled, scale: Scale) -> list[Whisker]:
    return [
        whisker(
            f"about {row.size:,}",
            row.recall.campaigns,
            scale,
            detail=f"{accounts_range(row.least, row.most)} accounts",
            mark=row.recall.exchanges.share,
            beside=(percent(row.recall.accounts.share, 1), percent(row.recall.exchanges.share, 1)),
        )
        for row in pooled.by_size
    ]


def _benign(pooled: Pooled, scale: Scale) -> list[Whisker]:
    rows = sorted(pooled.benign_by_stratum.items(), key=lambda item: (-(item[1].share or 0), item[0]))
    return [whisker("all strata", pooled.benign, scale), *(whisker(n, rate, scale) for n, rate in rows)]


def _agreements(pooled: Pooled, scale: Scale) -> list[Whisker]:
    return [
        whisker(f"{name}, {what}", rate, scale)
        for name, agreement in (("accounts", pooled.accounts), ("exchanges", pooled.exchanges))
        for what, rate in (("precision", agreement.precision), ("recall", agreement.recall))
    ]


def _numbered(pooled: Pooled) -> enumerate[Score]:
    return enumerate(pooled.scores, start=1)


def _name(campaign: str, run: int, pooled: Pooled) -> str:
    """Told apart by the number of the run where there are several."""
    return campaign if len(pooled.scores) == 1 else f"run {run}: {campaign}"


def _wrong(rows: list[tuple[str, Unmatched]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            u.stratum,
            u.rung,
            number(u.n_accounts),
            number(u.n_exchanges),
            percent(u.precision, 1),
        )
        for name, u in rows
    ]


def _leak(name: str, leak: Leakage) -> Bar:
    words = {
        Stopped.AT_VERDICT: "stopped at the verdict",
        Stopped.AFTER_EVERYTHING: "verdict after everything",
        Stopped.MISSED: "missed",
        Stopped.UNKNOWN: "times not known",
    }[leak.stopped]
    counts = f"{'?' if leak.gone is None else f'{leak.gone:,}'} of {leak.total:,}, {words}"
    width = None if leak.share is None else 100 * leak.share
    return Bar(name, counts, percent(leak.share, 1), width, leak.stopped.name.lower())


def _calibration(pooled: Pooled, scale: Scale) -> list[Whisker]:
    return [
        whisker(
            percent(row.level, 1),
            row.false,
            scale,
            detail=f"{row.runs} run{'s' if row.runs != 1 else ''}",
            mark=row.level,
            beside=(percent(row.realised), f"{row.runs_with_false.hits} of {row.runs_with_false.total}"),
        )
        for row in pooled.calibration
    ]
