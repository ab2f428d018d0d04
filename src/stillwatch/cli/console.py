"""Consoles of the command line: data on standard output, progress and messages on standard error."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape

from stillwatch.evidence.visible import visible
from stillwatch.exchange.output import as_json
from stillwatch.progress import Estimate, Report, so_far

LINE_SECONDS = 30.0
"""How often a line tells of progress where no terminal is watching."""

output = Console(soft_wrap=True)
messages = Console(stderr=True, soft_wrap=True)  # a path that is cut in two cannot be copied


def plain(text: object) -> str:
    """Text that others may have chosen (names of files, columns and accounts), for a console: no markup, no
    control sequences.
    """
    return escape(visible(str(text), 20_000, prose=True))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(as_json(value, default=str))


def print_notes(error: BaseException) -> None:
    """What a command added to an error on its way, such as how to go on."""
    for note in getattr(error, "__notes__", []):
        messages.print(plain(note))


@contextmanager
def progress(title: str, shares: Mapping[str, float] | None = None) -> Iterator[Report]:
    """How far a command is, on standard error: a bar on a terminal, elsewhere a line every half minute.

    Args:
        title: what is done.
        shares: what its phases usually take, for an estimate of what is left (`stillwatch.progress`).
    """
    # Only who shows a bar loads what draws it: `--help` is quick.
    from stillwatch.cli.progress_bar import bar

    estimate = Estimate(shares or {})
    shown = bar if messages.is_terminal else _lines
    try:
        with shown(messages, title, estimate) as report:
            yield report
    except KeyboardInterrupt as error:
        messages.print("Interrupted.")
        print_notes(error)
        raise


@contextmanager
def _lines(console: Console, title: str, estimate: Estimate) -> Iterator[Report]:
    stopped = threading.Event()

    def tell() -> None:
        while not stopped.wait(LINE_SECONDS):
            console.print(plain(f"{title}: {estimate.words}  {so_far(estimate)}"), highlight=False)

    teller = threading.Thread(target=tell, name="stillwatch-progress", daemon=True)
    teller.start()
    try:
        yield estimate.tell
    finally:
        stopped.set()
        teller.join()
