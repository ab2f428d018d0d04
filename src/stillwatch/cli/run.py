"""Commands for operators: demo, scan, import, validate, explain."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.console import messages, output, plain, print_json, progress
from stillwatch.cli.labels import Known, Verdicts, print_verdicts

Inputs = Annotated[
    list[str],
    typer.Argument(help="Dataset folder, log files, folders or globs of logs, or - for standard input."),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if missing.")]
Join = Annotated[
    list[str] | None,
    typer.Option("--join", help="Envoy access log to join by request id; may be given several times."),
]
Settings = Annotated[Path | None, typer.Option("--settings", help="TOML file with settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
HashOnly = Annotated[
    bool | None, typer.Option("--hash-only", help="Keep no text after its signatures are taken.")
]
KeyFile = Annotated[Path | None, typer.Option(help="Key of the identifiers' hashes; made on first use.")]
Zone = Annotated[str | None, typer.Option(help="Zone of timestamps that name none, such as UTC or +02:00.")]
Hops = Annotated[
    int | None, typer.Option(help="Proxies of your own in front of the gateway (0 = trust no header).")
]
Account = Annotated[str | None, typer.Option(help="Dotted path of the account id in a log's records.")]


class FailOn(StrEnum):
    """When `scan` and `replay` end with exit code 1."""

    never = "never"
    campaign = "campaign"
    training_shaped = "training_shaped"


FailOnOption = Annotated[FailOn, typer.Option(help="End with exit code 1 if such a campaign is found.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(demo)
    app.command()(scan)
    app.command("import")(import_logs)
    app.command()(validate)
    app.command()(explain)


def demo(
    out: Out = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 1,
    null: Annotated[bool, typer.Option("--null", help="The same world without its campaigns.")] = False,
) -> None:
    """Simulate a small world, scan it, and say how the verdicts compare with the truth.

    The world has about 5,000 accounts, 150,000 exchanges, 14 days, and three hidden campaigns. The report is
    OUT/results/report.html.
    """
    from stillwatch.cli.printing import print_outcome, print_score
    from stillwatch.lab.score import score
    from stillwatch.lab.simulate import simulate
    from stillwatch.progress import SCAN_SHARES
    from stillwatch.scan import ScanRequest
    from stillwatch.scan import scan as run_scan
    from stillwatch.settings import load_settings

    with progress("Simulating") as report:
        report("a small world", 0, 0)
        simulate("first", seed=seed, out=out / "world", null=null)
    # The world's identifiers are hashes already; a key file of its own keeps the user's out of it.
    settings = load_settings(None, {"key_file": out / "identifier.key", "show_text": True})
    with progress("Scanning", SCAN_SHARES) as report:
        request = ScanRequest((str(out / "world" / "dataset"),), command=typed())
        outcome = run_scan(request, out / "results", settings, report)
    print_outcome(outcome)
    print_score(score(out / "results", out / "world" / "labels.parquet"))
    output.print(f"Report: {plain(outcome.report)}", highlight=False)


def scan(
    inputs: Inputs,
    out: Out,
    join: Join = None,
    settings: Settings = None,
    fdr: Annotated[float | None, typer.Option(help="False-discovery rate of reported campaigns.")] = None,
    hash_only: HashOnly = None,
    show_text: Annotated[
        bool | None, typer.Option("--show-text", help="Show sample prompts unredacted.")
    ] = None,
    keep_steps: Annotated[
        bool, typer.Option("--keep-steps", help="Keep every step's table in OUT/steps.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same scan into OUT was interrupted.")
    ] = False,
    fail_on: FailOnOption = FailOn.never,
    key_file: KeyFile = None,
    assume_timezone: Zone = None,
    trusted_hops: Hops = None,
    account_field: Account = None,
    memory_limit: Annotated[str | None, typer.Option(help="Memory of the engine, such as 4GB.")] = None,
    engine: Annotated[str | None, typer.Option(help="Where to compute: duckdb, or spark.")] = None,
    master: Annotated[
        str | None, typer.Option(help="Spark's master, such as local[4] or spark://host:7077.")
    ] = None,
    known: Known = None,
    verdicts: Verdicts = None,
    as_json: AsJson = False,
) -> None:
    """Find campaigns in a dataset or in the logs of a gateway.

    Writes the result tables, summary.json and report.html to OUT. Log formats are found by content; see
    docs/sources.md.
    """
    from stillwatch.cli.printing import print_outcome
    from stillwatch.progress import SCAN_SHARES
    from stillwatch.scan import ScanRequest
    from stillwatch.scan import scan as run_scan
    from stillwatch.settings import load_settings

    given = {
        "fdr": fdr,
        "hash_only": hash_only,
        "show_text": show_text,
        "key_file": key_file,
        "assume_timezone": assume_timezone,
        "trusted_hops": trusted_hops,
        "account_field": account_field,
        "memory_limit": memory_limit,
        "engine": engine,
        "master": master,
        "known": known,
        "verdicts": verdicts,
    }
    chosen = load_settings(settings, given)
    with progress("Scanning", SCAN_SHARES) as report:
        request = ScanRequest(tuple(inputs), tuple(join or ()), keep_steps, typed(), resume)
        outcome = run_scan(request, out, chosen, report, lambda words: messages.print(plain(words)))
    print_verdicts(outcome.summary)
    if as_json:
        print_json(outcome.summary)
    else:
        print_outcome(outcome)
        output.print(f"Report: {plain(outcome.report)}", highlight=False)
    fail_if_found(fail_on, outcome.rungs)


def import_logs(
    inputs: Inputs,
    out: Out,
    join: Join = None,
    settings: Settings = None,
    hash_only: HashOnly = None,
    key_file: KeyFile = None,
    assume_timezone: Zone = None,
    trusted_hops: Hops = None,
    account_field: Account = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a dataset that stands in OUT already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn logs into a dataset folder that `scan` reads (docs/data.md says what is stored)."""
    from stillwatch.cli.printing import print_ingest
    from stillwatch.inputs import import_dataset
    from stillwatch.settings import load_settings

    given = {
        "hash_only": hash_only,
        "key_file": key_file,
        "assume_timezone": assume_timezone,
        "trusted_hops": trusted_hops,
        "account_field": account_field,
    }
    chosen = load_settings(settings, given)
    with progress("Importing") as report:
        found = import_dataset(inputs, out, chosen, report, join=tuple(join or ()), overwrite=overwrite)
    if as_json:
        print_json(found.as_dict())
    else:
        print_ingest(found)


def validate(
    path: Annotated[Path, typer.Argument(help="Dataset folder or Parquet file.")],
    settings: Settings = None,
    assume_timezone: Zone = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write unfit rows with reasons to this file.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 3 if any row is unfit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a dataset: every unfit row with file, row, reason and remedy. Nothing is changed."""
    from stillwatch.cli.printing import print_quality
    from stillwatch.exchange.dataset import open_dataset
    from stillwatch.exchange.prepare import check
    from stillwatch.inputs import validation_rules
    from stillwatch.settings import load_settings

    chosen = load_settings(settings, {"assume_timezone": assume_timezone})
    with progress("Validating") as report:
        quality = check(
            open_dataset(path),
            validation_rules(chosen),
            quarantine,
            chosen.threads,
            lambda done, total: report(str(path), done, total),
        )
    if as_json:
        print_json(quality.to_json())
    else:
        print_quality(quality)
    if strict and not quality.is_clean:
        raise typer.Exit(3)


def explain(
    campaign: Annotated[
        str, typer.Argument(help="Campaign (or tested group), or the beginning of its name.")
    ],
    results: Annotated[Path, typer.Option("--results", "-r", help="Folder that a scan wrote.")],
    as_json: AsJson = False,
) -> None:
    """Print a campaign's ladder, evidence and innocent explanations in the terminal."""
    from stillwatch.evidence.explain import explain as print_explanation
    from stillwatch.evidence.explain import explain_dict

    if as_json:
        print_json(explain_dict(results, campaign))
    else:
        print_explanation(results, campaign, output)


def fail_if_found(fail_on: FailOn, rungs: list[str]) -> None:
    """End with exit code 1 if a campaign of the kind was found."""
    shaped = rungs.count("training_shaped")
    found = {FailOn.never: 0, FailOn.campaign: len(rungs), FailOn.training_shaped: shaped}
    if found[fail_on]:
        raise typer.Exit(1)


def typed() -> str:
    """The command as the user typed it."""
    return shlex.join(["stillwatch", *sys.argv[1:]])
