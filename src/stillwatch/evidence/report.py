"""The report: one self-contained HTML page made from the result tables alone."""

import base64
import contextlib
import functools
import hashlib
import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stillwatch.evidence.figures import Constant, Figure, Row, Sentence
from stillwatch.evidence.graph import AccountGraph, draw_graph
from stillwatch.evidence.group import TRAITS, GroupView, view_group
from stillwatch.evidence.headline import headline, plural, rate_figure, standing, summary_figure
from stillwatch.evidence.ladder import RUNG_TEXTS, RUNGS, height
from stillwatch.evidence.numbers import Kind, spoken
from stillwatch.evidence.replay import replay_of
from stillwatch.evidence.results import Results, load_results
from stillwatch.evidence.timeline import TimelineDrawing, draw_timeline, small_outline
from stillwatch.evidence.visible import visible
from stillwatch.exchange.errors import OutputError

# What is shown of each list; the tables hold the rest, and the page says so.
MOST_CAMPAIGNS = 40
MOST_MEMBERS = 25
MOST_TEMPLATES = 8
MOST_SAMPLES = 6
MOST_TIES = 8
MOST_GROUPS = 40
MOST_BUSY = 50
MOST_QUALITY = 200


@dataclass(frozen=True)
class Listing:
    """The first of a list's entries, and how many there are."""

    shown: Sequence[Row]
    all: Figure
    cap: Constant

    @property
    def cut(self) -> bool:
        """Whether some are not shown."""
        return len(self.shown) < int(self.all.value)


@dataclass(frozen=True)
class CampaignCard:
    """A reported campaign with its drawings."""

    number: int
    view: GroupView
    timeline: TimelineDrawing | None
    outline: str
    graph: AccountGraph | None
    templates: Listing
    members: Listing
    samples: Listing


def write_report(results: Path, out: Path | None = None) -> Path:
    """Write the report of a scan.

    Args:
        results: folder that `stillwatch scan` wrote; nothing else is read.
        out: file to write; `report.html` in that folder if None.

    Returns:
        The file that was written.

    Raises:
        UnreadableInputError: the results are missing or unfit.
        OutputError: the file cannot be written.
    """
    page = render_report(load_results(results))
    target = out if out is not None else results / "report.html"
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        what = f"the report cannot be written ({error.strerror or error})"
        raise OutputError(what, "Free some space, or name another file.", file=target) from error
    return target


def render_report(results: Results) -> str:
    """The page as text, from tables that are read already."""
    script, style = _page_file("page.js"), _page_file("style.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    campaigns = sorted(
        results.rows("campaigns"), key=lambda c: (-height(c["rung"]), -c["n_exchanges"], c.key)
    )
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            # Both are files of this package, not data.
            script=Markup(script),  # noqa: S704
            style=Markup(style),  # noqa: S704
            script_hash=digest,
            results=results,
            headline=headline(results),
            standing=standing(results),
            rate=rate_figure(results),
            count=lambda name: summary_figure(results, name),
            period=_period(results),
            replay=replay_of(results.summary),
            steps=_steps(results),
            campaigns=[_card(results, i, row) for i, row in enumerate(campaigns[:MOST_CAMPAIGNS], start=1)],
            more_campaigns=campaigns[MOST_CAMPAIGNS:],
            not_reported=_not_reported(results),
            kept=Figure(results.tables["groups"].num_rows, Kind.COUNT, "count(groups)"),
            busy=_listing(_busiest(results), "count(busy)", MOST_BUSY),
            quality=_listing(results.rows("quality"), "count(quality)", MOST_QUALITY),
            rung_texts=RUNG_TEXTS,
            rungs=RUNGS,
            height=height,
            traits=TRAITS,
            plural=plural,
            most_ties=MOST_TIES,
        )
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("stillwatch.evidence", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(spoken=spoken, visible=visible)
    environment.tests["last_rung"] = lambda rung: height(rung) == len(RUNGS)
    return environment


def _card(results: Results, number: int, campaign: Row) -> CampaignCard:
    view = view_group(results, campaign["campaign_id"])
    key = campaign.key
    period = results.summary.period
    return CampaignCard(
        number=number,
        view=view,
        timeline=draw_timeline(view.group_id, view.timeline, campaign["flagged_at"]),
        outline=small_outline(view.timeline, *period) if period else "",
        graph=draw_graph(view.shared),
        templates=_listing(view.templates, f"count(group_templates[{key}])", MOST_TEMPLATES),
        members=_listing(view.members, f"count(members[{key}])", MOST_MEMBERS),
        samples=_listing(view.samples, f"count(samples[{key}])", MOST_SAMPLES),
    )


def _listing(rows: Sequence[Row], source: str, cap: int) -> Listing:
    return Listing(rows[:cap], Figure(len(rows), Kind.COUNT, source), Constant(cap))


@dataclass(frozen=True)
class _NotReported:
    shown: Sequence[GroupView]
    all: Figure
    cap: Constant


def _not_reported(results: Results) -> _NotReported:
    rows = [row for row in results.rows("groups") if not row["reported"]]
    rows.sort(key=lambda row: (-row["n_exchanges"], row.key))
    shown = [view_group(results, row["group_id"]) for row in rows[:MOST_GROUPS]]
    return _NotReported(
        shown, Figure(len(rows), Kind.COUNT, "count(groups where reported=false)"), Constant(MOST_GROUPS)
    )


def _busiest(results: Results) -> list[Row]:
    return sorted(results.rows("busy"), key=lambda row: (-row["n_exchanges"], row.key))


@dataclass(frozen=True)
class _StepLine:
    name: Figure
    seconds: Figure
    rows: Figure


def _steps(results: Results) -> list[_StepLine]:
    return [
        _StepLine(
            Figure(step.name, Kind.TEXT, f"summary.steps.{place}.name", 80),
            Figure(step.seconds, Kind.NUMBER, f"summary.steps.{place}.seconds"),
            Figure(step.rows, Kind.COUNT, f"summary.steps.{place}.rows"),
        )
        for place, step in enumerate(results.summary.steps)
    ]


def _period(results: Results) -> Sentence | None:
    if results.summary.period is None:
        return None
    first, last = results.summary.period
    return Sentence((_moment(first, 0), " – ", _moment(last, 1)))


def _moment(value: datetime, place: int) -> Figure:
    return Figure(value, Kind.TIME, f"summary.period.{place}")


def _page_file(name: str) -> str:
    return importlib.resources.files("stillwatch.evidence").joinpath("page", name).read_text(encoding="utf-8")
