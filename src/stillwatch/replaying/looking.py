"""Who is looked at in a slice, and what stands after it: candidates, tests, e-processes, judged groups."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.campaigns.candidates import Candidate, CandidateSettings, candidates
from stillwatch.campaigns.explanations import explain
from stillwatch.campaigns.judge import Rates, judge
from stillwatch.campaigns.ladder import CLIMB, climb, standings
from stillwatch.campaigns.online import over_time
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.steps import _communities as community_members
from stillwatch.campaigns.steps import candidate_tables, sample_steps
from stillwatch.engines.memory import MemoryEngine
from stillwatch.replaying.hypotheses import (
    followed,
    identify,
    is_due,
    looked_at,
    seen,
    volumes,
)
from stillwatch.replaying.state import State

GAINED, GAINED_LEAST = 1.25, 20
"""Candidates are found anew in a slice in which a shared template's exchanges grew so much since the last time."""

Told = Callable[[int, int], None]


@dataclass
class Outcomes:
    """What is known of the live groups within a day; a new day starts without.

    Attributes:
        groups: hypothesis -> its latest judged group.
        usage: who used which template at the last finding.
        template_volumes: exchanges of each template at the last finding.
    """

    groups: dict[int, JudgedGroup] = field(default_factory=dict)
    usage: Usage | None = None
    template_volumes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Looks:
    """How groups are found and tested.

    Attributes:
        live: engine with the live `signals`.
        scratch: engine for the links.
        settings: limits of candidates.
        rates: error rates.
        cap: most exchanges of a group that are tested.
        live_days: days within the horizon.
        told: called with (done, total) while groups are tested.
    """

    live: MemoryEngine
    scratch: MemoryEngine
    settings: CandidateSettings
    rates: Rates
    cap: int
    live_days: int
    told: Told = lambda done, total: None

    def look(self, state: State, outcomes: Outcomes, day: int, *, everything: bool) -> bool:
        """Find candidates where enough is new, test those that are due, and judge all live groups.

        Args:
            state: changed in place.
            outcomes: changed in place.
            day: number of the day.
            everything: test all live groups anew.

        Returns:
            Whether anything was tested.
        """
        if not everything and not self._gained(state, outcomes):
            return False
        usage = state.usage.usage()
        outcomes.usage, outcomes.template_volumes = usage, state.usage.template_volumes()[0]
        found = candidates(usage, self._communities(state, usage), self.settings)
        return self._tested(state, outcomes, usage, found, day, everything)

    def _gained(self, state: State, outcomes: Outcomes) -> bool:
        volume, users = state.usage.template_volumes()
        before = np.zeros_like(volume)
        before[: len(outcomes.template_volumes)] = outcomes.template_volumes
        shared = users >= self.settings.minimum_entities
        grown = (volume >= GAINED * before) & (volume >= before + GAINED_LEAST)
        return bool((shared & grown).any())

    def _communities(self, state: State, usage: Usage) -> list[NDArray[np.int64]]:
        return community_members(state.attributes.communities(self.scratch), usage)

    def _tested(
        self,
        state: State,
        outcomes: Outcomes,
        usage: Usage,
        found: list[Candidate],
        day: int,
        everything: bool,
    ) -> bool:
        known = state.hypotheses
        live = [number for number, one in enumerate(known) if one.last_day >= day - self.live_days]
        places = identify(usage, found, known, live)
        if everything:
            again = self._unnamed(state, places, usage)
            found, places = [*found, *(c for _, c in again)], [*places, *(p for p, _ in again)]
        size = volumes(usage, found)
        chosen: list[int] = []
        for at, place in enumerate(places):
            due = is_due(size[at], known[place] if place is not None else None)
            if due or (everything and place is not None):
                chosen.append(at)
            if place is not None:
                known[place] = seen(known[place], day)
        _drop(outcomes, {place for place in places if place is not None})
        if not chosen:
            return False
        tested = self._judge(state, usage, [found[at] for at in chosen])
        _take(state, outcomes, usage, [(places[chosen[group.index]], group) for group in tested], day)
        self._stand(state, outcomes, usage)
        return True

    def _unnamed(self, state: State, places: list[int | None], usage: Usage) -> list[tuple[int, Candidate]]:
        """Reported groups that discovery does not name any more."""
        level = state.processes.levels(len(CLIMB) - 1)
        reported = set(np.flatnonzero(level <= self.rates.fdr).tolist()) - set(places)
        found = [
            (number, followed(usage, state.hypotheses[number], self.settings)) for number in sorted(reported)
        ]
        return [(number, candidate) for number, candidate in found if candidate is not None]

    def _judge(self, state: State, usage: Usage, found: list[Candidate]) -> list[JudgedGroup]:
        for name, table in candidate_tables(usage, found, self.cap).items():
            self.live.put(name, table)
        for step in sample_steps():
            self.live.run(step)
        sample = self.live.table("candidate_sample")
        models = state.attributes.models()
        tested = judge(usage, found, sample, models, self.rates, self.told)
        for name in ("candidate_matches", "candidate_sample"):
            self.live.drop(name)
        return tested

    def _stand(self, state: State, outcomes: Outcomes, usage: Usage) -> None:
        """Standings and explanations of all live groups on the evidence so far."""
        numbers = sorted(outcomes.groups)
        tests = [outcomes.groups[number].tests for number in numbers]
        procedure = over_time(state.processes, np.array(numbers, dtype=np.int64))
        places = standings(tests, self.rates.fdr, self.rates.shape_error, procedure=procedure)
        shape = (len(usage.entities), len(usage.templates))
        for number, test, place in zip(numbers, tests, places, strict=True):
            group = outcomes.groups[number]
            outcomes.groups[number] = replace(
                group,
                index=number,
                standing=place,
                explanations=tuple(explain(test, place)),
                volume=_resized(group.volume, shape),
            )


def _drop(outcomes: Outcomes, found: set[int]) -> None:
    """Let go of groups that are not found any more, unless their verdict stands."""
    outcomes.groups = {
        number: group for number, group in outcomes.groups.items() if number in found or group.reported
    }


def _take(
    state: State,
    outcomes: Outcomes,
    usage: Usage,
    tested: list[tuple[int | None, JudgedGroup]],
    day: int,
) -> None:
    """Births, looks, and the latest outcome of each tested group."""
    born = [group for place, group in tested if place is None]
    state.processes = state.processes.born(len(born))
    looked: list[tuple[int, JudgedGroup]] = []
    next_number = len(state.hypotheses)
    for place, group in tested:
        n = group.n_exchanges
        if place is None:
            number, due = next_number, True
            next_number += 1
            state.hypotheses.append(looked_at(usage, group.tests.candidate, n, day))
        else:
            number, due = place, is_due(n, state.hypotheses[place])
            if due:
                state.hypotheses[place] = looked_at(usage, group.tests.candidate, n, day)
        outcomes.groups[number] = group
        if due:
            looked.append((number, group))
    if looked:
        log_e = np.column_stack([climb([group.tests for _, group in looked], rung) for rung in CLIMB])
        which = np.array([number for number, _ in looked], dtype=np.int64)
        state.processes = state.processes.looked(which, log_e)


def _resized(volume: csr_array, shape: tuple[int, int]) -> csr_array:
    if volume.shape == shape:
        return volume
    larger = volume.copy()
    larger.resize(shape)
    return csr_array(larger)
