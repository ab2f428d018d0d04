"""Names of groups that stay: what goes on from a known group is called as it was."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import count

import pyarrow as pa

from stillwatch.campaigns.known import KnownGroup
from stillwatch.campaigns.lineage import Body, Change, follow
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
    group never gets the name of a known one, whatever its first letter.

    Args:
        shown: groups, most important first.
        usage: who used which template.
        known: groups of the known results, by name.
        entity_of: account -> entity in this run.
    """
    bodies = [_body(group, usage) for group in shown]
    heirs = _heirs(
        {name: _known_body(group, entity_of) for name, group in known.items()},
        bodies,
        ({name for name, group in known.items() if group.reported}, [group.reported for group in shown]),
    )
    taken: set[str] = set()
    given: dict[int, str] = {}
    for place in sorted(range(len(shown)), key=lambda place: place not in heirs):
        own = heirs.get(place)
        wanted = shown[place].group_id if own is None else _renamed(shown[place], own)
        others = {name[2:] for name in known if name != own}
        free = (
            name for name in _like(wanted) if name == own or (name not in taken and name[2:] not in others)
        )
        given[place] = next(free)
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


def _heirs(
    known: Mapping[str, Body], bodies: Sequence[Body], reported: tuple[Set[str], Sequence[bool]]
) -> dict[int, str]:
    """Position of a group -> known group from which it goes on; campaigns are matched to campaigns first."""
    campaigns = {name: body for name, body in known.items() if name in reported[0]}
    found = _kept(campaigns, bodies, [place for place, is_one in enumerate(reported[1]) if is_one])
    others = {name: body for name, body in known.items() if name not in found.values()}
    return found | _kept(others, bodies, [place for place in range(len(bodies)) if place not in found])


def _kept(known: Mapping[str, Body], bodies: Sequence[Body], places: Sequence[int]) -> dict[int, str]:
    steps = follow(known, [bodies[place] for place in places])
    return {
        places[step.now]: step.before
        for step in steps
        if step.change is Change.KEPT and step.now is not None and step.before is not None
    }


def _known_body(group: KnownGroup, entity_of: Mapping[str, str]) -> Body:
    members = frozenset(entity_of.get(account, account) for account in group.accounts)
    return Body(members, frozenset(group.templates), sum(group.accounts.values()))


def _body(group: ShownGroup, usage: Usage) -> Body:
    parts = (*group.parts, *group.extensions)
    columns = {template for part in parts for template in part.tests.candidate.templates}
    templates = frozenset(str(usage.templates[column]) for column in columns)
    return Body(frozenset(group.members), templates, sum(part.n_exchanges for part in group.parts))


def _counts(table: pa.Table, name: str, n: int) -> list[dict[str, int]]:
    counts: list[dict[str, int]] = [{} for _ in range(n)]
    columns = (table.column(column).to_pylist() for column in ("candidate", name, "n_exchanges"))
    for candidate, one, n_exchanges in zip(*columns, strict=True):
        counts[candidate][one] = n_exchanges
    return counts
