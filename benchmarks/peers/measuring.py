"""Every side in a process of its own, in turns, so that what else the machine does falls on all alike."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.side import Side

ROOT = Path(__file__).parent.parent.parent
THREADS = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "STILLWATCH_THREADS",
)
"""Variables that the sides' libraries read; all are set to 1."""
LEAST_SECONDS, MOST_TIMES = 45.0, 3
_LAST_LINES = 1


@dataclass(frozen=True)
class Spent:
    """What one run of one side took, of the measured work alone.

    Attributes:
        cpu: seconds of the processor, user and system, children included.
        wall: seconds on the clock.
        facts: see `Task.facts`; of the first run only, since they are the same each time.
    """

    cpu: float
    wall: float
    facts: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """All runs of one side.

    Attributes:
        side: whose.
        runs: in order; empty where it could not be measured.
        why_not: why it could not; None where it could.
    """

    side: Side
    runs: tuple[Spent, ...]
    why_not: str | None = None

    @property
    def cpu(self) -> float:
        """Median seconds of the processor."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def wall(self) -> float:
        """Median seconds on the clock."""
        return statistics.median(run.wall for run in self.runs)

    def fact(self, key: str) -> float | None:
        """What a side tells of its result; None where it does not tell it."""
        return next((run.facts[key] for run in self.runs if key in run.facts), None)


class SideFailed(Exception):  # noqa: N818
    """A side could not do its work; the message says why, in a line."""


Run = Callable[[Side, bool], Spent]
"""Runs a side once; whether its facts are wanted."""


def in_turns(
    sides: Sequence[Side], rounds: int, run: Run, least_seconds: float = LEAST_SECONDS
) -> list[Outcome]:
    """Ours, peer, peer, ours, peer, peer ...: every side once in each round; one that fails is left out after.

    At least `rounds` rounds; more, up to `MOST_TIMES` as many, until `least_seconds` have passed.
    """
    runs: dict[str, list[Spent]] = {side.name: [] for side in sides}
    failed: dict[str, str] = {}
    start = time.monotonic()
    for number in range(MOST_TIMES * rounds):
        if number >= rounds and time.monotonic() - start >= least_seconds:
            break
        for side in sides:
            if side.name in failed:
                continue
            try:
                runs[side.name].append(run(side, number == 0))
            except SideFailed as error:
                failed[side.name] = str(error)
    return [
        Outcome(side, () if side.name in failed else tuple(runs[side.name]), failed.get(side.name))
        for side in sides
    ]


@dataclass(frozen=True)
class Errand:
    """A side of a comparison, for a process of its own.

    Attributes:
        comparison: name of its module.
        number: of the side.
        material: folder with what it is given.
        facts: whether they are wanted.
    """

    comparison: str
    number: int
    material: Path
    facts: bool

    def words(self, told: Path) -> list[str]:
        """Arguments of `benchmarks.peers.child`."""
        wanted = "facts" if self.facts else "times"
        return [self.comparison, str(self.number), str(self.material), wanted, str(told)]


def run_child(python: Path, errand: Errand) -> Spent:
    """Runs a side in a process of one thread on one core.

    Raises SideFailed where the process does not end well.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "spent.json"
        words = [str(python), "-m", "benchmarks.peers.child", *errand.words(told)]
        done = subprocess.run(
            words, cwd=ROOT, env=environment(os.environ), capture_output=True, text=True, check=False
        )
        if done.returncode != 0 or not told.exists():
            raise SideFailed(last_words(done.stderr) or f"ended with {done.returncode}")
        read = json.loads(told.read_text("utf-8"))
    return Spent(read["cpu"], read["wall"], read["facts"])


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The user's variables without settings of Stillwatch and of Python, one thread for everything."""
    dropped = ("STILLWATCH_", "PYTHON")
    kept = {key: value for key, value in inherited.items() if not key.startswith(dropped)}
    return kept | dict.fromkeys(THREADS, "1") | {"DO_NOT_TRACK": "true", "DAFT_ANALYTICS_ENABLED": "0"}


def last_words(trouble: str) -> str:
    """The last line of what a process wrote on standard error: an exception's own words."""
    lines: Iterable[str] = (line.strip() for line in trouble.splitlines())
    return " ".join([line for line in lines if line][-_LAST_LINES:])[:300]
