"""Result tables of the groups that are live, with the times of their verdicts; and of campaigns that are not any more.

A campaign that has left the horizon can be tested no longer, but its verdict stands. While it leaves, its rows are
kept day by day as they were last.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.accounts.profiles import account_steps
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import ShownGroup, shown_steps, shown_tables
from stillwatch.campaigns.steps import put_step
from stillwatch.campaigns.tables import (
    CAMPAIGNS,
    EVIDENCE,
    EXPLANATIONS,
    FLAGGED,
    GROUP_TEMPLATES,
    GROUPS,
    MEMBERS_OVER_TIME,
    TIES,
    TIMELINE,
)
from stillwatch.engines.run import Run
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.links.incidence import Attributes
from stillwatch.links.shared_attributes import SharedAttribute
from stillwatch.replaying.state import State
from stillwatch.results_folder import group_tables

Tables = Mapping[str, pa.Table]

KEPT = (
    CAMPAIGNS,
    MEMBERS_OVER_TIME,
    FLAGGED,
    GROUPS,
    EVIDENCE,
    EXPLANATIONS,
    GROUP_TEMPLATES,
    TIMELINE,
    TIES,
)
"""Tables of which a campaign's rows are kept; the first column of each names the group, but for `flagged`."""


def tables_of_groups(
    run: Run, shown: Sequence[ShownGroup], state: State, usage: Usage
) -> dict[str, pa.Table]:
    """The result tables of these groups over the live exchanges.

    Args:
        run: on the engine with the live `signals`.
        shown: groups under their ids.
        state: times of verdicts and of joining.
        usage: numbers of entities and templates in the groups.
    """
    models = state.attributes.models()
    shown = with_present_numbers(shown, models.attributes)
    run.steps(account_steps())
    run.steps(put_step(name, table) for name, table in shown_tables(shown, usage).items())
    run.steps(shown_steps())
    tables = group_tables(run, shown, models)
    tables["flagged"] = run.engine.table("flagged").sort_by("exchange_id")
    tables["campaigns"] = _with_times(tables["campaigns"], state)
    tables["members"] = _with_joining(tables["members"], state)
    return tables


def with_present_numbers(shown: Sequence[ShownGroup], attributes: Attributes) -> list[ShownGroup]:
    """The groups with the values that tie them under their present numbers: they were tested hours ago."""
    number = {
        kind: dict(zip(one.values, range(one.n_values), strict=True))
        for kind, one in attributes.kinds.items()
    }

    def present(found: SharedAttribute) -> SharedAttribute:
        known = number[found.kind]
        values = (replace(one, number=known[one.value]) for one in found.shared if one.value in known)
        return replace(found, shared=tuple(values))

    def of_now(group: JudgedGroup) -> JudgedGroup:
        shared = {kind: present(found) for kind, found in group.tests.shared.items() if kind in number}
        return replace(group, tests=replace(group.tests, shared=shared))

    return [replace(group, parts=(of_now(group.main), *group.parts[1:])) for group in shown]


def under_their_ids(shown: Sequence[ShownGroup], state: State) -> list[ShownGroup]:
    """The campaigns of the last update, in the order in which it saw them, under the ids that it gave them."""
    reported = [group for group in shown if group.reported]
    ids = state.campaigns.last_ids
    renamed = [replace(group, group_id=name) for group, name in zip(reported, ids, strict=True)]
    return [*renamed, *(group for group in shown if not group.reported)]


def kept_rows(tables: Tables, before: Tables, standing: Set[str]) -> dict[str, pa.Table]:
    """Rows of the campaigns of now, and of those before that are not among them.

    Args:
        tables: result tables of now.
        before: what this function gave the last time, maybe empty.
        standing: campaigns whose verdict stands.
    """
    campaigns = set(tables["campaigns"].column("campaign_id").to_pylist())
    now = {schema.name: _of(tables[schema.name], campaigns) for schema in KEPT}
    return with_kept(now, before, standing)


def with_kept(tables: Tables, kept: Tables, standing: Set[str]) -> dict[str, pa.Table]:
    """The tables with the rows of campaigns that stand, but are not live any more."""
    if not kept:
        return dict(tables)
    live = set(tables["campaigns"].column("campaign_id").to_pylist())
    gone = set(kept["campaigns"].column("campaign_id").to_pylist()) & set(standing) - live
    added = {name: _of(table, gone) for name, table in kept.items()}
    # An exchange stands in one campaign: in the one that it is found in now.
    mine = tables["flagged"].column("exchange_id").combine_chunks()
    flagged = added["flagged"]
    added["flagged"] = flagged.filter(pc.invert(pc.is_in(flagged.column("exchange_id"), mine)))
    added["campaigns"] = _recounted(added["campaigns"], added["flagged"])
    both = {
        name: pa.concat_tables([tables[name], added[name].cast(tables[name].schema)]).combine_chunks()
        for name in added
    }
    return {**tables, **both}


def _of(table: pa.Table, names: Set[str]) -> pa.Table:
    column = "campaign_id" if "campaign_id" in table.column_names else "group_id"
    return table.filter(pc.is_in(table.column(column), pa.array(sorted(names), pa.string())))


def _recounted(campaigns: pa.Table, flagged: pa.Table) -> pa.Table:
    counts = {
        row["values"]: row["counts"] for row in flagged.column("campaign_id").value_counts().to_pylist()
    }
    n = [counts.get(name, 0) for name in campaigns.column("campaign_id").to_pylist()]
    at = campaigns.schema.get_field_index("n_exchanges")
    return campaigns.set_column(at, campaigns.schema.field(at), pa.array(n, pa.int64()))


def _with_times(campaigns: pa.Table, state: State) -> pa.Table:
    at = [state.campaigns.tracked[name].flagged_at for name in campaigns.column("campaign_id").to_pylist()]
    index = campaigns.schema.get_field_index("flagged_at")
    return campaigns.set_column(index, CAMPAIGNS.arrow.field(index), pa.array(at, pa.int64()).cast(TIMESTAMP))


def _with_joining(members: pa.Table, state: State) -> pa.Table:
    pairs = zip(
        members.column("campaign_id").to_pylist(), members.column("account_id").to_pylist(), strict=True
    )
    joined = [
        state.campaigns.tracked[campaign].joined[state.attributes.entity_of(account)]
        for campaign, account in pairs
    ]
    column = pa.array(joined, pa.int64()).cast(TIMESTAMP)
    return members.append_column("joined_at", column).cast(MEMBERS_OVER_TIME.arrow)
