"""Runs steps on an engine, keeps their times, and tells how far it is."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from stillwatch.engines.engine import Engine
from stillwatch.engines.journal import Journal
from stillwatch.engines.step import Step
from stillwatch.engines.unused_memory import return_unused

_LONG = 1.0
Report = Callable[[str, int, int], None]
"""Told of what is being done: words, and how much of that is done and is to be done (0 where nobody knows)."""


@dataclass
class Run:
    """One pass of steps over one engine.

    Attributes:
        engine: holds the tables.
        report: told of each step's name, how many are done and how many there are.
        total: steps expected, for the progress; 0 where nobody counts them.
        journal: told of each finished step; steps that it knows as finished are not run again.
        timings: name, seconds and rows of each step that ran.
    """

    engine: Engine
    report: Report
    total: int
    journal: Journal | None = None
    timings: list[dict[str, Any]] = field(default_factory=list)

    def steps(self, steps: Iterable[Step]) -> None:
        """Run steps in order; those that an interrupted run has finished are only named again."""
        for step in steps:
            if not self._recalled(step.output):
                self.report(step.output.replace("_", " "), len(self.timings), self.total)
                start = time.perf_counter()
                self.engine.run(step)
                rows = self.engine.rows(step.output)
                self.done(step.output, start, rows)
                if self.journal is not None:
                    self.journal.add(step.output, rows, self.timings[-1]["seconds"])

    def done(self, name: str, start: float, rows: int) -> None:
        """Note something that ran since `start` (of time.perf_counter)."""
        seconds = time.perf_counter() - start
        self.timings.append({"name": name, "seconds": round(seconds, 3), "rows": rows})
        if seconds > _LONG:  # a short one leaves little, and giving it back takes some milliseconds
            return_unused()

    def _recalled(self, name: str) -> bool:
        step = None if self.journal is None else self.journal.next(name)
        if step is None or self.journal is None:
            return False
        if not self.engine.recall(name, step.rows):
            self.journal.back()
            return False
        self.timings.append({"name": name, "seconds": step.seconds, "rows": step.rows})
        return True
