"""The result tables, from the shown groups and the step tables of what they did."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.families import OUTPUTS, SHAPE, SITTINGS
from stillwatch.campaigns.shown import ShownGroup
from stillwatch.campaigns.tables import (
    BUSY,
    CAMPAIGNS,
    EVIDENCE,
    EXPLANATIONS,
    GROUP_TEMPLATES,
    GROUPS,
    MEMBERS,
    TIES,
    TIMELINE,
    Rung,
)
from stillwatch.engines.step import SqlStep
from stillwatch.exchange.schema import TableSchema

Tables = Mapping[str, pa.Table]
MOST_TIES = 2_000
MOST_BUSY = 50

FLAGGED_STEP = SqlStep(
    "flagged",
    ("shown_exchanges", "campaign_names"),
    """
    SELECT x.exchange_id AS exchange_id, n.campaign_id AS campaign_id, x.probability AS probability
    FROM shown_exchanges AS x JOIN campaign_names AS n ON n.candidate = x.candidate
    """,
)

BUSY_STEP = SqlStep(
    "busy_accounts",
    ("account_strata", "shown_accounts"),
    f"""
    SELECT s.account_id AS account_id, s.n_exchanges AS n_exchanges, s.exchanges_per_day AS exchanges_per_day,
        s.tier AS tier, s.framework AS framework, MIN(a.candidate) AS candidate
    FROM account_strata AS s LEFT JOIN shown_accounts AS a ON a.account_id = s.account_id
    GROUP BY s.account_id, s.n_exchanges, s.exchanges_per_day, s.tier, s.framework
    ORDER BY s.n_exchanges DESC, s.account_id LIMIT {20 * MOST_BUSY}
    """,
)


def campaign_names(shown: Sequence[ShownGroup]) -> pa.Table:
    """`campaign_names`: candidate, campaign_id of the shown groups that are campaigns."""
    numbers = [number for number, group in enumerate(shown) if group.reported]
    return pa.table(
        {
            "candidate": pa.array(numbers, pa.int64()),
            "campaign_id": pa.array([shown[number].group_id for number in numbers], pa.string()),
        }
    )


def result_tables(
    shown: Sequence[ShownGroup], tables: Tables, models: AttributeModels
) -> dict[str, pa.Table]:
    """All result tables but `flagged` and `quality`.

    Args:
        shown: campaigns and other tested groups; position = `candidate` in the step tables.
        tables: the step tables shown_* and busy_accounts.
        models: attributes, for the ties.
    """
    spans = {row["candidate"]: row for row in tables["shown_spans"].to_pylist()}
    alive = [(number, group) for number, group in enumerate(shown) if number in spans]
    tops = {name: _top_values(tables[f"shown_{name}"]) for name in ("models", "capabilities")}
    told = _told_entities(tables["shown_accounts"])
    campaign_rows, group_rows, evidence, explanations = [], [], [], []
    for number, group in alive:
        common = {
            **{key: spans[number][key] for key in ("n_accounts", "n_exchanges", "first_seen", "last_seen")},
            "models": tops["models"].get(number, []),
            "capabilities": tops["capabilities"].get(number, []),
        }
        findings = _finding_rows(group)
        if group.reported:
            campaign_rows.append({**common, **_campaign(group, findings)})
        group_rows.append({**common, **_group(group, spans[number])})
        evidence += findings
        explanations += _explanation_rows(group)
    return {
        "campaigns": _table(CAMPAIGNS, campaign_rows),
        "groups": _table(GROUPS, group_rows),
        "evidence": _table(EVIDENCE, evidence),
        "explanations": _table(EXPLANATIONS, explanations),
        "members": _named(MEMBERS, tables["shown_accounts"], shown, only_reported=True),
        "timeline": _named(TIMELINE, tables["shown_hours"], shown),
        "group_templates": _named(GROUP_TEMPLATES, tables["shown_template_use"], shown),
        "ties": _table(
            TIES, [row for number, group in alive for row in _tie_rows(group, models, told[number])]
        ),
        "busy": _table(BUSY, _busy_rows(tables["busy_accounts"], shown)),
    }


def _campaign(group: ShownGroup, findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    standing = group.main.standing
    return {
        "campaign_id": group.group_id,
        "rung": str(standing.rung),
        "log10_e": standing.log_e / LN10,
        "fdr": standing.level,
        "flagged_at": None,
        "families": _families(findings),
    }


def _families(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Independent families that hold: shared attributes are one, and sharing a template is none."""
    held = [str(row["family"]) for row in findings if row["holds"] and row["family"] != "repetition"]
    return list(dict.fromkeys("shared_attributes" if name.startswith("shared_") else name for name in held))


def _group(group: ShownGroup, span: Mapping[str, Any]) -> dict[str, Any]:
    standing, nearest = group.main.standing, group.main.explanations[0]
    days = max((span["last_seen"] - span["first_seen"]).total_seconds() / 86_400, 1.0)
    verdict = "Reported" if group.reported else "Not reported"
    stands = "stands" if nearest.fits else "fails"
    return {
        "group_id": group.group_id,
        "reported": group.reported,
        "discovered_by": group.main.tests.candidate.discovered_by,
        "rung": str(standing.rung) if standing.rung else None,
        "n_entities": span["n_entities"],
        "exchanges_per_day": span["n_exchanges"] / days,
        "explanation": nearest.name,
        "explanation_holds": nearest.fits,
        "words": f"{verdict}: the nearest innocent explanation, {nearest.name}, {stands}: {nearest.words}.",
    }


def _finding_rows(group: ShownGroup) -> list[dict[str, Any]]:
    required = group.main.standing.required_log_e
    return [
        {
            "group_id": group.group_id,
            "rung": str(finding.rung),
            "family": finding.family,
            "statistic": finding.statistic,
            "value": finding.value,
            "expected": finding.expected,
            "n": finding.n,
            "log10_e": finding.log10_e,
            "holds": _holds(group, finding.family, finding.log_e, required),
            "null_model": finding.null_model,
            "words": finding.words,
        }
        for finding in group.main.tests.findings
    ]


def _holds(group: ShownGroup, family: str, log_e: float, required: float) -> bool:
    """A family holds by itself at the e-value that the whole verdict needed; those of the last rung where they carry
    it. What sittings hold answers an explanation and proves nothing."""
    if family == SITTINGS:
        return False
    if family in (SHAPE, OUTPUTS):
        shaped = group.main.tests.rung_log_e[Rung.TRAINING_SHAPED]
        return group.main.standing.rung is Rung.TRAINING_SHAPED and log_e >= shaped
    return log_e >= required


def _explanation_rows(group: ShownGroup) -> list[dict[str, Any]]:
    return [
        {
            "group_id": group.group_id,
            "explanation": explanation.name,
            "rank": rank,
            "fits": explanation.fits,
            "measure": explanation.measure,
            "threshold": explanation.threshold,
            "words": explanation.words,
        }
        for rank, explanation in enumerate(group.main.explanations, start=1)
    ]


def _told_entities(accounts: pa.Table) -> dict[int, set[str]]:
    """Entities of each group that has an exchange of its own: of two campaigns with a member in common one may have all
    of its exchanges."""
    told: dict[int, set[str]] = defaultdict(set)
    for candidate, entity in zip(
        *(accounts.column(name).to_pylist() for name in ("candidate", "entity")), strict=True
    ):
        told[candidate].add(entity)
    return told


def _tie_rows(group: ShownGroup, models: AttributeModels, told: Set[str]) -> list[dict[str, Any]]:
    tests = group.main.tests
    entities = models.attributes.entities
    numbers = models.attributes.numbers
    members = {numbers[name] for name in group.members if name in numbers and name in told}
    rows: list[dict[str, Any]] = []
    for kind, shared in sorted(tests.shared.items()):
        incidence = models.attributes.kinds[kind]
        for value in shared.shared:
            column = incidence.holders(value.number)
            rows += [
                {
                    "group_id": group.group_id,
                    "kind": kind,
                    "value": value.value,
                    "account_id": entities[entity],
                    "n_accounts_everywhere": value.degree,
                    "log10_p": value.log_p_single / LN10,
                }
                for entity in column.tolist()
                if entity in members
            ]
    return rows[:MOST_TIES]


def _busy_rows(busy: pa.Table, shown: Sequence[ShownGroup]) -> list[dict[str, Any]]:
    rows = []
    for row in busy.to_pylist():
        group = shown[row["candidate"]] if row["candidate"] is not None else None
        if group is not None and group.reported:
            continue
        framework = f", framework {row['framework']}" if row["framework"] else ""
        words = (
            f"stands in a tested group: {group.main.explanations[0].words}"
            if group is not None
            else "shares no template with enough other accounts to be a group; volume alone is no evidence"
        )
        rows.append(
            {
                "account_id": row["account_id"],
                "n_exchanges": row["n_exchanges"],
                "exchanges_per_day": row["exchanges_per_day"],
                "stratum": f"about {4 ** max(row['tier'], 0)} exchanges a day{framework}",
                "group_id": group.group_id if group is not None else None,
                "words": words,
            }
        )
    return sorted(rows, key=lambda row: (-row["n_exchanges"], row["account_id"]))[:MOST_BUSY]


def _top_values(counts: pa.Table, most: int = 12) -> dict[int, list[str]]:
    ordered = counts.sort_by([("candidate", "ascending"), ("n", "descending"), ("value", "ascending")])
    tops: dict[int, list[str]] = {}
    for row in ordered.to_pylist():
        values = tops.setdefault(row["candidate"], [])
        if len(values) < most:
            values.append(row["value"])
    return tops


def _named(
    schema: TableSchema, table: pa.Table, shown: Sequence[ShownGroup], only_reported: bool = False
) -> pa.Table:
    """A step table with `candidate` replaced by the group's name, in the columns of `schema`."""
    ids = np.array([group.group_id for group in shown] or [""], dtype=object)
    names = pa.array(ids[table.column("candidate").to_numpy()], pa.string())
    if only_reported:
        reported = np.array([group.reported for group in shown] or [False])
        mask = pa.array(reported[table.column("candidate").to_numpy()], pa.bool_())
        table, names = table.filter(mask), names.filter(mask)
    columns = []
    for column in schema:
        if column.name in ("group_id", "campaign_id"):
            columns.append(names)
        elif column.name in table.column_names:
            columns.append(table.column(column.name).cast(column.type))
        else:
            columns.append(pa.nulls(len(table), column.type))
    named = pa.table(columns, schema=schema.arrow)
    keys = [(name, "ascending") for name in schema.names if not pa.types.is_list(schema[name].type)]
    return named.take(pc.sort_indices(named, sort_keys=keys[:3]))


def _table(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=schema.arrow)
