"""Verdicts over time: the campaigns of each slice against those before, and the history of events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.lineage import Body, Change, follow
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import ShownGroup
from stillwatch.campaigns.tables import Rung

REPORTED, WITHDRAWN, MERGED = "reported", "withdrawn", "merged"
GREW = 1.25
"""Growth of a campaign's members that is told as an event."""
FADED = 0.8
"""Part of a campaign's most exchanges below which its data are on their way out of the horizon."""
_HEIGHT = {str(rung): height for height, rung in enumerate(Rung)}

Event = dict[str, Any]
"""A row of `campaigns.tables.HISTORY`, times in microseconds."""


@dataclass
class Tracked:
    """A campaign over time.

    Attributes:
        campaign_id: its name.
        flagged_at: end of the slice in which the verdict first held, microseconds.
        status: reported, withdrawn or merged.
        rung: highest rung that holds.
        log10_e: of the accumulated evidence.
        joined: entity -> end of the slice in which its membership first held, microseconds.
        members: entities that are members now.
        templates: names of its templates.
        n_exchanges: exchanges.
        told_members: members when its size was last told.
        peak: most exchanges that its main group ever had within the horizon.
    """

    campaign_id: str
    flagged_at: int
    status: str
    rung: str
    log10_e: float
    joined: dict[str, int]
    members: frozenset[str]
    templates: frozenset[str]
    n_exchanges: int
    told_members: int
    peak: int

    @property
    def body(self) -> Body:
        """What lineage compares."""
        return Body(self.members, self.templates, float(self.n_exchanges))


@dataclass
class Campaigns:
    """All campaigns ever flagged, and what happened to them.

    Attributes:
        tracked: by id.
        history: all events so far.
        last_ids: ids of the campaigns at the last update, in the order in which they were shown.
        tell: called with each event as it happens.
    """

    tracked: dict[str, Tracked] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    last_ids: list[str] = field(default_factory=list)
    tell: Callable[[Event], None] = lambda event: None

    def update(
        self, at: int, shown: Sequence[ShownGroup], judged: Sequence[JudgedGroup], usage: Usage
    ) -> list[str]:
        """Take in the campaigns of a slice.

        Args:
            at: end of the slice, microseconds.
            shown: the campaigns of now.
            judged: all tested groups of now, for the words of withdrawals.
            usage: names of entities and templates.

        Returns:
            The id of each of `shown`.
        """
        snapshots = [_snapshot(group, usage) for group in shown]
        before = {name: one.body for name, one in self.tracked.items() if one.status != MERGED}
        ids: dict[int, str] = {}
        steps = follow(before, [snapshot.body for snapshot in snapshots])
        for step in steps:
            if step.change is Change.KEPT:
                assert step.before is not None and step.now is not None
                ids[step.now] = step.before
                self._kept(at, self.tracked[step.before], snapshots[step.now])
        for step in steps:
            if step.change in (Change.NEW, Change.SPLIT):
                assert step.now is not None
                parent = str(step.other) if step.change is Change.SPLIT else None
                ids[step.now] = self._flagged(at, snapshots[step.now], parent)
        for step in steps:
            if step.change is Change.MERGED:
                assert step.before is not None and isinstance(step.other, int)
                self._merged(at, self.tracked[step.before], ids[step.other])
            elif step.change is Change.GONE:
                assert step.before is not None
                self._gone(at, self.tracked[step.before], judged, usage)
        self.last_ids = [ids[position] for position in range(len(shown))]
        return self.last_ids

    def _flagged(self, at: int, now: Tracked, parent: str | None) -> str:
        now.campaign_id = next(name for name in _free(now.campaign_id) if name not in self.tracked)
        now.flagged_at = at
        earlier = self.tracked[parent].joined if parent else {}
        now.joined = {entity: earlier.get(entity, at) for entity in sorted(now.members)}
        self.tracked[now.campaign_id] = now
        if parent:
            words = (
                f"stood in {parent} before; its accounts and templates now stand apart from the rest of it"
            )
            self._tell(at, now, "split", words, parent)
        else:
            words = f"{len(now.members)} accounts reach {now.rung}; no innocent explanation fits"
            self._tell(at, now, "flagged", words)
        return now.campaign_id

    def _kept(self, at: int, old: Tracked, now: Tracked) -> None:
        restored = old.status == WITHDRAWN
        rise = _HEIGHT[now.rung] - _HEIGHT[old.rung]
        earlier, told = old.rung, old.told_members
        old.status, old.rung, old.log10_e = REPORTED, now.rung, now.log10_e
        old.members, old.templates, old.n_exchanges = now.members, now.templates, now.n_exchanges
        old.peak = max(old.peak, now.peak)
        for entity in sorted(now.members):
            old.joined.setdefault(entity, at)
        if restored:
            self._tell(at, old, "restored", "no innocent explanation fits any more")
        if rise:
            self._tell(at, old, "raised" if rise > 0 else "lowered", f"from {earlier} to {now.rung}")
        if len(now.members) >= GREW * told:
            self._tell(at, old, "grew", f"from {told} to {len(now.members)} accounts")

    def _merged(self, at: int, old: Tracked, taker: str) -> None:
        if old.status == REPORTED:
            self._tell(at, old, "merged", f"most of its accounts now stand in {taker}", taker)
        for entity, moment in old.joined.items():
            joined = self.tracked[taker].joined
            if entity in joined:
                joined[entity] = min(joined[entity], moment)
        old.status = MERGED

    def _gone(self, at: int, old: Tracked, judged: Sequence[JudgedGroup], usage: Usage) -> None:
        if old.status != REPORTED:
            return
        words = _why(old, judged, usage)
        if words is None:
            return  # its data leave the horizon, nothing speaks against it: the verdict stands as it was
        old.status = WITHDRAWN
        self._tell(at, old, "withdrawn", words)

    def _tell(self, at: int, one: Tracked, event: str, words: str, other: str | None = None) -> None:
        one.told_members = len(one.members)
        row: Event = {
            "at": at,
            "campaign_id": one.campaign_id,
            "event": event,
            "rung": one.rung,
            "log10_e": one.log10_e,
            "n_accounts": len(one.members),
            "n_exchanges": one.n_exchanges,
            "other_id": other,
            "words": words,
        }
        self.history.append(row)
        self.tell(row)


def _snapshot(group: ShownGroup, usage: Usage) -> Tracked:
    parts = (*group.parts, *group.extensions)
    templates = {int(template) for part in parts for template in part.tests.candidate.templates}
    members = frozenset(group.members)
    return Tracked(
        group.group_id,
        0,
        REPORTED,
        str(group.main.standing.rung),
        group.main.standing.log_e / LN10,
        {},
        members,
        frozenset(usage.templates[sorted(templates)].tolist()),
        _exchanges(group, usage, sorted(templates)),
        len(members),
        int(group.main.n_exchanges),
    )


def _exchanges(group: ShownGroup, usage: Usage, templates: list[int]) -> int:
    inside = np.isin(usage.entities, np.array(sorted(group.members), dtype=usage.entities.dtype))
    return int(usage.volumes(np.flatnonzero(inside), templates).sum())


def _why(old: Tracked, judged: Sequence[JudgedGroup], usage: Usage) -> str | None:
    """Which innocent explanation fits the groups that the campaign now stands in; None where there are none.

    Groups with much fewer exchanges than the campaign had are left out: evidence that fades with its data is no
    evidence of innocence.
    """
    nearest: tuple[float, str] | None = None
    for group in judged:
        if group.n_exchanges < FADED * old.peak:
            continue
        names = frozenset(usage.templates[list(group.tests.candidate.templates)].tolist())
        entities = frozenset(usage.entities[group.tests.candidate.entities].tolist())
        common = len(names & old.templates) / len(names | old.templates)
        common += len(entities & old.members) / max(len(entities | old.members), 1)
        fitting = [one for one in group.explanations if one.fits]
        if common > (nearest[0] if nearest else 0.5):
            words = "the evidence of its latest data does not suffice"
            if fitting:
                words = f"on its latest data, {fitting[0].name} fits: {fitting[0].words}"
            elif group.reported:
                words = "its accounts are told as part of other groups"
            nearest = common, words
    return nearest[1] if nearest else None


def _free(name: str) -> Sequence[str]:
    return [name, *(f"{name}_{ordinal}" for ordinal in range(2, 10_000))]
