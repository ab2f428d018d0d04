"""Who is looked at in a slice, and what stands after it: candidates, tests, e-processes, judged groups."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.campaigns.births import Lives
from stillwatch.campaigns.candidates import Candidate, CandidateSettings, candidates
from stillwatch.campaigns.explanations import explain
from stillwatch.campaigns.judge import Beside, Rates, judge
from stillwatch.campaigns.ladder import CLIMB, climb, standings
from stillwatch.campaigns.online import look_place, over_time, patience
from stillwatch.campaigns.outputs_of_groups import with_outputs
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.sample import HOUR_US
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.steps import candidate_tables, communities_of, kin_bundles, sample_steps, wordings
from stillwatch.campaigns.tables import Rung
from stillwatch.engines.memory import MemoryEngine
from stillwatch.replaying.hypotheses import (
    followed,
    followed_again,
    identify,
    is_due,
    looked_at,
    seen,
)
from stillwatch.replaying.known_accounts import KnownAccounts
from stillwatch.replaying.outcomes import Outcomes, is_daily_test_due
from stillwatch.replaying.renumbering import Renumbering
from stillwatch.replaying.slices import DAY_US
from stillwatch.replaying.state import State
from stillwatch.signals.kinship import template_kin

GAINED, GAINED_LEAST = 1.1, 20
"""Candidates are found anew in a slice in which a shared template's exchanges grew so much since the last time."""

TESTED_IN_AN_HOUR, TESTED_IN_A_SLICE = 200_000, 400_000
"""About how many exchanges of all groups together are tested in a slice of an hour, or of many: what is reported is
tested again once a day, whatever the month has made of it. Past it all groups are allowed the same number, so that only
the large ones are thinned (campaigns/thinning.py). The last slice, which tests everything for the report, is not bound
by it."""

Told = Callable[[int, int], None]


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

    def look(self, state: State, start: int, end: int, everything: bool) -> bool:
        """Find candidates where enough is new or a daily test is due, test those that are due, and judge all groups.

        Args:
            state: changed in place.
            start: of the slice, microseconds since 1970.
            end: likewise, not included.
            everything: whether all groups are tested, due or not.

        Returns:
            Whether anything was tested, or let go of.
        """
        reported = self.reported(state)
        daily = reported if everything else _of_the_hour(state.outcomes, reported, end)
        state.outcomes.followed_until = end
        gained = everything or self._gained(state)
        if not gained and not daily:
            return False
        usage = self.refresh(state)
        kin = template_kin(state.fields["prompt"].leaders)
        budget = None if everything else _budget(start, end)
        if budget is not None and not gained:
            # What all daily tests share in a day, these share in proportion to their number.
            budget = min(budget, -(-TESTED_IN_A_SLICE * len(daily) // len(reported)))
        wanted = _Wanted(reported, daily, gained, everything, budget)
        found = self._found(state, usage, kin) if gained else []
        return self._tested(state, _Found(found, wordings(kin, usage)), start // DAY_US, wanted)

    def _found(self, state: State, usage: Usage, kin: pa.Table) -> list[Candidate]:
        """All candidates of now."""
        state.outcomes.template_volumes = state.usage.template_volumes()[0]
        communities = self._communities(state, usage)
        return candidates(usage, communities, self.settings, kin_bundles(_used(kin, usage), usage))

    def refresh(self, state: State) -> Usage:
        """Bring the numbers of all groups to the present usage."""
        usage, outcomes = state.usage.usage(), state.outcomes
        if outcomes.usage is not None:
            change = Renumbering.between(outcomes.usage, usage)
            outcomes.groups = {number: change.of(group) for number, group in outcomes.groups.items()}
        outcomes.usage = usage
        return usage

    def _gained(self, state: State) -> bool:
        volume, users = state.usage.template_volumes()
        before = np.zeros_like(volume)
        held = state.outcomes.template_volumes
        before[: len(held)] = held
        shared = users >= self.settings.minimum_entities
        grown = (volume >= GAINED * before) & (volume >= before + GAINED_LEAST)
        return bool((shared & grown).any())

    def _communities(self, state: State, usage: Usage) -> list[NDArray[np.int64]]:
        return communities_of(state.attributes.communities(self.scratch), usage)

    def reported(self, state: State) -> set[int]:
        """Hypotheses whose evidence reaches one task pool, innocently explained or not."""
        level = state.processes.levels(CLIMB.index(Rung.ONE_TASK_POOL))
        return set(np.flatnonzero(level <= self.rates.fdr).tolist())

    def _tested(self, state: State, discovered: "_Found", day: int, wanted: "_Wanted") -> bool:
        outcomes, known, found = state.outcomes, state.hypotheses, discovered.candidates
        usage = _usage(outcomes)
        live = [number for number, one in enumerate(known) if one.last_day >= day - self.live_days]
        places = identify(usage, found, known, live)
        again = self._unnamed(state, wanted.daily - set(places), usage)
        found, places = [*found, *(c for _, c in again)], [*places, *(p for p, _ in again)]
        chosen: list[int] = []
        for at, place in enumerate(places):
            due = wanted.looks and is_due(found[at].n_exchanges, known[place] if place is not None else None)
            if due or (place is not None and wanted.includes(place, outcomes)):
                chosen.append(at)
            if place is not None:
                known[place] = seen(known[place], day)
        held = len(outcomes.groups)
        _drop(outcomes, {place for place in places if place is not None}, wanted)
        if not chosen:
            return len(outcomes.groups) < held
        due_now = _Found([found[at] for at in chosen], discovered.wordings)
        tested = self._judge(state, usage, due_now, wanted.budget)
        _take(state, usage, [(places[chosen[group.index]], group) for group in tested], day, wanted.looks)
        self._stand(state)
        return True

    def _unnamed(self, state: State, numbers: set[int], usage: Usage) -> list[tuple[int, Candidate]]:
        """Candidates for reported groups that discovery does not name: who they were at their last test, if that is
        known, else at their last look."""
        rows = []
        for number in sorted(numbers):
            group = state.outcomes.groups.get(number)
            if group is None:
                candidate = followed(usage, state.hypotheses[number], self.settings)
            else:
                candidate = followed_again(usage, group.tests.candidate, self.settings)
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

    def _stand(self, state: State) -> None:
        """Standings and explanations of all live groups on the evidence so far."""
        outcomes = state.outcomes
        usage, numbers = _usage(outcomes), sorted(outcomes.groups)
        tests = [outcomes.groups[number].tests for number in numbers]
        # A rank among all groups, so it is taken anew where one of them was tested.
        tests = with_outputs(tests, usage.templates, state.outputs.scores(usage))
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


class _Wanted(NamedTuple):
    """Groups that are tested whether or not they have enough new data.

    Attributes:
        reported: hypotheses whose evidence reaches one task pool.
        daily: those of them that are tested in this slice.
        looks: whether groups with enough new data are looked at. A daily test alone makes no look: what is reported
            must not decide when another group, or itself, is looked at.
        everything: whether all are.
        budget: about how many exchanges are tested in all; None for no bound.
    """

    reported: set[int]
    daily: set[int]
    looks: bool
    everything: bool
    budget: int | None

    def includes(self, number: int, outcomes: Outcomes) -> bool:
        """Whether a hypothesis is among them; of what is reported some test must be known."""
        missing = number in self.reported and number not in outcomes.groups
        return self.everything or number in self.daily or missing


def _of_the_hour(outcomes: Outcomes, reported: set[int], end: int) -> set[int]:
    """Reported groups whose time of day it is: what is reported is followed on its latest data."""
    since = outcomes.followed_until
    return {number for number in reported if is_daily_test_due(number, since, end)}


def _budget(start: int, end: int) -> int:
    """About how many exchanges may be tested in a slice."""
    hours = max((end - start) / HOUR_US, 1.0)
    return min(int(hours * TESTED_IN_AN_HOUR), TESTED_IN_A_SLICE)


def _used(kin: pa.Table, usage: Usage) -> pa.Table:
    """Kin of which both are live."""
    live = pa.array(usage.templates[np.diff(usage.by_template.starts) > 0].tolist(), pa.string())
    both = (pc.is_in(kin.column(f"template_{side}"), live) for side in "ab")
    return kin.filter(pc.and_(*both))


def _usage(outcomes: Outcomes) -> Usage:
    assert outcomes.usage is not None
    return outcomes.usage


def _drop(outcomes: Outcomes, found: set[int], wanted: _Wanted) -> None:
    """Let go of groups that are not found any more; where a verdict stands, once too little is left for a test."""

    def stays(number: int, group: JudgedGroup) -> bool:
        return number not in wanted.daily and (group.reported or not wanted.looks)

    outcomes.groups = {
        number: group for number, group in outcomes.groups.items() if number in found or stays(number, group)
    }


def _take(
    state: State,
    usage: Usage,
    tested: list[tuple[int | None, JudgedGroup]],
    day: int,
    looks: bool,
) -> None:
    """Births, looks where there are any, and the latest outcome of each tested group."""
    state.processes = state.processes.born(sum(place is None for place, _ in tested))
    reached = {rung: climb([group.tests for _, group in tested], rung) for rung in CLIMB} if tested else {}
    log_e = np.column_stack(list(reached.values())) if tested else np.zeros((0, len(CLIMB)))
    rows, numbers, places = [], [], []
    for row, (known, group) in enumerate(tested):
        n = group.n_exchanges
        first = state.hypotheses[known].n_first if known is not None else n
        place = look_place(max(n, first), first)
        number = len(state.hypotheses) if known is None else known
        if known is None or (looks and place >= state.hypotheses[known].next_place):
            # The highest claim decides whether more data could help.
            following = place + patience(float(log_e[row, -1]))
            looked = looked_at(usage, group.tests.candidate, day, first, following)
            state.hypotheses[number : number + 1] = [looked]
            rows.append(row)
            numbers.append(number)
            places.append(place)
        candidate = group.tests.candidate
        held = usage.by_template.of_group(candidate.entities, candidate.templates)[1]
        state.outcomes.groups[number] = replace(group, held=held)  # the usage goes on
    if rows:
        which, at = np.array(numbers, dtype=np.int64), np.array(places, dtype=np.int64)
        state.processes = state.processes.looked(which, at, log_e[rows])
    state.figures["looks"] = state.figures.get("looks", 0) + len(rows)
    state.figures["tests"] = state.figures.get("tests", 0) + len(tested)
