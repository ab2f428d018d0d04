"""`replay`: a dataset in event time, slice by slice, with state on disk: when would each verdict have been given?"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch.campaigns.candidates import CandidateSettings
from stillwatch.campaigns.judge import Rates
from stillwatch.engines.memory import MemoryEngine
from stillwatch.engines.run import Report
from stillwatch.evidence.report import write_report
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.exchange.output import as_json, written
from stillwatch.inputs import is_dataset
from stillwatch.replaying.campaigns_over_time import Event
from stillwatch.replaying.ending import result_tables_of, summary_of
from stillwatch.replaying.identity import Identity, check_identity
from stillwatch.replaying.intake import Intake
from stillwatch.replaying.looking import Looks
from stillwatch.replaying.loop import Loop
from stillwatch.replaying.slices import DAY_US, microseconds
from stillwatch.replaying.source import Source, fingerprint, is_ready, make_source, take_source
from stillwatch.replaying.state import load
from stillwatch.results_folder import SUMMARY, clear_results, require_own, write_results
from stillwatch.settings import ScanSettings
from stillwatch.signals.classifiers import load_classifiers
from stillwatch.trouble import computed

STATE = "state"
"""Working folder in the results folder; gone when the replay has finished."""
IDENTITY = "replay.json"


@dataclass(frozen=True)
class ReplayRequest:
    """What to replay.

    Attributes:
        dataset: a dataset folder, or one Parquet file of exchanges.
        every: length of a slice, such as 1h.
        restart: begin again, whatever stands in the results folder.
        command: what the user typed, for the summary.
    """

    dataset: str
    every: str = "1h"
    restart: bool = False
    command: str = ""


@dataclass(frozen=True)
class ReplayOutcome:
    """What a replay found.

    Attributes:
        results: folder of the result tables.
        report: the HTML report.
        summary: content of summary.json.
        rungs: rung of each campaign.
        was_finished: whether the folder held the finished results of the same replay already.
    """

    results: Path
    report: Path
    summary: dict[str, Any]
    rungs: list[str]
    was_finished: bool = False


def replay(
    request: ReplayRequest,
    out: Path,
    settings: ScanSettings,
    report: Report = lambda words, done, total: None,
    tell: Callable[[Event], None] = lambda event: None,
) -> ReplayOutcome:
    """Find campaigns in event time.

    Args:
        request: what to replay.
        out: folder for the results and, while it runs, for the state.
        settings: see `ScanSettings`.
        report: told of progress.
        tell: told of every event of a verdict as it happens.

    Raises:
        StillwatchError: input that cannot be read, output that cannot be written, or state of another replay.
    """
    if not is_dataset([request.dataset]):
        raise UsageError(
            "a replay reads a dataset folder or one Parquet file of exchanges",
            "turn logs into a dataset with `stillwatch import` first",
            file=request.dataset,
        )
    if settings.known is not None or settings.verdicts is not None:
        raise UsageError(
            "a replay takes in no earlier results and no verdicts",
            "leave out known and verdicts (in the settings file or STILLWATCH_* variables), or use scan",
        )
    every, horizon = microseconds(request.every, "--every"), microseconds(settings.horizon, "--horizon")
    if horizon < max(DAY_US, every):
        raise UsageError(
            f"a horizon of {settings.horizon} is shorter than a day or a slice", "choose a longer --horizon"
        )
    identity = Identity.of(fingerprint((request.dataset,)), request.every, settings)
    finished = _begin(request, out, identity)
    if finished is not None:
        return finished
    with computed(out):
        outcome = _replay(request, out, settings, (every, horizon), (report, tell))
    shutil.rmtree(out / STATE, ignore_errors=True)
    return outcome


def _begin(request: ReplayRequest, out: Path, identity: Identity) -> ReplayOutcome | None:
    """Make the folder ready, or say that all is done."""
    with written(out):
        out.mkdir(parents=True, exist_ok=True)
        kept = out / IDENTITY
        if request.restart or not kept.exists():
            clear_results(out, STATE)
            partial = kept.with_suffix(".partial")
            partial.write_text(as_json(identity.as_dict()), encoding="utf-8")
            partial.replace(kept)
            return None
        require_own(out / STATE)
        check_identity(kept, identity)
        if not (out / SUMMARY).exists():
            return None
        shutil.rmtree(out / STATE, ignore_errors=True)
    return finished_outcome(out)


def finished_outcome(out: Path) -> ReplayOutcome:
    """What stands in a finished folder."""
    summary = json.loads((out / SUMMARY).read_text("utf-8"))
    page = out / "report.html"
    if not page.exists():
        page = write_report(out)
    rungs = pq.read_table(out / "campaigns.parquet", columns=["rung"]).column("rung").to_pylist()
    return ReplayOutcome(out, page, summary, rungs, was_finished=True)


def _source(request: ReplayRequest, out: Path, settings: ScanSettings, report: Report) -> Source:
    folder = out / STATE / "input"
    if is_ready(folder):
        return take_source(folder)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return make_source((request.dataset,), out, folder, settings, report)
    finally:
        shutil.rmtree(out / "steps", ignore_errors=True)


def _replay(
    request: ReplayRequest,
    out: Path,
    settings: ScanSettings,
    lengths: tuple[int, int],
    ears: tuple[Report, Callable[[Event], None]],
) -> ReplayOutcome:
    report, tell = ears
    every, horizon = lengths
    started = time.perf_counter()
    source = _source(request, out, settings, report)
    if not source.found["rows"]:
        raise UnreadableInputError(
            "there are no exchanges to replay", "name a dataset that holds some", file=request.dataset
        )
    work = out / STATE
    live = MemoryEngine(work / "spill", settings.memory_limit, settings.threads)
    intake = Intake(source, work / "parts", live, work / "spill", settings.memory_limit)
    try:
        state = load(work / "checkpoints")
        state.campaigns.tell = tell
        intake.restore(state)
        form = load_classifiers().benign_training_form_rate
        rates = Rates(settings.fdr, settings.shape_error, form, threads=settings.threads)
        looks = Looks(
            live,
            intake.engine,
            intake.accounts,
            CandidateSettings(minimum_entities=settings.minimum_accounts),
            rates,
            settings.tested_exchanges,
            horizon // DAY_US,
        )
        loop = Loop(
            intake,
            looks,
            work / "checkpoints",
            out / "history.parquet",
            every,
            horizon,
            lambda at, done, total: report("event time", done, total),
        )
        ended = loop.run(state, source.found["first_ts"], source.found["last_ts"], settings.unreported_groups)
        tables = result_tables_of(ended, source, live, settings, report)
        summary = summary_of(ended, source, settings, tables, request.command, request.every)
        summary["seconds"] = round(time.perf_counter() - started, 3)
        write_results(out, tables, summary)
    finally:
        intake.close()
        live.close()
    page = write_report(out)
    return ReplayOutcome(out, page, summary, tables["campaigns"].column("rung").to_pylist())
