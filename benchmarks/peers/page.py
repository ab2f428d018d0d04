"""The section of docs/performance.md: a table for each comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers.measuring import Outcome
from benchmarks.peers.side import Comparison

_NOTHING = "-"


@dataclass(frozen=True)
class Measured:
    """A comparison with what its sides took.

    Attributes:
        comparison: which.
        count: how many things each side worked through.
        outcomes: one for each side, in order.
    """

    comparison: Comparison
    count: int
    outcomes: Sequence[Outcome]


def section(measured: Sequence[Measured], about: str) -> str:
    """Markdown: what was measured, then a heading, a sentence and a table for each; ends with a line break."""
    return "\n".join([about, "", *(_one(each) for each in measured)]).rstrip() + "\n"


def _one(measured: Measured) -> str:
    comparison = measured.comparison
    head = ["side", "CPU s"]
    if comparison.linear:
        head.append(f"CPU s for a million {comparison.unit}")
    head += ["CPU, times ours", "wall, times ours", *(title for title, _ in comparison.facts.values())]
    head.append("what it does, more or less than ours")
    lines = [_line(head), _line(["---"] * len(head))]
    lines += [_line(_cells(outcome, measured)) for outcome in measured.outcomes]
    told = f"{comparison.about} {measured.count:,} {comparison.unit}."
    return "\n".join([f"### {comparison.title}", "", told, "", *lines, ""])


def _cells(outcome: Outcome, measured: Measured) -> list[str]:
    comparison, side = measured.comparison, outcome.side
    n_figures = 3 + comparison.linear + len(comparison.facts)
    if outcome.why_not is not None:
        return [side.name, *[_NOTHING] * n_figures, f"{outcome.why_not}. {side.says}"]
    base = next(one for one in measured.outcomes if one.side is comparison.base(side))
    cells = [side.name, f"{outcome.cpu:.2f}"]
    if comparison.linear:
        cells.append(f"{outcome.cpu / measured.count * 1e6:.2f}")
    cells += [_ratio(outcome.cpu, base, "cpu"), _ratio(outcome.wall, base, "wall")]
    for key, (_, form) in comparison.facts.items():
        fact = outcome.fact(key)
        cells.append(_NOTHING if fact is None else form.format(fact))
    return [*cells, side.says]


def _ratio(seconds: float, base: Outcome, what: str) -> str:
    """How many times the base's seconds; nothing where the base could not be measured."""
    if base.why_not is not None:
        return _NOTHING
    return f"{seconds / {'cpu': base.cpu, 'wall': base.wall}[what]:.2f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def told_versions(versions: Mapping[str, str]) -> str:
    """Names with their versions, in a row of words."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
