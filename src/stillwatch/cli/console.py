"""Consoles of the command line: data on standard output, progress and messages on standard error."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from stillwatch.evidence.visible import visible
from stillwatch.exchange.output import as_json

if TYPE_CHECKING:
    from stillwatch.progress import Estimate

LINE_SECONDS = 30.0
"""How often a line tells of progress where no terminal is watching."""

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
    from stillwatch.progress import Estimate

    estimate = Estimate(shares or {})
    shown = _bar if messages.is_terminal else _lines
    try:
        with shown(title, estimate) as report:
            yield report
    except KeyboardInterrupt as error:
        messages.print("Interrupted.")
        print_notes(error)
        raise


@contextmanager
def _bar(title: str, estimate: "Estimate") -> Iterator[Report]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Told(estimate),
    )
    with Progress(*columns, console=messages, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def report(words: str, done: int, total: int) -> None:
            estimate.tell(words, done, total)
            bar.update(task, description=f"{title}: {words}")

        yield report


class _Told(ProgressColumn):
    """Percent, time passed, time left; asked for several times a second, it moves the bar too."""

    def __init__(self, estimate: "Estimate") -> None:
        super().__init__()
        self._estimate = estimate

    def render(self, task: Task) -> Text:
        """The words of this moment."""
        fraction = self._estimate.fraction
        if fraction is not None:
            task.total, task.completed = 1.0, fraction
        else:
            task.total = None
        return Text(_so_far(self._estimate))


def _so_far(estimate: "Estimate") -> str:
    from stillwatch.progress import clock_words, in_words

    fraction = estimate.fraction
    percent = "" if fraction is None else f"{fraction:.0%}"
    return "  ".join(filter(None, (percent, clock_words(estimate.elapsed), in_words(estimate.left))))


@contextmanager
def _lines(title: str, estimate: "Estimate") -> Iterator[Report]:
    stopped = threading.Event()

    def tell() -> None:
        while not stopped.wait(LINE_SECONDS):
            messages.print(plain(f"{title}: {estimate.words}  {_so_far(estimate)}"), highlight=False)

    teller = threading.Thread(target=tell, name="stillwatch-progress", daemon=True)
    teller.start()
    try:
        yield estimate.tell
    finally:
        stopped.set()
        teller.join()
