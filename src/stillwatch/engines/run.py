"""Runs steps on an engine, keeps their times, and tells how far it is."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from stillwatch.engines.engine import Engine
from stillwatch.engines.step import Step

Report = Callable[[str, int, int], None]


@dataclass
class Run:
    """One pass of steps over one engine.

    Attributes:
        engine: holds the tables.
        report: told of each step's name, how many are done and how many there are.
        total: steps expected, for the progress.
        timings: name, seconds and rows of each step that ran.
    """

    engine: Engine
    report: Report
    total: int
    timings: list[dict[str, Any]] = field(default_factory=list)

    def steps(self, steps: Iterable[Step]) -> None:
        """Run steps in order."""
        for step in steps:
            self.report(step.output.replace("_", " "), len(self.timings), self.total)
            start = time.perf_counter()
            self.engine.run(step)
            self.done(step.output, start, self.engine.rows(step.output))

    def done(self, name: str, start: float, rows: int) -> None:
        """Note something that ran since `start` (of time.perf_counter)."""
        self.timings.append({"name": name, "seconds": round(time.perf_counter() - start, 3), "rows": rows})
