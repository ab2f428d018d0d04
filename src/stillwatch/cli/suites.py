"""What `stillwatch lab suite` prints for people."""

from stillwatch.cli.console import messages, output, plain
from stillwatch.lab.suite import SuiteOutcome
from stillwatch.lab.suites.against import Comparison
from stillwatch.lab.suites.render import to_markdown, to_tables
from stillwatch.lab.targets.render import to_table


def print_suite(found: SuiteOutcome, *, markdown: bool) -> None:
    """The tables on standard output, the runs that failed on standard error."""
    if markdown:
        output.print(to_markdown(found.quality), end="", markup=False, highlight=False)
    else:
        output.print(to_tables(found.quality, found.times))
        output.print(to_table(found.quality["targets"]))
    for run in found.failed:
        where = f"{run.cell.name}, {run.detector}"
        messages.print(f"[bold red]Failed:[/] {plain(where)}: {plain(run.error)}")


def print_comparison(changes: Comparison) -> None:
    """What changed against an earlier file: regressions last, where they are seen."""
    for title, lines in (
        ("Remarks", changes.remarks),
        ("Improvements", changes.improvements),
        ("[bold red]Regressions[/]", changes.regressions),
    ):
        if lines:
            messages.print(f"{title}:")
        for line in lines:
            messages.print(f"  {plain(line)}", highlight=False)
