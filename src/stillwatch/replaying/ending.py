"""After the last slice: the result tables and the summary, as a scan makes them, with the times of the verdicts."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pyarrow as pa

from stillwatch import __version__
from stillwatch.accounts.profiles import account_steps
from stillwatch.campaigns.known import KnownResults
from stillwatch.campaigns.memory import Memory
from stillwatch.campaigns.names import known_groups
from stillwatch.campaigns.shown import ShownGroup, shown_steps, shown_tables
from stillwatch.campaigns.steps import put_step
from stillwatch.campaigns.tables import CAMPAIGNS, MEMBERS_OVER_TIME
from stillwatch.engines.memory import MemoryEngine
from stillwatch.engines.run import Report, Run
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.replaying.campaigns_over_time import REPORTED, Tracked
from stillwatch.replaying.loop import Ended
from stillwatch.replaying.source import Source
from stillwatch.replaying.state import State, history_table
from stillwatch.results_folder import group_tables, quality_table, text_tables
from stillwatch.settings import ScanSettings
from stillwatch.signals.signatures import sketch_name, write_sketch

_STEPS_EXPECTED = 20


def result_tables_of(
    ended: Ended, source: Source, live: MemoryEngine, settings: ScanSettings, report: Report
) -> dict[str, pa.Table]:
    """All result tables.

    Args:
        ended: how things stand.
        source: the input, for texts and its quality.
        live: engine with the live signals.
        settings: see `ScanSettings`.
        report: told of progress.
    """
    state, outcomes = ended.state, ended.outcomes
    run = Run(live, report, _STEPS_EXPECTED)
    shown = _under_their_ids(ended.shown, state)
    models = state.attributes.models()
    run.steps(account_steps())
    assert outcomes.usage is not None
    run.steps(put_step(name, table) for name, table in shown_tables(shown, outcomes.usage).items())
    run.steps(shown_steps())
    tables = group_tables(run, shown, models)
    tables["flagged"] = live.table("flagged").sort_by("exchange_id")
    tables["quality"] = quality_table(source.found["measures"])
    if source.found["has_text"] and not settings.hash_only:
        live.attach("exchanges", [source.exchanges])
        for field, text in state.fields.items():
            live.put(sketch_name(field), write_sketch(text.sketch))
        tables |= text_tables(run, tables["group_templates"], show_text=settings.show_text)
    tables["campaigns"] = _with_times(tables["campaigns"], state)
    tables["members"] = _with_joining(tables["members"], state)
    tables["history"] = history_table(state.campaigns.history)
    known = known_groups(shown, live.table("shown_accounts"), live.table("shown_template_use"))
    leaders = {name: text.leaders for name, text in state.fields.items()}
    return tables | Memory(KnownResults()).left(known, leaders)


def summary_of(
    ended: Ended,
    source: Source,
    settings: ScanSettings,
    tables: dict[str, pa.Table],
    command: str,
    every: str,
) -> dict[str, Any]:
    """The content of summary.json."""
    found, state = source.found, ended.state
    withdrawn = [one for one in state.campaigns.tracked.values() if one.status != REPORTED]
    return {
        "version": __version__,
        "counts": {
            "exchanges": found["rows"],
            "accounts": len(state.attributes.entities()),
            "quarantined": found["quarantined"],
            "groups_tested": len(ended.outcomes.groups),
            "campaigns": len(tables["campaigns"]),
        },
        "period": [_iso(found["first_ts"]), _iso(found["last_ts"])],
        "settings": settings.shown(),
        "steps": [],
        "fdr": settings.fdr,
        "generated_from": {"command": command, **found["origin"]},
        "replay": {
            "every": every,
            "horizon": settings.horizon,
            "groups_ever_tested": len(state.hypotheses),
            "looks": state.figures.get("looks", 0),
            "tests": state.figures.get("tests", 0),
            "events": len(state.campaigns.history),
            "campaigns_ever_flagged": len(state.campaigns.tracked),
            "withdrawn_or_merged": len(withdrawn),
        },
    }


def _under_their_ids(shown: list[ShownGroup], state: State) -> list[ShownGroup]:
    """The campaigns of the last slice were followed in the same order; each has its id from there."""
    ids = state.campaigns.last_ids
    reported = [group for group in shown if group.reported]
    renamed = [replace(group, group_id=name) for group, name in zip(reported, ids, strict=True)]
    return [*renamed, *(group for group in shown if not group.reported)]


def _with_times(campaigns: pa.Table, state: State) -> pa.Table:
    at = [state.campaigns.tracked[name].flagged_at for name in campaigns.column("campaign_id").to_pylist()]
    index = campaigns.schema.get_field_index("flagged_at")
    return campaigns.set_column(index, CAMPAIGNS.arrow.field(index), pa.array(at, pa.int64()).cast(TIMESTAMP))


def _with_joining(members: pa.Table, state: State) -> pa.Table:
    joined = []
    pairs = zip(
        members.column("campaign_id").to_pylist(), members.column("account_id").to_pylist(), strict=True
    )
    for campaign, account in pairs:
        one: Tracked = state.campaigns.tracked[campaign]
        joined.append(one.joined[state.attributes.entity_of(account)])
    column = pa.array(joined, pa.int64()).cast(TIMESTAMP)
    return members.append_column("joined_at", column).cast(MEMBERS_OVER_TIME.arrow)


def _iso(moment: int | None) -> str | None:
    if moment is None:
        return None
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment)).isoformat()
