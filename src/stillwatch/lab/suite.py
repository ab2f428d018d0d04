"""`stillwatch lab suite`: every detector on every world and seed of a suite, to quality.json and its tables."""

import fcntl
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillwatch import __version__
from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.output import written
from stillwatch.lab.suites.detectors import Detector
from stillwatch.lab.suites.processes import Workers
from stillwatch.lab.suites.records import (
    QUALITY_FILE,
    TIMES_FILE,
    Run,
    Store,
    package_digest,
    write_json,
)
from stillwatch.lab.suites.settings import Cell, Suite
from stillwatch.lab.suites.table import table
from stillwatch.lab.suites.worker import Job
from stillwatch.lab.targets.compute import targets

Report = Callable[[str, int, int], None]
_NO_COST: dict[str, float | int | None] = {"wall_s": None, "cpu_s": None, "peak_bytes": None}
_LOG_SHOWN = 300


@dataclass(frozen=True)
class SuiteRequest:
    """What to run.

    Attributes:
        suite: the settings.
        detectors: from `suites.detectors.chosen`.
        jobs: worlds that are worked on at the same time.
        keep: leave every dataset with its labels in OUT/worlds.
        variants: name of a cell -> the variants of Stillwatch that run on it besides; from
            `suites.detectors.variants_of`.
        minutes: no world is begun later than this; None for no bound. What was not begun is not in the outcome.
    """

    suite: Suite
    detectors: Sequence[Detector]
    jobs: int = 2
    keep: bool = False
    variants: Mapping[str, Sequence[Detector]] = field(default_factory=dict)
    minutes: float | None = None

    def detectors_of(self, cell: Cell) -> list[Detector]:
        """What runs on a cell, in order."""
        only = self.suite.only.get(cell.name)
        kept = [d for d in self.detectors if only is None or d.name in only]
        return [*kept, *self.variants.get(cell.name, ())]


@dataclass(frozen=True)
class SuiteOutcome:
    """What a suite measured.

    Attributes:
        quality: content of quality.json: suite, version, runs, table, targets.
        times: content of times.json: suite, runs with wall_s, cpu_s, peak_bytes.
        failed: runs without a score.
    """

    quality: dict[str, Any]
    times: dict[str, Any]
    failed: tuple[Run, ...]


def run_suite(
    request: SuiteRequest, out: Path, report: Report = lambda words, done, total: None
) -> SuiteOutcome:
    """Runs a suite, or what is left of it.

    Each world and seed is simulated once; every detector is a process of its own whose time and memory are
    measured; then the dataset is deleted. OUT/quality.json and OUT/times.json are written after every run,
    and a suite that was killed does not repeat the runs that it has finished.

    Args:
        request: what to run.
        out: folder; made if missing. Gets results/ with each detector's tables and runs/ with each score.
        report: told of progress: words, runs done, runs in all.

    Raises:
        UsageError: another suite is at work in the folder.
        OutputError: the folder cannot be written to.
    """
    with written(out):
        out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        book = _Book(request, out.resolve(), report)
        jobs = [job for cell in request.suite.cells if (job := book.job(cell)).detectors]
        _work(jobs, request, book)
        return book.outcome()


class _Book:
    """All runs of a suite, safe for the threads that add to it."""

    def __init__(self, request: SuiteRequest, out: Path, report: Report) -> None:
        package_digest()  # of the code that is run from here on, even if it is edited meanwhile
        self._request, self._out, self._report = request, out, report
        self._store = Store(out)
        self._lock = threading.Lock()
        pairs = [(cell, one) for cell in request.suite.cells for one in request.detectors_of(cell)]
        self._runs = {
            (cell.name, detector.name): run
            for cell, detector in pairs
            if (run := self._store.read(cell, detector)) is not None
        }
        self._total = len(pairs)
        self._write()

    def job(self, cell: Cell) -> Job:
        """What is left to do for one world and seed."""
        left = tuple(d for d in self._request.detectors_of(cell) if (cell.name, d.name) not in self._runs)
        return Job(cell, left, self._out, self._request.suite.timeout_s, self._request.keep)

    def has(self, cell: Cell, detector: Detector) -> bool:
        """Whether a run is finished or has failed."""
        return (cell.name, detector.name) in self._runs

    def doing(self, words: str) -> None:
        """Progress."""
        with self._lock:
            self._report(words, len(self._runs), self._total)

    def add(self, run: Run, detector: Detector) -> None:
        """A run that has ended."""
        with self._lock:
            self._store.write(run, detector)
            self._runs[run.cell.name, run.detector] = run
            self._write()
            self._report(f"{run.cell.name}: {run.detector}", len(self._runs), self._total)

    def outcome(self) -> SuiteOutcome:
        """All runs, and the targets, which are computed once at the end."""
        runs = self._sorted()
        quality = self._quality(runs)
        quality["targets"] = targets(quality["runs"])
        write_json(self._out / QUALITY_FILE, quality)
        return SuiteOutcome(quality, self._times(runs), tuple(r for r in runs if r.error))

    def _sorted(self) -> list[Run]:
        return [
            self._runs[key]
            for cell in self._request.suite.cells
            for detector in self._request.detectors_of(cell)
            if (key := (cell.name, detector.name)) in self._runs
        ]

    def _write(self) -> None:
        runs = self._sorted()
        write_json(self._out / TIMES_FILE, self._times(runs))
        write_json(self._out / QUALITY_FILE, self._quality(runs))

    def _quality(self, runs: list[Run]) -> dict[str, Any]:
        told = [run.to_dict() for run in runs]
        return {
            "suite": self._request.suite.name,
            "version": __version__,
            "runs": told,
            "table": table(told),
        }

    def _times(self, runs: list[Run]) -> dict[str, Any]:
        return {"suite": self._request.suite.name, "runs": [run.named() | run.cost for run in runs]}


def _work(jobs: list[Job], request: SuiteRequest, book: _Book) -> None:
    """Each job in a process of its own, some at the same time."""
    workers = Workers(request.jobs)
    pool = ThreadPoolExecutor(request.jobs)
    end = None if request.minutes is None else time.monotonic() + 60 * request.minutes

    def follow(job: Job) -> None:
        if end is None or time.monotonic() < end:
            _follow(job, workers, book)

    try:
        running = [pool.submit(follow, job) for job in jobs]
        done, _ = wait(running, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        workers.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _follow(job: Job, workers: Workers, book: _Book) -> None:
    """Starts the worker of one job and takes down what it says."""
    log = job.folder / "results" / f"{job.cell.name}.log"
    with written(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        trouble = log.open("w", encoding="utf-8")
    by_name = {detector.name: detector for detector in job.detectors}
    with trouble:
        process = workers.start(job, trouble)
        if process is None:
            return
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if "doing" in event:
                book.doing(event["doing"])
            else:
                _take(event, job.cell, by_name[event["detector"]], book)
        code = process.wait()
        process.stdout.close()
    if code == 0:
        log.unlink(missing_ok=True)
        return
    words = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-_LOG_SHOWN:]
    error = f"the suite's own process ended with exit code {code}: {words}"
    for detector in job.detectors:
        if not workers.stopped and not book.has(job.cell, detector):
            _take({"error": error}, job.cell, detector, book)


def _take(event: dict[str, Any], cell: Cell, detector: Detector, book: _Book) -> None:
    cost = event.get("cost") or _NO_COST
    run = Run(
        cell,
        detector.name,
        detector.is_baseline,
        event.get("score"),
        event.get("error"),
        dict(cost),
        detector.is_variant,
    )
    book.add(run, detector)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    with written(out / "lock"):
        lock = (out / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = "Wait for it, or choose another folder with --out."
            raise UsageError("another suite is at work in this folder", remedy, file=out) from error
        yield
