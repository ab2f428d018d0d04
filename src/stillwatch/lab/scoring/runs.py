"""Reads scores that were saved: a folder of them, or the quality.json of a suite with the times.json
beside it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab.scoring.result import Score

QUALITY_FILE = "quality.json"
TIMES_FILE = "times.json"
_IDENTITY = ("world", "seed", "null", "detector")
_NAME = re.compile(r"(?P<world>.+)-(?P<seed>\d+)")
Key = tuple[str, int]
"""World and seed."""


@dataclass(frozen=True)
class ScoredRun:
    """A score with the time and memory of its run; None where only the score may tell them."""

    score: Score
    wall_s: float | None = None
    peak_bytes: float | None = None


@dataclass(frozen=True)
class Runs:
    """The runs of one detector: those with a score, and those that failed."""

    scored: dict[Key, ScoredRun] = field(default_factory=dict)
    failed: list[Key] = field(default_factory=list)

    def add(self, key: Key, run: ScoredRun | None, file: Path) -> None:
        """Adds a run. Raises UsageError if it is there already."""
        if key in self.scored or key in self.failed:
            raise UsageError(
                f"world {key[0]} with seed {key[1]} stands twice", "Keep one of them.", file=file
            )
        if run is None:
            self.failed.append(key)
        else:
            self.scored[key] = run


def read_runs(path: Path, detector: str | None = None) -> Runs:
    """Reads the runs of one detector by world and seed.

    Args:
        path: a quality.json, a folder with one, or a folder of <world>-<seed>.json files.
        detector: which detector of a quality.json; None where it holds one only.

    Raises:
        UnreadableInputError: for a missing or broken file.
        UsageError: where the detector is not clear or a run stands twice.
    """
    if path.is_file():
        return _read_quality(path, detector)
    if (path / QUALITY_FILE).is_file():
        return _read_quality(path / QUALITY_FILE, detector)
    files = sorted(path.glob("*.json"))
    if not files:
        remedy = (
            "Name a folder of <world>-<seed>.json files as `lab score --json` prints them, or a quality.json."
        )
        raise UnreadableInputError("no scores in it", remedy, file=path)
    if detector is not None:
        remedy = "Leave the detector out: single scores are of one."
        raise UsageError(f"there is no {QUALITY_FILE} to look for detector {detector} in", remedy, file=path)
    runs = Runs()
    for file in files:
        name = _NAME.fullmatch(file.stem)
        if name is None:
            remedy = "Name scores <world>-<seed>.json, and keep other files elsewhere."
            raise UsageError("the name tells no world and seed", remedy, file=file)
        runs.add((name["world"], int(name["seed"])), ScoredRun(_score(_json(file), file)), file)
    return runs


def _read_quality(path: Path, detector: str | None) -> Runs:
    rows = _rows(path)
    names = sorted({str(row.get("detector")) for row in rows})
    if detector is None and len(names) != 1:
        remedy = "Choose one with --detector-a or --detector-b."
        raise UsageError(f"it holds the detectors {', '.join(names) or 'of no run'}", remedy, file=path)
    if detector is not None and detector not in names:
        raise UsageError(f"no detector {detector} in it", f"Choose one of {', '.join(names)}.", file=path)
    beside = path.with_name(TIMES_FILE)
    times = _rows(beside) if beside.is_file() else []
    runs = Runs()
    for place, row in enumerate(rows):
        if detector in (None, str(row.get("detector"))):
            same = [t for t in times if all(t.get(name) == row.get(name) for name in _IDENTITY)]
            runs.add(*_quality_row({**(same[0] if same else {}), **row}, place, path), path)
    return runs


def _quality_row(row: Mapping[str, Any], place: int, path: Path) -> tuple[Key, ScoredRun | None]:
    try:
        world = f"{row['world']} (null)" if row.get("null") else str(row["world"])
        key = (world, int(row["seed"]))
        score = row["score"]
        wall, peak = (None if row.get(n) is None else float(row[n]) for n in ("wall_s", "peak_bytes"))
    except (KeyError, TypeError, ValueError) as error:
        remedy = "Each run needs world, seed, detector and score."
        what = f"no run ({type(error).__name__}: {error})"
        raise UnreadableInputError(what, remedy, file=path, row=place) from error
    return key, None if score is None else ScoredRun(_score(score, path), wall, peak)


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = _json(path).get("runs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        remedy = 'It holds {"runs": [{"world", "seed", "detector", "score", "wall_s", "peak_bytes"}]}.'
        raise UnreadableInputError("no list of runs in it", remedy, file=path)
    return rows


def _score(data: Any, path: Path) -> Score:
    return Score.from_dict(data, str(path))


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"cannot be read: {error}", "Write it again.", file=path) from error
    if not isinstance(data, dict):
        raise UnreadableInputError("holds no JSON object", "Write it again.", file=path)
    return data
