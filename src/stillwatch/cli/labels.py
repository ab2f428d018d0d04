"""Options and messages about what is known: earlier results and analysts' verdicts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stillwatch.cli.console import messages, plain

Known = Annotated[
    Path | None,
    typer.Option(
        "--known", help="Results folder of an earlier run; its groups and templates keep their names."
    ),
]
Verdicts = Annotated[
    Path | None,
    typer.Option("--verdicts", help="CSV or Parquet table of analysts' verdicts on the known results."),
]


def print_verdicts(summary: Mapping[str, Any]) -> None:
    """What became of the verdicts, and where they contradict the stated error rates."""
    taken = summary.get("analyst_verdicts")
    if taken is None:
        return
    counts = ", ".join(f"{taken[opinion]:,} {opinion}" for opinion in ("confirmed", "benign", "unsure"))
    messages.print(f"Analysts' verdicts taken in: {counts}")
    quiet = taken["rows_without_traffic"]
    if quiet:
        rows = ", ".join(map(str, quiet[:10])) + (" ..." if len(quiet) > 10 else "")
        messages.print(
            f"Of these, {len(quiet):,} are about accounts without traffic in this run (rows {rows})"
        )
    for warning in summary["analyst_calibration"]["warnings"]:
        messages.print(f"[bold yellow]Warning:[/] {plain(warning)}")
