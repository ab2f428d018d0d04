"""Who is looked at in a slice, and what stands after it: candidates, tests, e-processes, judged groups."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.births import Lives
from stillwatch.campaigns.candidates import Candidate, CandidateSettings, candidates
from stillwatch.campaigns.explanations import explain
from stillwatch.campaigns.judge import Beside, Rates, judge
from stillwatch.campaigns.ladder import CLIMB, climb, standings
from stillwatch.campaigns.online import look_place, over_time, patience
from stillwatch.campaigns.output_maximisation import TemplateScores
from stillwatch.campaigns.outputs_of_groups import with_outputs
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.steps import candidate_tables, communities_of, kin_bundles, sample_steps, wordings
from stillwatch.campaigns.tables import Rung
from stillwatch.engines.memory import MemoryEngine
from stillwatch.replaying.hypotheses import (
    followed,
    identify,
    is_due,
    looked_at,
    seen,
)
from stillwatch.replaying.known_accounts import KnownAccounts
from stillwatch.replaying.renumbering import Renumbering
from stillwatch.replaying.state import State
from stillwatch.signals.kinship import template_kin

GAINED, GAINED_LEAST = 1.1, 20
"""Candidates are found anew in a slice in which a shared template's exchanges grew so much since the last time."""

TESTED_IN_A_SLICE = 400_000
"""About how many exchanges of all groups together are tested in one slice: what is reported is tested again once a day,
whatever the month has made of it. Past it all groups are allowed the same number, so that only the large ones are
thinned (campaigns/thinning.py). The last slice, which tests everything for the report, is not bound by it."""

Told = Callable[[int, int], None]


class Which(Enum):
    """Which groups are tested in a slice."""

    DUE = "those with enough new data"
    REPORTED = "those, and what is reported"
    ALL = "every group"


@dataclass
class Outcomes:
    """What is known of the live groups within a day; a new day starts without.

    Attributes:
        groups: hypothesis -> its latest judged group, in the numbers of `usage`.
        usage: who used which template when the groups were judged last.
        template_volumes: exchanges of each template at the last finding.
        outputs: how long the answers to each template are, at the last test.
    """

    groups: dict[int, JudgedGroup] = field(default_factory=dict)
    usage: Usage | None = None
    template_volumes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    outputs: TemplateScores | None = None


@dataclass(frozen=True)
class Looks:
    """How groups are found and tested.

    Attributes:
        live: engine with the live `signals`.
        scratch: engine for the links.
        accounts: what is known of accounts at a time.
        settings: limits of candidates.
        rates: error rates.
        cap: most exchanges of a group that are tested.
        live_days: days within the horizon.
        told: called with (done, total) while groups are tested.
    """

    live: MemoryEngine
    scratch: MemoryEngine
    accounts: KnownAccounts
    settings: CandidateSettings
    rates: Rates
    cap: int
    live_days: int
    told: Told = lambda done, total: None

    def look(self, state: State, outcomes: Outcomes, day: int, which: Which) -> bool:
        """Find candidates where enough is new, test those that are due, and judge all live groups.

        Args:
            state: changed in place.
            outcomes: changed in place.
            day: number of the day.
            which: groups that are tested whether or not they are due.

        Returns:
            Whether anything was tested.
        """
        if which is Which.DUE and not self._gained(state, outcomes):
            return False
        usage = self.refresh(state, outcomes)
        outcomes.template_volumes = state.usage.template_volumes()[0]
        kin = template_kin(state.fields["prompt"].leaders)
        communities = self._communities(state, usage)
        found = candidates(usage, communities, self.settings, kin_bundles(kin, usage))
        return self._tested(state, outcomes, _Found(found, wordings(kin, usage)), day, which)

    def refresh(self, state: State, outcomes: Outcomes) -> Usage:
        """Bring the numbers of all groups to the present usage."""
        usage = state.usage.usage()
        if outcomes.usage is not None:
            change = Renumbering.between(outcomes.usage, usage)
            outcomes.groups = {number: change.of(group) for number, group in outcomes.groups.items()}
        outcomes.usage = usage
        return usage

    def _gained(self, state: State, outcomes: Outcomes) -> bool:
        volume, users = state.usage.template_volumes()
        before = np.zeros_like(volume)
        before[: len(outcomes.template_volumes)] = outcomes.template_volumes
        shared = users >= self.settings.minimum_entities
        grown = (volume >= GAINED * before) & (volume >= before + GAINED_LEAST)
        return bool((shared & grown).any())

    def _communities(self, state: State, usage: Usage) -> list[NDArray[np.int64]]:
        return communities_of(state.attributes.communities(self.scratch), usage)

    def _tested(self, state: State, outcomes: Outcomes, discovered: "_Found", day: int, which: Which) -> bool:
        usage, known, found = _usage(outcomes), state.hypotheses, discovered.candidates
        live = [number for number, one in enumerate(known) if one.last_day >= day - self.live_days]
        places = identify(usage, found, known, live)
        reported = self._reported(state)
        if which is not Which.DUE:
            again = self._unnamed(state, reported - set(places), usage)
            found, places = [*found, *(c for _, c in again)], [*places, *(p for p, _ in again)]
        chosen: list[int] = []
        for at, place in enumerate(places):
            due = is_due(found[at].n_exchanges, known[place] if place is not None else None)
            # What is reported is followed on its latest data; a new day knows no outcome of the day before.
            wanted = place in reported and place not in outcomes.groups
            if due or wanted or (which is Which.ALL and place is not None):
                chosen.append(at)
            if place is not None:
                known[place] = seen(known[place], day)
        _drop(outcomes, {place for place in places if place is not None})
        if not chosen:
            return False
        budget = None if which is Which.ALL else TESTED_IN_A_SLICE
        tested = self._judge(state, usage, _Found([found[at] for at in chosen], discovered.wordings), budget)
        _take(state, outcomes, usage, [(places[chosen[group.index]], group) for group in tested], day)
        outcomes.outputs = state.outputs.scores(usage)
        self._stand(state, outcomes)
        return True

    def _reported(self, state: State) -> set[int | None]:
        """Hypotheses whose evidence reaches one task pool, innocently explained or not."""
        level = state.processes.levels(CLIMB.index(Rung.ONE_TASK_POOL))
        return set(np.flatnonzero(level <= self.rates.fdr).tolist())

    def _unnamed(self, state: State, numbers: set[int | None], usage: Usage) -> list[tuple[int, Candidate]]:
        """Candidates for reported groups that discovery does not name any more."""
        rows = []
        for number in sorted(number for number in numbers if number is not None):
            candidate = followed(usage, state.hypotheses[number], self.settings)
            if candidate is not None:
                rows.append((number, candidate))
        return rows

    def _judge(self, state: State, usage: Usage, found: "_Found", budget: int | None) -> list[JudgedGroup]:
        for name, table in candidate_tables(usage, found.candidates, self.cap, budget).items():
            self.live.put(name, table)
        for step in sample_steps():
            self.live.run(step)
        beside = replace(self._beside(state), wordings=found.wordings)
        tested = judge(
            usage, found.candidates, self.live.batches("candidate_sample"), beside, self.rates, self.told
        )
        for step in sample_steps():
            self.live.drop(step.output)
        return tested

    def _beside(self, state: State) -> Beside:
        """What is known by now of accounts and answers."""
        assert state.cursor is not None
        entities = state.attributes.entities()
        accounts = self.accounts.of(entities.column("account_id").to_pylist(), state.cursor)
        return Beside(state.attributes.models(), Lives.from_tables(accounts, entities))

    def _stand(self, state: State, outcomes: Outcomes) -> None:
        """Standings and explanations of all live groups on the evidence so far."""
        numbers = sorted(outcomes.groups)
        tests = [outcomes.groups[number].tests for number in numbers]
        if outcomes.outputs is not None:
            # A rank among all groups, so it is taken anew where one of them was tested.
            tests = with_outputs(tests, _usage(outcomes).templates, outcomes.outputs)
        procedure = over_time(state.processes, np.array(numbers, dtype=np.int64))
        places = standings(tests, self.rates.fdr, self.rates.shape_error, procedure=procedure)
        for number, test, place in zip(numbers, tests, places, strict=True):
            group = outcomes.groups[number]
            explanations = tuple(explain(test, place))
            outcomes.groups[number] = replace(
                group, index=number, tests=test, standing=place, explanations=explanations
            )


class _Found(NamedTuple):
    """Candidates, and the number of the wording of every template."""

    candidates: list[Candidate]
    wordings: NDArray[np.int64]


def _usage(outcomes: Outcomes) -> Usage:
    assert outcomes.usage is not None
    return outcomes.usage


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
    state.processes = state.processes.born(sum(place is None for place, _ in tested))
    reached = {rung: climb([group.tests for _, group in tested], rung) for rung in CLIMB} if tested else {}
    log_e = np.column_stack(list(reached.values())) if tested else np.zeros((0, len(CLIMB)))
    rows, numbers, places = [], [], []
    for row, (known, group) in enumerate(tested):
        n = group.n_exchanges
        first = state.hypotheses[known].n_first if known is not None else n
        place = look_place(max(n, first), first)
        number = len(state.hypotheses) if known is None else known
        if known is None or place >= state.hypotheses[known].next_place:
            # The highest claim decides whether more data could help.
            following = place + patience(float(log_e[row, -1]))
            looked = looked_at(usage, group.tests.candidate, day, first, following)
            state.hypotheses[number : number + 1] = [looked]
            rows.append(row)
            numbers.append(number)
            places.append(place)
        candidate = group.tests.candidate
        held = usage.by_template.of_group(candidate.entities, candidate.templates)[1]
        outcomes.groups[number] = replace(group, held=held)  # the usage goes on
    if rows:
        which, at = np.array(numbers, dtype=np.int64), np.array(places, dtype=np.int64)
        state.processes = state.processes.looked(which, at, log_e[rows])
    state.figures["looks"] = state.figures.get("looks", 0) + len(rows)
    state.figures["tests"] = state.figures.get("tests", 0) + len(tested)
