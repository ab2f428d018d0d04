"""A comparison as tables for the terminal."""

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from stillwatch.lab.compare import Comparison, Difference
from stillwatch.lab.scoring.spoken import bytes_spoken, number, percent


def comparison_tables(compared: Comparison) -> Group:
    """Each world, then all together; and by name the runs that have no partner."""
    parts: list[RenderableType] = [_table(world, rows) for world, rows in compared.worlds.items()]
    parts.append(_table(f"All {len(compared.pairs)} pairs of runs", compared.overall))
    for name, lonely in (("A", compared.only_a), ("B", compared.only_b)):
        if lonely:
            parts.append(f"Without a partner, so left out: {escape(', '.join(lonely))} (in {name} only)")
    for name, failed in (("A", compared.failed_a), ("B", compared.failed_b)):
        if failed:
            parts.append(f"Failed in {name}, so left out: {escape(', '.join(failed))}")
    parts += [
        f"Without {row.measure} in A or B: {escape(', '.join(row.unmeasured))}"
        for row in compared.overall
        if row.unmeasured
    ]
    parts.append(
        "B less A, paired by world and seed. Intervals: percentile bootstrap over pairs; with few seeds they are too "
        "narrow. p: exact sign test."
    )
    return Group(*parts)


def _table(title: str, rows: tuple[Difference, ...]) -> Table:
    table = Table(title=escape(title), title_justify="left")
    table.add_column("measure")
    for name in ("pairs", "A", "B", "B - A", "95 % interval", "better", "worse", "equal", "p"):
        table.add_column(name, justify="right")
    for row in rows:
        if not row.pairs:
            table.add_row(row.measure, "0", *["-"] * 8)
            continue
        values = [_spoken(row, value) for value in (row.mean_a, row.mean_b)]
        apart = (
            "-"
            if row.low is None
            else f"{_spoken(row, row.low, sign=True)} to {_spoken(row, row.high, sign=True)}"
        )
        counts = (str(row.better), str(row.worse), str(row.equal))
        p = "-" if row.sign_p is None else f"{row.sign_p:.3f}"
        table.add_row(
            row.measure, str(row.pairs), *values, _spoken(row, row.mean, sign=True), apart, *counts, p
        )
    return table


def _spoken(row: Difference, value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    text = {
        "share": percent,
        "count": lambda v: number(v, 2),
        "seconds": lambda v: f"{number(v, 1)} s",
        "bytes": bytes_spoken,
    }[row.unit](value)
    if sign and row.unit == "share":
        text = f"{100 * value:.2f} points"  # a difference of shares is no share
    return f"+{text}" if sign and value > 0 else text
