"""The command `replay`."""

import datetime as dt
from typing import Annotated

import typer

from stillwatch.cli.console import messages, output, plain, print_json, progress
from stillwatch.cli.run import (
    AsJson,
    FailOn,
    FailOnOption,
    HashOnly,
    KeyFile,
    Out,
    Settings,
    Zone,
    fail_if_found,
    typed,
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(replay)


def replay(
    dataset: Annotated[str, typer.Argument(help="Dataset folder, or one Parquet file of exchanges.")],
    out: Out,
    every: Annotated[str, typer.Option(help="Length of a slice: 15m, 1h, 6h, 1d ...")] = "1h",
    horizon: Annotated[
        str | None, typer.Option(help="How far back each slice looks, such as 28d (default 28d).")
    ] = None,
    fdr: Annotated[float | None, typer.Option(help="False-discovery rate of reported campaigns.")] = None,
    settings: Settings = None,
    hash_only: HashOnly = None,
    show_text: Annotated[
        bool | None, typer.Option("--show-text", help="Show sample prompts unredacted.")
    ] = None,
    fail_on: FailOnOption = FailOn.never,
    key_file: KeyFile = None,
    assume_timezone: Zone = None,
    memory_limit: Annotated[str | None, typer.Option(help="Memory of the engine, such as 4GB.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again, whatever stands in OUT.")] = False,
    as_json: AsJson = False,
) -> None:
    """Go through a dataset in event time and say when each verdict would have been given.

    Nothing is read ahead of its time. A run that was killed goes on where it was when the same command is given
    again. OUT/history.parquet tells each verdict's events while it runs; the other tables, summary.json and
    report.html are written at the end.
    """
    from stillwatch.cli.printing import print_replay
    from stillwatch.replay import ReplayRequest
    from stillwatch.replay import replay as run_replay
    from stillwatch.settings import load_settings

    given = {
        "horizon": horizon,
        "fdr": fdr,
        "hash_only": hash_only,
        "show_text": show_text,
        "key_file": key_file,
        "assume_timezone": assume_timezone,
        "memory_limit": memory_limit,
    }
    chosen = load_settings(settings, given)
    with progress("Replaying") as report:
        request = ReplayRequest(dataset, every, restart, typed())
        outcome = run_replay(request, out, chosen, report, _tell)
    if outcome.was_finished:
        messages.print(f"This replay has finished before; its results stand in {plain(out)}")
    if as_json:
        print_json(outcome.summary)
    else:
        print_replay(outcome)
        output.print(f"Report: {plain(outcome.report)}", highlight=False)
    fail_if_found(fail_on, outcome.rungs)


def _tell(event: dict[str, object]) -> None:
    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(str(event["at"])))
    messages.print(
        f"{at:%Y-%m-%d %H:%M} {event['event']} {event['campaign_id']}: {plain(event['words'])} "
        f"({event['n_accounts']:,} accounts, {event['n_exchanges']:,} exchanges)",
        highlight=False,
    )
