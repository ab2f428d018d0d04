"""Time and memory that a detector took, as its results folder tells them."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Spent:
    """Time and memory of one run; None where not said.

    Attributes:
        wall_s: seconds by the clock.
        cpu_s: seconds of all processors.
        peak_bytes: most memory held at a time.
        source: file that says so; None if there is none.
    """

    wall_s: float | None = None
    cpu_s: float | None = None
    peak_bytes: int | None = None
    source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read_spent(results: Path) -> Spent:
    """From run.json {wall_s, cpu_s, peak_bytes}; else the sum of a scan's steps in summary.json; else nothing.

    Raises UnreadableInputError if the file is there and does not hold that.
    """
    path = results / RUN_FILE
    if path.exists():
        data = _read(path)
        figures = [_figure(data, name, path) for name in ("wall_s", "cpu_s", "peak_bytes")]
        peak = None if figures[2] is None else int(figures[2])
        return Spent(figures[0], figures[1], peak, RUN_FILE)
    path = results / SUMMARY_FILE
    steps = _read(path).get("steps") if path.exists() else None
    if not isinstance(steps, list) or not steps:
        return Spent()
    seconds = [_figure(step, "seconds", path) for step in steps if isinstance(step, dict)]
    return Spent(sum(s for s in seconds if s is not None), None, None, SUMMARY_FILE)


def read_nominal(results: Path) -> float | None:
    """The rate of false discovery that the scan was asked for; None if the results do not say."""
    path = results / SUMMARY_FILE
    return _figure(_read(path), "fdr", path) if path.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        remedy = "Write it again, or remove it: the score is then without time and memory."
        raise UnreadableInputError(f"cannot be read: {error}", remedy, file=path) from error
    if not isinstance(data, dict):
        raise UnreadableInputError("holds no JSON object", "Write it again, or remove it.", file=path)
    return data


def _figure(data: dict[str, Any], name: str, path: Path) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UnreadableInputError(
            f"{name} = {value!r} is no figure", "Write a number of 0 or more, or null.", file=path
        )
    return float(value)
