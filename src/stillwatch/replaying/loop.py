"""The loop over slices: take in, look, follow the campaigns, tell, and keep a checkpoint a day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stillwatch.campaigns.cells import read_cells
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import ShownGroup, shown_groups
from stillwatch.engines.run import Run
from stillwatch.exchange.writer import write_table
from stillwatch.replaying.campaigns_over_time import REPORTED
from stillwatch.replaying.group_results import kept_rows, tables_of_groups, under_their_ids
from stillwatch.replaying.intake import Intake
from stillwatch.replaying.looking import Looks
from stillwatch.replaying.outcomes import Outcomes
from stillwatch.replaying.slices import DAY_US, spans
from stillwatch.replaying.state import State, history_table, save

Progress = Callable[[int, int, int], None]
"""Told of (event time in microseconds, slices done, slices in all)."""


@dataclass(frozen=True)
class Ended:
    """How things stand after the last slice.

    Attributes:
        state: the state.
        shown: the campaigns under their ids, then other tested groups.
    """

    state: State
    shown: list[ShownGroup]


@dataclass(frozen=True)
class Loop:
    """A pass over all slices.

    Attributes:
        intake: takes slices in.
        looks: finds and tests groups.
        checkpoints: folder of the state.
        history: the file of events, renewed with each.
        every: length of a slice, microseconds.
        horizon: how long exchanges count, microseconds.
        progress: told after each slice.
    """

    intake: Intake
    looks: Looks
    checkpoints: Path
    history: Path
    every: int
    horizon: int
    progress: Progress = lambda at, done, total: None

    def run(self, state: State, first: int, last: int, most_unreported: int) -> Ended:
        """Go through the slices that the state has not seen.

        Args:
            state: of the last checkpoint.
            first: first exchange, microseconds.
            last: last exchange.
            most_unreported: most groups told beside the campaigns at the end.
        """
        slices = list(spans(first, last, self.every))
        self._write_history(state)
        followed = False
        for number, (start, end) in enumerate(slices, start=1):
            if state.cursor is not None and end <= state.cursor:
                continue
            rows = self.intake.take(state, start, end)
            is_last = number == len(slices)
            if rows or is_last:
                looked = self.looks.look(state, start, end, is_last)
                if not looked and _any_reported(state.outcomes):
                    self.looks.refresh(state)
                if looked or is_last or _any_reported(state.outcomes):
                    self._follow(state, end)
                    followed = True
            self.progress(end, number, len(slices))
            if end // DAY_US > start // DAY_US and not is_last:
                since = (end - self.horizon) // DAY_US
                if since > first // DAY_US and followed:
                    self._keep(state)
                state.outcomes = state.outcomes.only(self.looks.reported(state))
                state = save(self.checkpoints, state, start // DAY_US, since)
                self.intake.forget(state, since)
                followed = False
        groups = state.outcomes.groups
        judged = [groups[number] for number in sorted(groups)]
        return Ended(state, self._groups(state.outcomes, judged, most_unreported))

    def _follow(self, state: State, end: int) -> None:
        outcomes = state.outcomes
        assert outcomes.usage is not None
        judged = [outcomes.groups[number] for number in sorted(outcomes.groups)]
        shown = self._groups(outcomes, [group for group in judged if group.reported], 0)
        told = len(state.campaigns.history)
        state.campaigns.update(end, shown, judged, outcomes.usage)
        if len(state.campaigns.history) > told:
            self._write_history(state)

    def _groups(self, outcomes: Outcomes, judged: list[JudgedGroup], most: int) -> list[ShownGroup]:
        """Groups as a reader is shown them, with the members that they have by now."""
        assert outcomes.usage is not None
        cells = read_cells(self.intake.cells.of(_users_of_reported(judged, outcomes.usage)))
        # A campaign's accounts are also judged by what the tests said of them in wider groups.
        tested = [outcomes.groups[number] for number in sorted(outcomes.groups)]
        return shown_groups(judged, outcomes.usage, most, cells, tested)

    def _keep(self, state: State) -> None:
        """Keep the rows of all campaigns before days are forgotten."""
        outcomes = state.outcomes
        if outcomes.usage is None:
            return
        reported = [outcomes.groups[n] for n in sorted(outcomes.groups) if outcomes.groups[n].reported]
        shown = under_their_ids(self._groups(outcomes, reported, 0), state)
        run = Run(self.looks.live, lambda words, done, total: None, 0)
        tables = tables_of_groups(run, shown, state, outcomes.usage)
        standing = {name for name, one in state.campaigns.tracked.items() if one.status == REPORTED}
        state.kept = kept_rows(tables, state.kept, standing)

    def _write_history(self, state: State) -> None:
        write_table(self.history, history_table(state.campaigns.history))


def _users_of_reported(judged: Sequence[JudgedGroup], usage: Usage) -> list[str]:
    """Entities that use a template of a reported group (as in `shown.user_cells_steps`)."""
    used = {template for group in judged if group.reported for template in group.tests.candidate.templates}
    users = usage.by_template.of_templates(sorted(used)).entity if used else np.zeros(0, np.int64)
    return [str(name) for name in usage.entities[np.unique(users)]]


def _any_reported(outcomes: Outcomes) -> bool:
    return any(group.reported for group in outcomes.groups.values())
