"""Commands of the laboratory: worlds, scores, comparisons, suites, baselines, training of the signals."""

from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.console import output, plain, print_json, progress

app = typer.Typer(
    help="The laboratory: simulated worlds, scores against the truth, training of the signals.",
    no_args_is_help=True,
)

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to; made if missing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@app.command()
def simulate(
    world: Annotated[str, typer.Argument(help="Name of a shipped world, or a TOML file.")],
    out: Out,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same bytes.")] = 1,
    scale: Annotated[str, typer.Option(help="tiny, small, medium, large or 28.8m.")] = "small",
    null: Annotated[bool, typer.Option("--null", help="Leave the campaigns out.")] = False,
    corpora: Annotated[Path | None, typer.Option(help="Folder of corpora to take texts from.")] = None,
) -> None:
    """Write a world: OUT/dataset for any detector, OUT/labels.parquet apart from it."""
    from stillwatch.lab.simulate import Pace, run, simulation

    wanted = simulation(world, seed, scale, null=null, corpora=corpora)
    with progress("Simulating") as report:
        run(wanted, out, Pace(progress=report))
    output.print(
        f"Dataset: {plain(out / 'dataset')}\nLabels: {plain(out / 'labels.parquet')}", highlight=False
    )


@app.command()
def score(
    results: Annotated[Path, typer.Argument(help="Folder with campaigns, members and flagged tables.")],
    labels: Annotated[Path, typer.Option("--labels", help="labels.parquet of the world.")],
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="Dataset folder; that beside the labels if left out.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with charts to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a detector's result tables with the truth, with exact intervals."""
    from stillwatch.cli.printing import print_score
    from stillwatch.lab.score import pool
    from stillwatch.lab.score import score as run_score
    from stillwatch.lab.scoring.html_page import write_page

    with progress("Scoring") as report:
        report(str(results), 0, 0)
        found = run_score(results, labels, dataset)
        if html is not None:
            write_page(pool([found]), html)
    if as_json:
        print_json(found.to_dict(spent=True))
        return
    print_score(found)
    if html is not None:
        output.print(f"Page: {plain(html)}", highlight=False)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Folder of scores, or a quality.json.")],
    b: Annotated[Path, typer.Argument(help="The same of the other detector; may be the same file.")],
    detector_a: Annotated[
        str | None, typer.Option("--detector-a", help="Which detector of A's quality.json.")
    ] = None,
    detector_b: Annotated[
        str | None, typer.Option("--detector-b", help="Which detector of B's quality.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two detectors, or two versions of one, run by run on the same worlds and seeds."""
    from stillwatch.cli.printing import print_comparison
    from stillwatch.lab.compare import compare as run_comparison

    compared = run_comparison(a, b, detector_a, detector_b)
    if as_json:
        print_json(compared.to_dict())
    else:
        print_comparison(compared)


@app.command()
def suite(
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or a TOML file.")],
    out: Out,
    detector: Annotated[
        list[str] | None,
        typer.Option(help="Run only this one: a name, NAME=COMMAND or NAME=FOLDER; may be repeated."),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seed instead of the suite's; may be repeated.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Worlds worked on at the same time.")] = 2,
    against: Annotated[
        Path | None, typer.Option(help="Earlier quality.json: end with 1 if anything became worse.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the datasets, in OUT/worlds.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run detectors on every world and seed of a suite and compare them with the truth.

    Writes OUT/quality.json and OUT/times.json after every run; started again, it goes on where it stood. Ends
    with 1 if a run failed, or if something became worse than in --against.
    """
    from stillwatch.cli.suites import print_comparison, print_suite
    from stillwatch.lab.suite import SuiteRequest, run_suite
    from stillwatch.lab.suites.against import Comparison, compare
    from stillwatch.lab.suites.detectors import chosen, variants_of
    from stillwatch.lab.suites.records import read_quality
    from stillwatch.lab.suites.settings import read_suite

    settings = read_suite(suite, tuple(seed or ()))
    variants = {} if detector else variants_of(settings)
    request = SuiteRequest(settings, chosen(settings, detector or ()), jobs, keep, variants)
    before = read_quality(against) if against is not None else None  # said before an hour of work
    with progress(f"Suite {settings.name}") as report:
        found = run_suite(request, out, report)
    if as_json:
        print_json(found.quality)
    else:
        print_suite(found, markdown=markdown)
    changes = Comparison() if before is None else compare(before, found.quality, settings.tolerance)
    print_comparison(changes)
    if found.failed or changes.regressions:
        raise typer.Exit(1)


@app.command()
def attack(
    out: Out,
    world: Annotated[str, typer.Argument(help="Shipped world whose benign life surrounds it.")] = "everyday",
    seed: Annotated[
        list[int] | None, typer.Option(help="Tuning seed instead of 1 and 2; may be repeated.")
    ] = None,
    budget: Annotated[int, typer.Option(min=1, max=10_000, help="Settings to try.")] = 12,
    scale: Annotated[str, typer.Option(help="Size of the worlds.")] = "small",
    max_price: Annotated[float, typer.Option(help="Euros for a thousand useful exchanges, at most.")] = 400.0,
    max_delay: Annotated[
        float, typer.Option(help="Hours by which the data may come later, at most.")
    ] = 336.0,
    as_json: AsJson = False,
) -> None:
    """Tune a campaign against our own verdicts: an attacker who reads the source.

    Writes OUT/trials.jsonl after every try and OUT/attacker.toml at the end; started again, it goes on where it
    stood.
    """
    from stillwatch.cli.attack import print_tuned
    from stillwatch.lab.adversary import Attack, tune_attacker

    wanted = Attack(world, tuple(seed or (1, 2)), budget, scale, max_price, max_delay)
    with progress("Attacking") as report:
        tuned = tune_attacker(wanted, out, report)
    if as_json:
        print_json(tuned.to_dict())
    else:
        print_tuned(tuned, out)


@app.command()
def baseline(
    name: Annotated[str, typer.Argument(help="Name of a baseline; `stillwatch lab baselines` lists them.")],
    dataset: Annotated[Path, typer.Argument(help="Dataset folder, as `scan` reads it.")],
    out: Out,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the baseline; can be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run another's detection rule on a dataset; its result tables can be scored like ours."""
    from stillwatch.exchange.errors import UsageError
    from stillwatch.lab.baselines.execute import execute

    given: dict[str, object] = {}
    for text in set_ or []:
        key, equals, value = text.partition("=")
        if not equals or key in given:
            raise UsageError(f"--set {text!r} is not allowed", "Write --set KEY=VALUE, each key once.")
        given[key] = value
    with progress("Baseline") as report:
        report(name, 0, 0)
        summary = execute(name, dataset, out, given)
    if as_json:
        print_json(summary)
        return
    output.print(
        f"{summary['n_campaigns']} campaigns, {summary['n_accounts']:,} accounts, {summary['n_exchanges']:,} exchanges "
        f"in {summary['seconds']:.1f} s\nResults: {plain(out)}",
        highlight=False,
    )


@app.command()
def baselines(as_json: AsJson = False) -> None:
    """List the baselines with their sources and settings."""
    from stillwatch.cli.baselines import print_baselines
    from stillwatch.lab.baselines.registry import known

    if as_json:
        print_json([found.to_dict() for found in known().values()])
    else:
        print_baselines(list(known().values()))


@app.command()
def check(
    name: Annotated[
        str, typer.Argument(help="arrivals, metadata, null, permuted, bytes, or all of them.")
    ] = "all",
    seed: Annotated[int, typer.Option(help="Seed of the worlds and of the classifiers.")] = 1,
    scale: Annotated[str, typer.Option(help="Scale of the worlds: tiny or small.")] = "tiny",
    as_json: AsJson = False,
) -> None:
    """Is the laboratory honest? Figures with what is allowed, and the features that tell most.

    Ends with 1 if a figure is not allowed.
    """
    from tempfile import TemporaryDirectory

    from stillwatch.cli.honesty import print_findings
    from stillwatch.lab.honesty.check import Request
    from stillwatch.lab.honesty.check import check as run_check

    with TemporaryDirectory() as folder, progress("Checking") as report:
        found = run_check(name, Request(seed, scale, Path(folder), report))
    if as_json:
        print_json(found.to_dict())
    else:
        print_findings(found)
    if not found.passed:
        raise typer.Exit(1)


@app.command("train-signals")
def train_signals(
    data: Annotated[Path, typer.Option("--data", help="Folder with corpora/ (see docs/signals.md).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the weights and their card.")],
    date: Annotated[str, typer.Option(help="Date that the card shows, YYYY-MM-DD.")],
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 1,
) -> None:
    """Train the classifiers of single prompts and write their weights with a card."""
    from datetime import date as calendar_date

    from stillwatch.exchange.errors import UsageError
    from stillwatch.lab.training.train import train_signals as run_training

    try:
        calendar_date.fromisoformat(date)
    except ValueError as error:
        raise UsageError(f"--date {date!r} is no date", "write it as YYYY-MM-DD") from error
    with progress("Training") as report:
        report(str(data), 0, 0)
        run_training(data, out, seed=seed, date=date)
    output.print(f"Weights and card: {plain(out)}", highlight=False)
