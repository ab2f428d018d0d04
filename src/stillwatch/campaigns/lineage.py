"""Campaigns over time: which of now is which of before, and what happened to them.

Accounts are banned and replaced, templates are reworded: neither alone names a campaign for long. Two campaigns are
*kin* where the members of the smaller side, or the templates, mostly stay. Each campaign of now takes the id of at
most one of before, the pair with most in common first, so that of two parts the larger keeps the id. All functions
are pure.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

STAYS = 0.5
"""Share of the smaller side's members, or Jaccard index of the templates, that makes two campaigns kin."""

_Key = TypeVar("_Key", str, int)


class Change(StrEnum):
    """What happens to the campaigns of a slice against those of the slice before."""

    NEW = "new"
    KEPT = "kept"
    SPLIT = "split"
    MERGED = "merged"
    GONE = "gone"


@dataclass(frozen=True)
class Body:
    """What a campaign consists of.

    Attributes:
        members: names of its members.
        templates: names of its templates.
        size: exchanges; of two pairs with equally much in common the larger campaign is matched first.
    """

    members: frozenset[Hashable]
    templates: frozenset[Hashable]
    size: float = 0.0


@dataclass(frozen=True)
class Step:
    """One campaign's way from before to now.

    Attributes:
        change: what happened.
        before: id that it had; None for a campaign without kin (NEW).
        now: position among the campaigns of now; None for one that is there no more (MERGED, GONE).
        other: SPLIT: id of the campaign that it was part of; MERGED: position of the campaign that took it in.
    """

    change: Change
    before: str | None
    now: int | None
    other: str | int | None = None


def kinship(before: Body, now: Body) -> float:
    """How much two campaigns have in common, 0 (no kin) to 2: the Jaccard indices of members and templates, added.

    Kin are those of which the smaller side keeps at least `STAYS` of its members, or whose templates' Jaccard index
    is at least `STAYS`: when all accounts are replaced, most templates must stay, not just one that both use.
    """
    members = len(before.members & now.members) / max(min(len(before.members), len(now.members)), 1)
    templates = _jaccard(before.templates, now.templates)
    if max(members, templates) < STAYS:
        return 0.0
    return _jaccard(before.members, now.members) + templates


def follow(before: Mapping[str, Body], now: Sequence[Body]) -> list[Step]:
    """Match the campaigns of now with those of before.

    Args:
        before: by id.
        now: in any order; positions in it are told.

    Returns:
        A step for every campaign of now, in order of position, then for every one of before that has no place
        among them, in order of id.
    """
    pairs = [
        (kinship(body, other), other.size, name, position)
        for name, body in before.items()
        for position, other in enumerate(now)
    ]
    pairs = sorted((pair for pair in pairs if pair[0] > 0), key=lambda p: (-p[0], -p[1], p[2], p[3]))
    heir: dict[str, int] = {}
    taken: dict[int, str] = {}
    for _, _, name, position in pairs:
        if name not in heir and position not in taken:
            heir[name], taken[position] = position, name
    steps = []
    for position, body in enumerate(now):
        if position in taken:
            steps.append(Step(Change.KEPT, taken[position], position))
            continue
        parent = _parent(body, before)
        steps.append(Step(Change.SPLIT if parent else Change.NEW, None, position, parent))
    earlier = {position: before[name] for position, name in taken.items()}
    for name in sorted(set(before) - set(heir)):
        taker = _taker(before[name], now, earlier)
        change = Change.GONE if taker is None else Change.MERGED
        steps.append(Step(change, name, None, taker))
    return steps


def _parent(body: Body, before: Mapping[str, Body]) -> str | None:
    """The campaign of before that most of these members came from, with a template of it."""
    return _holder(body, {name: other for name, other in before.items() if body.templates & other.templates})


def _taker(body: Body, now: Sequence[Body], earlier: Mapping[int, Body]) -> int | None:
    """The campaign of now that holds most of these members, and did not before (`earlier`, by position): two that stood
    side by side with the same members were two, and where one ends the other does not take it in."""
    beside = {position for position, other in earlier.items() if _holds(other, body)}
    return _holder(body, {place: other for place, other in enumerate(now) if place not in beside})


def _holder(body: Body, others: Mapping[_Key, Body]) -> _Key | None:
    """Among campaigns that hold most members of a body, the one that holds the most; of equal ones the first by key."""
    shares = sorted(
        (-len(body.members & other.members), key) for key, other in others.items() if _holds(other, body)
    )
    return shares[0][1] if shares else None


def _holds(other: Body, body: Body) -> bool:
    """Whether `STAYS` of a body's members are in another, and one at least."""
    return len(body.members & other.members) >= STAYS * max(len(body.members), 1)


def _jaccard(left: frozenset[Hashable], right: frozenset[Hashable]) -> float:
    return len(left & right) / max(len(left | right), 1)
