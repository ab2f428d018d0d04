"""What the last tests said of the live groups, within a day and over the end of one."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.replaying.live_usage import LiveUsage
from stillwatch.replaying.renumbering import Renumbering
from stillwatch.replaying.slices import DAY_US
from stillwatch.replaying.stored import Arrays, layout, packed, unpacked

Ints = NDArray[np.int64]

GROUPS = "groups"
"""First word of the names of the files."""
_SPREAD, _BITS = 0x9E3779B97F4A7C15, 64
"""2^64 over the golden ratio: multiples of it spread numbers evenly, however many there are."""


@dataclass
class Outcomes:
    """What is known of the live groups.

    Attributes:
        groups: hypothesis -> its latest judged group, in the numbers of `usage`.
        usage: who used which template when the groups were judged last.
        template_volumes: exchanges of each template at the last finding, in the order of `LiveUsage.templates`.
        followed_until: end of the last slice in which it was asked whose daily test is due, microseconds since 1970.
    """

    groups: dict[int, JudgedGroup] = field(default_factory=dict)
    usage: Usage | None = None
    template_volumes: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    followed_until: int = 0

    def only(self, numbers: Collection[int]) -> "Outcomes":
        """The same with the groups of some hypotheses alone."""
        groups = {number: group for number, group in self.groups.items() if number in numbers}
        return Outcomes(groups, self.usage, self.template_volumes, self.followed_until)


def is_daily_test_due(number: int, since: int, until: int) -> bool:
    """Whether the time of day at which a hypothesis is tested, whatever its data, lies from `since` up to `until`.

    The time is a function of the hypothesis alone, and the times of many are spread over the day.

    Args:
        number: of the hypothesis, in order of birth.
        since: microseconds since 1970.
        until: likewise, not included.
    """
    moment = (number * _SPREAD % (1 << _BITS)) * DAY_US >> _BITS
    return (until - 1 - moment) // DAY_US > (since - 1 - moment) // DAY_US


def outcomes_layout() -> dict[str, dict[str, str]]:
    """What is stored of a group: a state with another layout cannot be read."""
    return layout(JudgedGroup)


def write_outcomes(folder: Path, outcomes: Outcomes, templates: list[str]) -> None:
    """Write the files groups.json and groups_<type>.npy.

    Args:
        folder: where to.
        outcomes: groups that have been `held` when they were tested.
        templates: names in the order of `template_volumes`, maybe more.
    """
    names = _Names.of(outcomes)
    arrays = Arrays()
    groups = [
        [number, packed(names.stored(group), JudgedGroup, arrays)]
        for number, group in sorted(outcomes.groups.items())
    ]
    n = len(outcomes.template_volumes)
    rest = {
        "followed_until": outcomes.followed_until,
        "entities": names.entities.tolist(),
        "templates": names.templates.tolist(),
        "volumes": [templates[:n], arrays.put(outcomes.template_volumes)],
        "groups": groups,
    }
    (folder / f"{GROUPS}.json").write_text(json.dumps(rest), encoding="utf-8")
    for kind, values in arrays.joined().items():
        np.save(folder / f"{GROUPS}_{kind}.npy", values, allow_pickle=False)


@dataclass(frozen=True)
class StoredOutcomes:
    """Outcomes as they were read, before their names have numbers.

    Attributes:
        entities, templates: names that stand in the groups, in order: the usage must number all of them, live or not.
    """

    entities: list[str]
    templates: list[str]
    _rest: dict[str, Any]
    _arrays: Arrays

    @classmethod
    def read(cls, folder: Path) -> "StoredOutcomes":
        """What `write_outcomes` wrote."""
        rest = json.loads((folder / f"{GROUPS}.json").read_text("utf-8"))
        held = {
            file.stem.removeprefix(f"{GROUPS}_"): np.load(file, allow_pickle=False)
            for file in sorted(folder.glob(f"{GROUPS}_*.npy"))
        }
        return cls(rest["entities"], rest["templates"], rest, Arrays(held))

    def numbered(self, live: LiveUsage) -> Outcomes:
        """The outcomes in the numbers of the present usage."""
        usage = live.usage()
        names = _Names(np.array(self.entities, np.str_), np.array(self.templates, np.str_))
        back = Renumbering.of_names((names.entities, names.templates), (usage.entities, usage.templates))
        groups = {
            number: back.of(unpacked(group, JudgedGroup, self._arrays))
            for number, group in self._rest["groups"]
        }
        groups = {number: group for number, group in groups.items() if _is_live(group, usage)}
        known, place = self._rest["volumes"]
        before = dict(zip(known, self._arrays.get(place).tolist(), strict=True))
        now = live.template_volumes()[0]
        then = np.array([before.get(name, 0) for name in live.templates.list], dtype=np.int64)
        # What has left the horizon since need not come back to be growth.
        return Outcomes(groups, usage, np.minimum(then, now), self._rest["followed_until"])


@dataclass(frozen=True)
class _Names:
    """Names of the entities and templates of some groups, in order."""

    entities: NDArray[np.str_]
    templates: NDArray[np.str_]
    _to_stored: Renumbering | None = None

    @classmethod
    def of(cls, outcomes: Outcomes) -> "_Names":
        usage = outcomes.usage
        if usage is None:
            return cls(np.zeros(0, np.str_), np.zeros(0, np.str_))
        candidates = [group.tests.candidate for group in outcomes.groups.values()]
        none = np.zeros(0, np.int64)
        entities = np.unique(np.concatenate([none, *(one.entities for one in candidates)]))
        templates = np.unique(
            np.concatenate([none, *(np.array(one.templates, np.int64) for one in candidates)])
        )
        names = usage.entities[entities], usage.templates[templates]
        to_stored = Renumbering(
            _places(entities, len(usage.entities)), _places(templates, len(usage.templates)), False
        )
        return cls(*names, to_stored)

    def stored(self, group: JudgedGroup) -> JudgedGroup:
        """The group in the places of these names."""
        assert self._to_stored is not None
        return self._to_stored.of(group)


def _is_live(group: JudgedGroup, usage: Usage) -> bool:
    """Whether anything of a group is within the horizon."""
    candidate = group.tests.candidate
    return len(usage.by_template.of_group(candidate.entities, candidate.templates)[0]) > 0


def _places(numbers: Ints, n: int) -> Ints:
    """Place of each of n numbers among some of them; -1 for the others."""
    place = np.full(n, -1, np.int64)
    place[numbers] = np.arange(len(numbers))
    return place
