"""`scan`: a whole dataset through every stage, in the order of the data's path, to result tables and a report."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch import __version__
from stillwatch.accounts.profiles import account_steps
from stillwatch.campaigns.analyst_calibration import with_measures
from stillwatch.campaigns.births import Lives
from stillwatch.campaigns.candidates import Candidate, CandidateSettings
from stillwatch.campaigns.cells import read_cells
from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.judge import Beside, Rates, judge
from stillwatch.campaigns.labelled import Labelled
from stillwatch.campaigns.memory import Memory, remember
from stillwatch.campaigns.names import known_groups
from stillwatch.campaigns.output_maximisation import TemplateScores
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.shown import (
    ShownGroup,
    shown_groups,
    shown_steps,
    shown_tables,
    user_cells_steps,
)
from stillwatch.campaigns.steps import (
    CANDIDATE_TABLES,
    candidate_tables,
    find_candidates,
    put_step,
    sample_steps,
    usage_steps,
    wordings,
)
from stillwatch.engines.engine import Engine
from stillwatch.engines.journal import Journal
from stillwatch.engines.opening import DUCKDB, open_engine, require_engine
from stillwatch.engines.run import Report, Run
from stillwatch.engines.unused_memory import return_unused
from stillwatch.evidence.report import write_report
from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.output import iso, written
from stillwatch.inputs import Input, prepare_input
from stillwatch.links.incidence import Attributes
from stillwatch.links.steps import fit_models, link_steps
from stillwatch.ordered import ahead
from stillwatch.results_folder import group_tables, quality_table, text_tables, write_results
from stillwatch.resuming import begin, identity, is_worth_keeping, load_input, save_input
from stillwatch.room import expected_bytes, require_room
from stillwatch.settings import ScanSettings
from stillwatch.signals.classifiers import load_classifiers
from stillwatch.signals.signatures import FIELDS
from stillwatch.signals.stage import attach_signatures, families_name, family_steps, take_signatures
from stillwatch.signals.steps import signal_steps
from stillwatch.trouble import computed

STEPS = "steps"
"""Working folder in the results folder."""


@dataclass(frozen=True)
class ScanRequest:
    """What to scan.

    Attributes:
        inputs: a dataset folder, or logs.
        join: access logs to join to the logs.
        keep_steps: keep every step's table in out/steps.
        command: what the user typed, for the summary.
        resume: go on where an interrupted scan of the same into the same folder stopped.
    """

    inputs: tuple[str, ...]
    join: tuple[str, ...] = ()
    keep_steps: bool = False
    command: str = ""
    resume: bool = False


@dataclass(frozen=True)
class ScanOutcome:
    """What a scan found.

    Attributes:
        results: folder of the result tables.
        report: the HTML report.
        summary: content of summary.json.
        rungs: rung of each campaign.
    """

    results: Path
    report: Path
    summary: dict[str, Any]
    rungs: list[str]


def scan(
    request: ScanRequest,
    out: Path,
    settings: ScanSettings,
    report: Report = lambda words, done, total: None,
    tell: Callable[[str], None] = lambda words: None,
) -> ScanOutcome:
    """Find campaigns.

    A scan that is interrupted, or fails, leaves the tables of its finished steps in out/steps for `resume`;
    not so with `hash_only`, where nothing that was made of texts may stay.

    Args:
        request: what to scan.
        out: folder for the results; an earlier scan's results in it are replaced.
        settings: see `ScanSettings`.
        report: told of progress.
        tell: told of what a resumed scan goes on with.

    Raises:
        StillwatchError: input that cannot be read, output that cannot be written.
    """
    if request.keep_steps and settings.hash_only:
        raise UsageError("the tables of the steps hold texts", "leave out --keep-steps or --hash-only")
    if request.resume and settings.hash_only:
        raise UsageError("a scan with --hash-only leaves nothing to go on with", "leave out --resume")
    memory = remember(settings.known, settings.verdicts, out)
    with computed(out):
        require_engine(settings.engine_choice())
    wanted = identity(request.inputs, request.join, settings, out)
    with written(out):
        out.mkdir(parents=True, exist_ok=True)
        journal = begin(out, STEPS, wanted, tell if request.resume else None)
    try:
        with computed(out):
            outcome = _scan(request, out, settings, (memory, journal), report)
    except BaseException as error:
        if settings.hash_only or not is_worth_keeping(out / STEPS):
            shutil.rmtree(out / STEPS, ignore_errors=True)
        else:
            error.add_note(
                f"What was finished is kept in {out / STEPS}: the same command with --resume goes on behind it."
            )
        raise
    if not request.keep_steps:
        shutil.rmtree(out / STEPS, ignore_errors=True)
    return outcome


@dataclass(frozen=True)
class _Found:
    """What the stages found: shown groups, attributes, judged groups that are still asked about, tested groups."""

    shown: list[ShownGroup]
    models: AttributeModels
    judged: Labelled
    n_tested: int


def _scan(
    request: ScanRequest,
    out: Path,
    settings: ScanSettings,
    earlier: tuple[Memory, Journal],
    report: Report,
) -> ScanOutcome:
    memory, journal = earlier
    started = time.perf_counter()
    found = _input(request, out, settings, report)
    engine = open_engine(out / STEPS, settings.engine_choice())
    try:
        run = Run(engine, report, 0, None if settings.hash_only else journal)
        run.done("input", started, found.rows)
        stages = _stages(run, found, settings, memory)
        # Python's work alone, which goes well with the engine's reading of texts.
        left = ahead(_left(run, stages, memory), settings.threads)
        tables = _results(run, found, stages, settings) | left()
        summary = _summary(run, found, settings, tables, stages.n_tested)
        summary["generated_from"] = {"command": request.command, **found.origin}
        told = memory.told(stages.judged, settings.fdr)
        tables["quality"] = with_measures(tables["quality"], told)
        tables["groups"] = memory.worded(tables["groups"], stages.shown, stages.judged)
        summary |= told
        _write(out, engine, tables, summary)
    finally:
        engine.close()
    page = write_report(out)
    return ScanOutcome(out, page, summary, tables["campaigns"].column("rung").to_pylist())


def _input(request: ScanRequest, out: Path, settings: ScanSettings, report: Report) -> Input:
    """The input as an interrupted scan found it, or checked now."""
    # Tables of a cluster stand elsewhere.
    if settings.check_disk and settings.spark_folder is None:
        require_room(out / STEPS, expected_bytes(request.inputs, copied=settings.engine != DUCKDB))
    found = load_input(out / STEPS) if request.resume else None
    if found is None:
        # No step reads identifiers of exchanges, but a folder elsewhere is sent the files whole.
        hide = settings.engine == DUCKDB or settings.spark_folder is None
        shutil.rmtree(out / STEPS / "input", ignore_errors=True)
        found = prepare_input(request.inputs, out, settings, report, join=request.join, hide_identifiers=hide)
        if not settings.hash_only:
            save_input(out / STEPS, found)
    return found


def _stages(run: Run, found: Input, settings: ScanSettings, memory: Memory) -> _Found:
    """Signals, accounts, links, campaigns."""
    engine = run.engine
    engine.attach("exchanges", found.files)
    engine.put("accounts", found.accounts)
    if found.signatures is not None:
        attach_signatures(run, found.signatures)
    else:
        take_signatures(run, found.text_bytes)
    run.steps(family_steps(memory.known.families, settings.threads))
    run.steps(link_steps(threads=settings.threads))
    run.steps(signal_steps())
    run.steps(account_steps())
    run.steps(usage_steps())
    stages, tables = _shown(run, settings, memory)
    return_unused()
    run.steps(put_step(name, table) for name, table in tables.items())
    run.steps(shown_steps())
    return stages


def _shown(run: Run, settings: ScanSettings, memory: Memory) -> tuple[_Found, dict[str, pa.Table]]:
    """Groups found, tested and chosen to be shown, and the tables of these; the rest of what was made is let go of."""
    engine = run.engine
    entities = engine.table("account_entities")
    # Mostly one thread's work, which goes well with the candidates' and the engine's.
    known = ahead(_known_of_accounts(engine, entities), settings.threads)
    usage, candidates, wording = _candidates(run, settings)
    start = time.perf_counter()
    models, lives, outputs = known()
    beside = Beside(models, lives, outputs, wording)
    form = load_classifiers().benign_training_form_rate
    rates = Rates(settings.fdr, settings.shape_error, form, threads=settings.threads)
    told = _telling(run.report)
    tested = judge(usage, candidates, engine.batches("candidate_sample"), beside, rates, told)
    return_unused()
    judged = memory.judged(tested, usage, entities, rates)
    run.steps(user_cells_steps(judged.groups, usage))
    run.report("shown groups", 0, 0)
    cells = read_cells(engine.table("user_cells"))
    shown = shown_groups(judged.groups, usage, settings.unreported_groups, cells)
    shown = memory.named(shown, judged, usage, entities)
    run.done("tests", start, len(tested))
    if not memory.verdicts:
        judged = judged.only(part.index for group in shown for part in (*group.parts, *group.extensions))
    return _Found(shown, models, judged, len(tested)), shown_tables(shown, usage)


_OfAccounts = tuple[AttributeModels, Lives, TemplateScores]


def _known_of_accounts(engine: Engine, entities: pa.Table) -> Callable[[], _OfAccounts]:
    """Reads tables now, and makes of them, when called, what the tests know beside the exchanges."""
    tables = {name: engine.table(name) for name in ("account_attributes", "template_outputs")}
    accounts = engine.table("accounts", ("account_id", "created_at", "banned_at"))

    def made() -> _OfAccounts:
        scores = TemplateScores.from_table(tables.pop("template_outputs"))
        attributes = Attributes.from_table(tables.pop("account_attributes"))
        models = AttributeModels(attributes, fit_models(attributes))
        return models, Lives.from_tables(accounts, entities), scores

    return made


def _candidates(run: Run, settings: ScanSettings) -> tuple[Usage, list[Candidate], NDArray[np.int64]]:
    """Who used which template, the groups to be tested, whose sample is drawn, and the templates' wordings."""
    run.report("candidates", 0, 0)
    usage, candidates = _found_candidates(run, settings)
    wanted = candidate_tables(usage, candidates, settings.tested_exchanges, settings.tested_in_all)
    for name in list(wanted):
        run.steps([put_step(name, wanted.pop(name))])  # held no longer than its step needs it
    return_unused()
    run.steps(sample_steps())
    return usage, candidates, wordings(run.engine.table("template_kin"), usage)


def _found_candidates(run: Run, settings: ScanSettings) -> tuple[Usage, list[Candidate]]:
    """Who used which template, and the groups to be tested; the tables, large with names, are let go of."""
    tables = {name: run.engine.table(name) for name in CANDIDATE_TABLES}
    minimum = CandidateSettings(minimum_entities=settings.minimum_accounts)
    return find_candidates(tables, minimum, settings.threads)


def _telling(report: Report) -> Callable[[int, int], None]:
    return lambda done, total: report("testing groups", done, total)


def _left(run: Run, stages: _Found, memory: Memory) -> Callable[[], dict[str, pa.Table]]:
    """Reads tables now, and makes of them, when called, what later runs need to know the groups and templates of this
    one again."""
    accounts, templates = run.engine.table("shown_accounts"), run.engine.table("shown_template_use")
    families = {field: run.engine.table(families_name(field)) for field in FIELDS}
    return lambda: memory.left(known_groups(stages.shown, accounts, templates), families)


def _results(run: Run, found: Input, stages: _Found, settings: ScanSettings) -> dict[str, pa.Table]:
    """All result tables that are small; `flagged` stays with the engine."""
    tables = group_tables(run, stages.shown, stages.models)
    run.report("results", 0, 0)
    tables["quality"] = quality_table(found.measures)
    if found.has_text and not settings.hash_only:
        tables |= text_tables(run, tables["group_templates"], show_text=settings.show_text)
    return tables


def _summary(
    run: Run, found: Input, settings: ScanSettings, tables: dict[str, pa.Table], n_tested: int
) -> dict[str, Any]:
    return {
        "version": __version__,
        "counts": {
            "exchanges": found.rows,
            "accounts": run.engine.rows("account_profiles"),
            "quarantined": found.quarantined,
            "groups_tested": n_tested,
            "campaigns": len(tables["campaigns"]),
        },
        "period": [iso(found.first_ts), iso(found.last_ts)],
        "settings": settings.shown(),
        "steps": run.timings,
        "fdr": settings.fdr,
    }


def _write(out: Path, engine: Engine, tables: dict[str, pa.Table], summary: dict[str, Any]) -> None:
    engine.export("flagged", out / "flagged.parquet")
    write_results(out, tables, summary)
