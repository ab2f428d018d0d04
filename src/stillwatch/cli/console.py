"""Consoles of the command line: data on standard output, progress and messages on standard error."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

output = Console(soft_wrap=True)
messages = Console(stderr=True, soft_wrap=True)  # a path that is cut in two cannot be copied

Report = Callable[[str, int, int], None]
"""Told of what is being done: (words, done, total); total 0 where it is not known."""


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A bar on standard error while a terminal is watching; silent otherwise."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def report(words: str, done: int, total: int) -> None:
            bar.update(task, description=f"{title}: {words}", completed=done, total=total or None)

        yield report
