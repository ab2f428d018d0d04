"""The table of targets as Markdown, and for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from stillwatch.lab.targets.adaptivity import Side
from stillwatch.lab.targets.aims import Standing, Unit
from stillwatch.lab.targets.figures import NEVER

Row = Mapping[str, Any]

_COLUMNS = (
    "measure",
    "static: aim",
    "static: measured (95 % interval)",
    "adaptive: aim",
    "adaptive: measured (95 % interval)",
)
_NONE = "-"
_MARKS = {
    Standing.MET: "**met**",
    Standing.MET_SO_FAR: "**met**, interval reaches beyond",
    Standing.MISSED: "**missed**",
    Standing.NOT_MEASURED: "not measured",
    Standing.NO_AIM: "",
}


def to_markdown(rows: Sequence[Row]) -> str:
    """The table; ends with a line break."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    for row in rows:
        cells = [row["name"]]
        for side in Side:
            cell = row[side]
            mark = _MARKS[Standing(cell["standing"])]
            figure = told(cell, row["unit"])
            cells += [aim(cell, row["unit"]), ": ".join(part for part in (mark, figure) if part)]
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def to_table(rows: Sequence[Row]) -> Table:
    """The same for a terminal."""
    table = Table("measure", "campaigns", "aim", "measured", title="Targets", title_justify="left")
    for row in rows:
        for side in Side:
            mark = _MARKS[Standing(row[side]["standing"])].replace("**", "")
            figure = told(row[side], row["unit"])
            words = ": ".join(part for part in (mark, figure) if part)
            name = row["name"] if side is Side.STATIC else ""
            table.add_row(name, str(side), aim(row[side], row["unit"]), words, end_section=not name)
    return table


def aim(cell: Mapping[str, Any], unit: str) -> str:
    """The bound of one cell."""
    if cell["aim"] is None:
        return _NONE
    return f"{'>=' if cell['at_least'] else '<='} {_number(cell['aim'], unit)}"


def told(cell: Mapping[str, Any], unit: str) -> str:
    """The figure of one cell with its interval and what it rests on; empty where nothing was measured."""
    if cell["value"] is None:
        return ""
    words = _number(cell["value"], unit)
    if cell["low"] is not None or cell["high"] is not None:
        ends = [_number(cell[end], unit) if cell[end] is not None else "unknown" for end in ("low", "high")]
        words += f" ({ends[0]} to {ends[1]})"
    return f"{words}, {cell['counts']}" if cell["counts"] else words


def _number(value: float | str, unit: str) -> str:
    if value == NEVER or isinstance(value, str):
        return NEVER
    if unit == Unit.SHARE:
        return _share(value)
    if unit == Unit.POINTS:
        return f"{100 * value:+.1f} points"
    digits = 0 if value >= 100 or value == round(value) else 1
    return f"{value:,.{digits}f}" + (" times" if unit == Unit.TIMES else "")


def _share(value: float) -> str:
    if value in (0, 1):
        return f"{100 * value:.0f} %"
    if value < 0.001:
        return f"{value:.1e}"
    return f"{100 * value:.{1 if min(value, 1 - value) >= 0.01 else 2}f} %"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
