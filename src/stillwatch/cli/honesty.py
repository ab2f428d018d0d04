"""What `stillwatch lab check` prints for people."""

from rich.table import Column, Table

from stillwatch.cli.console import output, plain
from stillwatch.lab.honesty.check import Figure, Findings


def print_findings(found: Findings) -> None:
    """The figures with what is allowed, and the features that tell most."""
    table = Table(
        Column("check", no_wrap=True),
        "figure",
        Column("found", justify="right"),
        "95 % interval",
        Column("allowed", justify="right"),
        "passed",
        Column("on", overflow="fold"),
    )
    for figure in found.figures:
        passed = "yes" if figure.passed else "NO"
        table.add_row(
            figure.check,
            figure.figure,
            f"{figure.value:.3g}",
            _interval(figure),
            f"{figure.allowed:g}",
            passed,
            plain(figure.note),
        )
    output.print(table)
    if found.clues:
        clues = Table("check", "feature", Column("AUC", justify="right"), Column("why", overflow="fold"))
        for clue in found.clues:
            clues.add_row(clue.check, clue.feature, f"{clue.auc:.3f}", clue.reason or "unexplained")
        output.print(clues)


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:.3f} to {figure.high:.3f}"
