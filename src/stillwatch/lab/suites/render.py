"""A suite's table as Markdown, which the README shows, and for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.suites.table import ALL_WORLDS, scenarios, strata

Cross = Mapping[str, Mapping[str, Rate]]

_COLUMNS = (
    "detector",
    "campaigns found",
    "members found",
    "exchanges found",
    "flagged exchanges that are a campaign's",
    "benign accounts reported (95 % interval)",
    "false campaigns",
    "gone before the verdict (median)",
    "reported in worlds without campaigns",
)
_SHORT = (
    "found",
    "members",
    "exchanges",
    "precision",
    "benign",
    "at most (95 %)",
    "false",
    "leakage",
    "without",
    "failed",
)
_NONE = "-"
_MEBI = 1 << 20


def to_markdown(quality: Mapping[str, Any]) -> str:
    """One table over all worlds, one for each world where there are several, campaigns found by scenario, benign
    accounts reported by stratum; ends with a line break.
    """
    parts = [
        f"{_title(world, rows)}\n\n{_line(_COLUMNS)}\n{_line(['---'] * len(_COLUMNS))}\n"
        + "".join(_line(_cells(row)) + "\n" for row in rows)
        for world, rows in _by_world(quality)
    ]
    parts += [_cross_markdown(*cross) for cross in _crossed(quality)]
    return "\n".join(parts)


def to_summary(quality: Mapping[str, Any]) -> str:
    """What a README has room for: the table over all worlds, and a line for each world; ends with a line break."""
    world, rows = _by_world(quality)[0]
    whole = f"{_title(world, rows)}\n\n{_line(_COLUMNS)}\n{_line(['---'] * len(_COLUMNS))}\n"
    whole += "".join(_line(_cells(row)) + "\n" for row in rows)
    if world != ALL_WORLDS:
        return whole
    names = [row["detector"] for row in rows]
    lines = [_line(["world", *names]), _line(["---"] * (1 + len(names)))]
    for single, own in _by_world(quality)[1:]:
        cells = {row["detector"]: _in_brief(row) for row in own}
        lines.append(_line([f"`{single}`", *(cells.get(name, _NONE) for name in names)]))
    return f"{whole}\nBy world: campaigns found of all; benign accounts accused\n\n" + "\n".join(lines) + "\n"


def _in_brief(row: Mapping[str, Any]) -> str:
    accused = row["benign"]["hits"] + row["null_benign"]["hits"]
    return f"{_fraction(row['campaigns'])}; {accused:,}"


def to_tables(quality: Mapping[str, Any], times: Mapping[str, Any] | None = None) -> Group:
    """The same for a terminal, with what each detector took if `times` are given."""
    parts: list[Table] = []
    for world, rows in reversed(_by_world(quality)):
        shown = Table(title=_title(world, rows).replace("`", ""), title_justify="left")
        shown.add_column("detector", no_wrap=True)
        for column in _SHORT:
            shown.add_column(column, justify="right", overflow="fold")
        for row in rows:
            shown.add_row(row["detector"], *_short_cells(row))
        parts.append(shown)
    for title, first, cross in _crossed(quality):
        shown = Table(first, title=title, title_justify="left")
        for name in next(iter(cross.values())):
            shown.add_column(name, justify="right", overflow="fold")
        for key, rates in cross.items():
            shown.add_row(key, *(_fraction(rate.to_dict()) for rate in rates.values()))
        parts.append(shown)
    if times is not None:
        parts.append(_times(times))
    return Group(*parts)


def _crossed(quality: Mapping[str, Any]) -> list[tuple[str, str, Cross]]:
    found = [
        ("Campaigns found, by scenario", "scenario", scenarios(quality["runs"])),
        ("Benign accounts reported, by stratum", "stratum", strata(quality["runs"])),
    ]
    return [(title, first, cross) for title, first, cross in found if cross]


def _cross_markdown(title: str, first: str, cross: Cross) -> str:
    names = list(next(iter(cross.values())))
    lines = [_line([first, *names]), _line(["---"] * (1 + len(names)))]
    for key, rates in cross.items():
        lines.append(
            _line([key, *(f"{r.hits:,} of {r.total:,}" if r.total else _NONE for r in rates.values())])
        )
    return f"{title}\n\n" + "\n".join(lines) + "\n"


def _by_world(quality: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """All worlds first; the sum over one world says what that world says."""
    worlds = list(dict.fromkeys(row["world"] for row in quality["table"] if row["world"] != ALL_WORLDS))
    order = [ALL_WORLDS, *worlds] if len(worlds) > 1 else worlds
    return [(world, [row for row in quality["table"] if row["world"] == world]) for world in order]


def _title(world: str, rows: Sequence[Mapping[str, Any]]) -> str:
    seeds, quiet = max(row["seeds"] for row in rows), max(row["null_seeds"] for row in rows)
    of = "" if world == ALL_WORLDS else "World "
    return (
        f"{of}{world if world == ALL_WORLDS else f'`{world}`'}: {_count(seeds, 'simulation')} with campaigns, "
        f"{quiet} without"
    ).replace("all worlds", "All worlds", 1)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _cells(row: Mapping[str, Any]) -> list[str]:
    quiet = f"{row['null_reports']}, {row['null_benign']['hits']:,} accounts"
    return [
        row["detector"] + (f" ({_count(row['failed'], 'run')} failed)" if row["failed"] else ""),
        _with_interval(row["campaigns"]),
        *_shares(row),
        _with_interval(row["benign"]),
        str(row["false_campaigns"]) if row["benign"]["total"] else _NONE,
        _percent(row["leakage"]),
        quiet if row["null_benign"]["total"] else _NONE,
    ]


def _short_cells(row: Mapping[str, Any]) -> list[str]:
    return [
        _fraction(row["campaigns"]),
        *_shares(row),
        _fraction(row["benign"]),
        _percent(row["benign"]["high"]),
        str(row["false_campaigns"]) if row["benign"]["total"] else _NONE,
        _percent(row["leakage"]),
        str(row["null_reports"]) if row["null_benign"]["total"] else _NONE,
        str(row["failed"]),
    ]


def _shares(row: Mapping[str, Any]) -> list[str]:
    return [
        _percent(row[name]["share"])
        for name in ("accounts_recall", "exchanges_recall", "exchanges_precision")
    ]


def _fraction(rate: Mapping[str, Any]) -> str:
    return f"{rate['hits']:,}/{rate['total']:,}" if rate["total"] else _NONE


def _with_interval(rate: Mapping[str, Any]) -> str:
    if not rate["total"]:
        return _NONE
    return f"{rate['hits']:,} of {rate['total']:,} ({_percent(rate['low'])} to {_percent(rate['high'])})"


def _percent(share: float | None) -> str:
    if share is None:
        return _NONE
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    edge = min(share, 1 - share)  # neither end is reached by rounding
    return f"{100 * share:.{1 if edge >= 0.01 else 2 if edge >= 0.001 else 3}f} %"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _times(times: Mapping[str, Any]) -> Table:
    """Sums of seconds and the largest peak, over the runs whose cost is known."""
    table = Table(title="What the detectors took (runs whose cost is known)", title_justify="left")
    table.add_column("detector")
    for column in ("runs", "wall seconds", "CPU seconds", "peak MiB"):
        table.add_column(column, justify="right")
    known = [run for run in times["runs"] if run["wall_s"] is not None]
    for name in dict.fromkeys(run["detector"] for run in known):
        mine = [run for run in known if run["detector"] == name]
        wall, cpu = sum(run["wall_s"] for run in mine), sum(run["cpu_s"] for run in mine)
        peak = max(run["peak_bytes"] for run in mine) / _MEBI
        table.add_row(name, str(len(mine)), f"{wall:,.1f}", f"{cpu:,.1f}", f"{peak:,.0f}")
    return table
