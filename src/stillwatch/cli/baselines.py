"""What `stillwatch lab baselines` prints for people."""

from collections.abc import Iterable

from rich.table import Column, Table

from stillwatch.cli.console import output, plain
from stillwatch.lab.baselines.registry import Baseline


def print_baselines(found: Iterable[Baseline]) -> None:
    """Each baseline with its source and its settings."""
    table = Table(
        Column("baseline", no_wrap=True),
        "source",
        Column("settings and defaults", overflow="fold"),
        show_lines=True,
    )
    for baseline in found:
        settings = "\n".join(f"{p.name}={p.default}" for p in baseline.parameters)
        table.add_row(plain(baseline.name), plain(f"{baseline.title}: {baseline.source}"), plain(settings))
    output.print(table)
