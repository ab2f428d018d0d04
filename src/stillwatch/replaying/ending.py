"""After the last slice: the result tables and the summary, as a scan makes them, with the times of the verdicts."""

import datetime as dt
from typing import Any

import pyarrow as pa

from stillwatch import __version__
from stillwatch.campaigns.known import KnownResults
from stillwatch.campaigns.memory import Memory
from stillwatch.campaigns.names import known_groups
from stillwatch.engines.memory import MemoryEngine
from stillwatch.engines.run import Report, Run
from stillwatch.replaying.campaigns_over_time import REPORTED
from stillwatch.replaying.group_results import tables_of_groups, under_their_ids, with_kept
from stillwatch.replaying.loop import Ended
from stillwatch.replaying.source import Source
from stillwatch.replaying.state import State, history_table
from stillwatch.results_folder import quality_table, text_tables
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
    state, outcomes = ended.state, ended.state.outcomes
    run = Run(live, report, _STEPS_EXPECTED)
    assert outcomes.usage is not None
    shown = under_their_ids(ended.shown, state)
    tables = tables_of_groups(run, shown, state, outcomes.usage)
    tables["quality"] = quality_table(source.found["measures"])
    if source.found["has_text"] and not settings.hash_only:
        live.attach("exchanges", [source.exchanges])
        for field, text in state.fields.items():
            live.put(sketch_name(field), write_sketch(text.sketch))
        tables |= text_tables(run, tables["group_templates"], show_text=settings.show_text)
    tables |= with_kept(tables, state.kept, _standing(state))
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
    return {
        "version": __version__,
        "counts": {
            "exchanges": found["rows"],
            "accounts": len(state.attributes.entities()),
            "quarantined": found["quarantined"],
            "groups_tested": max(len(state.outcomes.groups), len(tables["groups"])),
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
            "withdrawn_or_merged": len(state.campaigns.tracked) - len(_standing(state)),
        },
    }


def _standing(state: State) -> set[str]:
    """Campaigns whose verdict stands."""
    return {name for name, one in state.campaigns.tracked.items() if one.status == REPORTED}


def _iso(moment: int | None) -> str | None:
    if moment is None:
        return None
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment)).isoformat()
