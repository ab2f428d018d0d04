"""Consoles of the command line: data on standard output, progress and messages on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stillwatch.evidence.visible import visible
from stillwatch.exchange.output import as_json

output = Console(soft_wrap=True)
messages = Console(stderr=True, soft_wrap=True)  # a path that is cut in two cannot be copied

Report = Callable[[str, int, int], None]
"""Told of what is being done: (words, done, total); total 0 where it is not known."""


def plain(text: object) -> str:
    """Text that others may have chosen (names of files, columns and accounts), for a console: no markup, no
    control sequences.
    """
    return escape(visible(str(text), 20_000, prose=True))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(as_json(value, default=str))


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A bar on standard error while a terminal is watching; silent otherwise."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def report(words: str, done: int, total: int) -> None:
            bar.update(task, description=f"{title}: {words}", completed=done, total=total or None)

        yield report
