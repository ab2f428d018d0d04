"""Names of groups that stay: what goes on from a known group is called as it was."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pyarrow as pa

from stillwatch.campaigns.known import KnownGroup, match
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.shown import ShownGroup

CAMPAIGN, GROUP = "c_", "g_"


def keep_names(
    shown: Sequence[ShownGroup],
    usage: Usage,
    known: Mapping[str, KnownGroup],
    entity_of: Mapping[str, str],
) -> list[ShownGroup]:
    """The shown groups, under the names of the known groups from which they go on.

    A known group that is a campaign now, or no longer is one, keeps all of its name but the first letter. A new
    group never gets the name of a known one.

    Args:
        shown: groups, most important first.
        usage: who used which template.
        known: groups of the known results, by name.
        entity_of: account -> entity in this run.
    """
    earlier = [_of_entities(group, entity_of) for group in known.values()]
    matched = match(earlier, [_as_known(group, usage) for group in shown])
    names = {place: _renamed(shown[place], earlier[old].group_id) for place, old in matched.items()}
    places = sorted(range(len(shown)), key=lambda place: place not in names)
    taken: set[str] = set()
    given: dict[int, str] = {}
    for place in places:
        wanted = names.get(place, shown[place].group_id)
        reserved = taken if place in names else taken | known.keys()
        given[place] = next(name for name in _like(wanted) if name not in reserved)
        taken.add(given[place])
    return [replace(group, group_id=given[place]) for place, group in enumerate(shown)]


def known_groups(shown: Sequence[ShownGroup], accounts: pa.Table, templates: pa.Table) -> list[KnownGroup]:
    """The shown groups as later runs will know them.

    Args:
        shown: position = `candidate` in the tables.
        accounts: candidate, account_id, n_exchanges (the step table `shown_accounts`).
        templates: candidate, template_id, n_exchanges (the step table `shown_template_use`).
    """
    by_account = _counts(accounts, "account_id", len(shown))
    by_template = _counts(templates, "template_id", len(shown))
    return [
        KnownGroup(group.group_id, group.reported, by_account[place], by_template[place])
        for place, group in enumerate(shown)
        if by_account[place]
    ]


def _renamed(group: ShownGroup, known: str) -> str:
    if known[:2] not in (CAMPAIGN, GROUP):
        return known
    return (CAMPAIGN if group.reported else GROUP) + known[2:]


def _like(name: str) -> Iterator[str]:
    yield name
    for ordinal in count(2):
        yield name[:2] + hashlib.sha256(f"{name} {ordinal}".encode()).hexdigest()[:10]


def _of_entities(group: KnownGroup, entity_of: Mapping[str, str]) -> KnownGroup:
    entities: dict[str, int] = {}
    for account, n in group.accounts.items():
        entity = entity_of.get(account, account)
        entities[entity] = entities.get(entity, 0) + n
    return replace(group, accounts=entities)


def _as_known(group: ShownGroup, usage: Usage) -> KnownGroup:
    parts = (*group.parts, *group.extensions)
    columns = sorted({template for part in parts for template in part.tests.candidate.templates})
    members = np.flatnonzero(np.isin(usage.entities, list(group.members)))
    used = usage.both[members][:, columns]
    by_entity, by_template = (np.asarray(used.sum(axis=axis)).ravel() for axis in (1, 0))
    entities = {str(usage.entities[row]): int(n) for row, n in zip(members, by_entity, strict=True) if n}
    templates = {str(usage.templates[column]): int(n) for column, n in zip(columns, by_template, strict=True)}
    return KnownGroup(group.group_id, group.reported, entities, templates)


def _counts(table: pa.Table, name: str, n: int) -> list[dict[str, int]]:
    counts: list[dict[str, int]] = [{} for _ in range(n)]
    for row in table.select(["candidate", name, "n_exchanges"]).to_pylist():
        counts[row["candidate"]][row[name]] = row["n_exchanges"]
    return counts
