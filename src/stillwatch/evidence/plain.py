"""One campaign, or any group that was tested, as plain data for `--json`."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch.evidence.figures import Row
from stillwatch.evidence.find import find_group
from stillwatch.evidence.group import GroupView, view_group
from stillwatch.evidence.results import Results, load_results


def explain_dict(results: Path, campaign_id: str) -> dict[str, Any]:
    """Everything that `explain` says, and all rows behind it, as JSON-ready data.

    Values stand as in the tables: nothing is cut, times are ISO 8601 in UTC. What JSON has no number for
    becomes null (not computed) or the string "Infinity" or "-Infinity".

    Args:
        results: folder that `stillwatch scan` wrote.
        campaign_id: name of a campaign or a tested group, or the beginning of one that no other shares.

    Raises:
        UsageError: no such group, or several.
        UnreadableInputError: the results are missing or unfit.
    """
    loaded = load_results(results)
    view = view_group(loaded, find_group(loaded, campaign_id))
    return _plain(_content(loaded, view))  # type: ignore[no-any-return]


def _content(results: Results, view: GroupView) -> dict[str, Any]:
    return {
        "group_id": view.group_id,
        "reported": view.campaign is not None,
        "rung": view.rung,
        "enforceable": view.enforceable,
        "enforcement": view.enforcement,
        "campaign": dict(view.campaign.values) if view.campaign else None,
        "group": dict(view.row.values),
        "ladder": [
            {
                "rung": str(rung.rung),
                "holds": rung.holds,
                "reached": rung.reached,
                "claim": rung.text.claim,
                "caution": rung.text.caution,
            }
            for rung in view.rungs
        ],
        "families": list(view.families),
        "evidence": _rows(view.evidence),
        "explanations": _rows([row for row in (view.nearest, *view.explanations) if row is not None]),
        "what_would_change": [sentence.text for sentence in view.change],
        "capabilities": [
            {"capability": part.name.value if part.name else None, "n_exchanges": part.exchanges.value}
            for part in view.mix
        ],
        "templates": _rows(view.templates),
        "members": _rows(view.members),
        "timeline": _rows(view.timeline),
        "ties": [
            {
                "kind": value.row["kind"],
                "value": value.row["value"],
                "accounts": list(value.accounts),
                "n_accounts_everywhere": value.row["n_accounts_everywhere"],
                "log10_p": value.row["log10_p"],
            }
            for value in view.shared
        ],
        "samples": _rows(view.samples),
        "replay": {
            "version": results.summary.version,
            "generated_from": results.summary.generated_from,
            "settings": results.summary.settings,
            "fdr": results.summary.fdr,
        },
        "contradictions": results.contradictions,
    }


def _rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [dict(row.values) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
