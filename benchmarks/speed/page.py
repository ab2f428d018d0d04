"""The table of steps: multiples of the floor by size of the world, and how each step grows."""

import math
from collections.abc import Mapping, Sequence

from benchmarks.speed.recording import Recorded, Spent

LEAST = 0.02
"""Steps that never take this part of the floor stand together in one line."""


def section(recorded: Mapping[str, Recorded]) -> str:
    """The section of the page, one world or more, smallest first."""
    worlds = sorted(recorded.values(), key=lambda one: one.rows)
    return "\n".join([*_worlds(worlds), "", *_steps(worlds)])


def growth(rows: Sequence[float], spent: Sequence[float]) -> float | None:
    """Exponent of growth: slope of the least-squares line through the logarithms; None where too little is known."""
    points = [(math.log(n), math.log(s)) for n, s in zip(rows, spent, strict=True) if s > 0]
    if len(points) < 2:
        return None
    x, y = (sum(one[i] for one in points) / len(points) for i in (0, 1))
    across = sum((one[0] - x) ** 2 for one in points)
    return sum((one[0] - x) * (one[1] - y) for one in points) / across if across else None


def _worlds(worlds: Sequence[Recorded]) -> list[str]:
    lines = [
        "| exchanges | accounts | Parquet, GB | floor: wall s, CPU s | scan: wall s, CPU s "
        "| times the floor, wall (CPU) | peak memory, GB | campaigns |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in worlds:
        wall, cpu = one.total.wall / one.floor.wall, one.total.cpu / one.floor.cpu
        lines.append(
            f"| {one.rows:,} | {one.accounts:,} | {one.input_bytes / 1e9:.2f} | {one.floor.wall:.1f}, "
            f"{one.floor.cpu:.1f} | {one.total.wall:.0f}, {one.total.cpu:.0f} | **{wall:.1f}** ({cpu:.1f}) | "
            f"{one.total.memory / 1e9:.2f} | {one.campaigns} |"
        )
    exponents = [
        growth([w.rows for w in worlds], [getattr(w.total, kind) for w in worlds]) for kind in ("wall", "cpu")
    ]
    if all(exponent is not None for exponent in exponents):
        lines += [
            "",
            f"The whole scan grows as n^{exponents[0]:.2f} in wall time and n^{exponents[1]:.2f} in CPU time.",
        ]
    return lines


def _steps(worlds: Sequence[Recorded]) -> list[str]:
    largest = worlds[-1]
    sizes = ", ".join(f"{one.rows / 1e6:.1f} m" for one in worlds)
    lines = [
        f"| step | times the floor, wall: {sizes} | growth of CPU | wall s | CPU s | peak memory, GB | its table, GB |",
        "|---|---|---|---|---|---|---|",
    ]
    names = list(dict.fromkeys(step.step for one in worlds for step in one.steps))
    shown = [name for name in names if max(_multiple(one, name) for one in worlds) >= LEAST]
    lines += [_line(worlds, name, _of(largest, [name])) for name in shown]
    rest = [name for name in names if name not in shown]
    spent = _of(largest, rest)
    lines.append(
        f"| {len(rest)} others | {', '.join(f'{sum(_multiple(one, name) for name in rest):.2f}' for one in worlds)} | "
        f"| {spent.wall:.1f} | {spent.cpu:.1f} | {spent.memory / 1e9:.2f} | {spent.bytes / 1e9:.2f} |"
    )
    return lines


def _line(worlds: Sequence[Recorded], name: str, spent: Spent) -> str:
    multiples = ", ".join(f"{_multiple(one, name):.2f}" for one in worlds)
    exponent = growth([one.rows for one in worlds], [_of(one, [name]).cpu for one in worlds])
    grows = "" if exponent is None else f"n^{exponent:.2f}"
    return (
        f"| {name} | {multiples} | {grows} | {spent.wall:.1f} | {spent.cpu:.1f} | {spent.memory / 1e9:.2f} | "
        f"{spent.bytes / 1e9:.2f} |"
    )


def _multiple(one: Recorded, name: str) -> float:
    return _of(one, [name]).wall / one.floor.wall


def _of(one: Recorded, names: Sequence[str]) -> Spent:
    """The steps of these names together."""
    found = [step for step in one.steps if step.step in names]
    return Spent(
        "",
        sum(step.wall for step in found),
        sum(step.cpu for step in found),
        max((step.memory for step in found), default=0),
        max((step.bytes for step in found), default=0)
        if len(names) == 1
        else sum(step.bytes for step in found),
    )
