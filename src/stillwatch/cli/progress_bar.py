"""The bar that a terminal shows of how far a command is."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from stillwatch.progress import Estimate, Report, so_far


@contextmanager
def bar(console: Console, title: str, estimate: Estimate) -> Iterator[Report]:
    """A bar on a terminal while the command runs.

    Args:
        console: where it is shown.
        title: what is done.
        estimate: told of what is done, asked for what is left.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Told(estimate),
    )
    with Progress(*columns, console=console, transient=True) as drawn:
        task = drawn.add_task(title, total=None)

        def report(words: str, done: int, total: int) -> None:
            estimate.tell(words, done, total)
            drawn.update(task, description=f"{title}: {words}")

        yield report


class _Told(ProgressColumn):
    """Percent, time passed, time left; asked for several times a second, it moves the bar too."""

    def __init__(self, estimate: Estimate) -> None:
        super().__init__()
        self._estimate = estimate

    def render(self, task: Task) -> Text:
        """The words of this moment."""
        fraction = self._estimate.fraction
        if fraction is not None:
            task.total, task.completed = 1.0, fraction
        else:
            task.total = None
        return Text(so_far(self._estimate))
