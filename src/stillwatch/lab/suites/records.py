"""What a suite has measured: one file a run, so that a killed suite goes on, and quality.json of them all."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from stillwatch.exchange.errors import StillwatchError, UnreadableInputError
from stillwatch.exchange.output import partial_of, written
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.result import Score
from stillwatch.lab.scoring.spent import Spent
from stillwatch.lab.suites.detectors import Detector
from stillwatch.lab.suites.settings import Cell
from stillwatch.lab.worldfile import read_world

RESULT_TABLES = ("campaigns.parquet", "members.parquet", "flagged.parquet")
QUALITY_FILE = "quality.json"
TIMES_FILE = "times.json"
_PACKAGE = Path(str(files("stillwatch")))
_WIDTH = 110
_RATE = Rate(0, 0).to_dict().keys()
# Of a score, what is computed from the rest.
_COMPUTED = frozenset({"by_scenario", "by_size", "calibration", "leakage", "prices"})
_DIGITS = 6


@dataclass(frozen=True)
class Run:
    """One detector on one cell.

    Attributes:
        cell: the world.
        detector: name.
        baseline: whether it is one of the baselines.
        score: see `kept_score`; None if it failed.
        error: why it failed; None if it did not.
        cost: wall_s, cpu_s, peak_bytes; None where they are not known.
        variant: whether it is Stillwatch run another way.
    """

    cell: Cell
    detector: str
    baseline: bool
    score: dict[str, Any] | None
    error: str | None
    cost: dict[str, float | int | None]
    variant: bool = False

    def named(self) -> dict[str, Any]:
        """Whose run it is, for JSON."""
        return {
            "world": self.cell.world_name,
            "seed": self.cell.seed,
            "null": self.cell.null,
            "scale": self.cell.scale,
            "detector": self.detector,
        }

    def to_dict(self) -> dict[str, Any]:
        """For quality.json: all that the same code gives again. What it cost stands in times.json."""
        return self.named() | {
            "days": days_of(self.cell.world),
            "baseline": self.baseline,
            "variant": self.variant,
            "score": self.score,
            "error": self.error,
        }


@cache
def days_of(world: str) -> int | None:
    """Length of a world in days; None of one that cannot be read."""
    try:
        return read_world(world).days
    except StillwatchError:
        return None


def rounded(value: Any) -> Any:
    """The same value with every float at six significant digits: machines differ in the last ones."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def kept_score(score: Score) -> dict[str, Any]:
    """What quality.json keeps of a score: all that `Score.from_dict` reads, rounded, but time and memory."""
    told = replace(score, spent=Spent()).to_dict()
    return {key: _counts(rounded(value)) for key, value in told.items() if key not in _COMPUTED}


def _counts(value: Any) -> Any:
    """The same value with every rate as its two counts; share and interval follow from them."""
    if isinstance(value, dict):
        kept = ("hits", "total") if value.keys() == _RATE else value.keys()
        return {key: _counts(value[key]) for key in kept}
    return [_counts(inner) for inner in value] if isinstance(value, list) else value


def as_lines(value: Any, indent: int = 0) -> str:
    """JSON with sorted keys in which whatever fits stands on one line: short, and a change shows as a line."""
    flat = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if len(flat) + indent <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}: {as_lines(value[key], indent + 1)}"
            for key in sorted(value)
        ]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + as_lines(v, indent + 1) for v in value) + "\n" + " " * indent + "]"


def write_json(path: Path, value: Any) -> None:
    """Writes a file that is whole or is not there. Raises OutputError."""
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_of(path)
        partial.write_text(as_lines(value) + "\n", encoding="utf-8")
        partial.replace(path)


def read_quality(path: Path) -> dict[str, Any]:
    """A quality.json. Raises UnreadableInputError for a file that is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for run in found["runs"]:
            _ = [run[key] for key in ("world", "seed", "null", "detector", "baseline", "score", "error")]
        return dict(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = f"Name a {QUALITY_FILE} that `stillwatch lab suite` wrote."
        raise UnreadableInputError(f"cannot be read as one: {error!r}", remedy, file=path) from error


class Store:
    """The finished runs in a suite's folder.

    A run is kept with a fingerprint of all that decides it: the code and data of this package, the world,
    seed and scale, the detector's command or its result tables. Where it is another one, the run is made anew.
    A command's own program is not looked into: remove `runs/` to repeat it. A failed run is made anew too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "runs"

    def read(self, cell: Cell, detector: Detector) -> Run | None:
        """The finished run, if there is one that still holds."""
        try:
            kept = json.loads(self._file(cell, detector).read_text(encoding="utf-8"))
            if kept["fingerprint"] != fingerprint(cell, detector) or kept["score"] is None:
                return None
            return Run(
                cell,
                detector.name,
                detector.is_baseline,
                kept["score"],
                None,
                kept["cost"],
                detector.is_variant,
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, run: Run, detector: Detector) -> None:
        """Keeps a run."""
        kept = {"fingerprint": fingerprint(run.cell, detector), "cost": run.cost} | run.to_dict()
        write_json(self._file(run.cell, detector), kept)

    def _file(self, cell: Cell, detector: Detector) -> Path:
        return self._folder / cell.name / f"{detector.name}.json"


def fingerprint(cell: Cell, detector: Detector) -> str:
    """Of all that decides a run; see `Store`."""
    parts: list[Any] = [package_digest(), asdict(cell) | {"world": cell.world_name}, asdict(detector)]
    parts.append(_world(cell.world))
    if detector.folder:
        parts.append(_digest(Path(detector.folder) / cell.name / name for name in RESULT_TABLES))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def package_digest() -> str:
    """Of every file of this package but suites and worlds, as it was when first asked for."""
    found = (path for path in _PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    data = {_PACKAGE / "lab" / "suites", _PACKAGE / "lab" / "worlds"}
    code = [path for path in found if path.suffix != ".toml" or path.parent not in data]
    return _digest(sorted(code), _PACKAGE)


def _world(world: str) -> Any:
    """All settings of a world, with what it takes from others."""
    try:
        return _plain(read_world(world))
    except StillwatchError as error:  # its runs fail, and are made anew whatever stands here
        return str(error)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.__name__ if isinstance(value, ModuleType) else repr(value)


def _digest(paths: Iterable[Path], root: Path | None = None) -> str:
    whole = hashlib.sha256()
    for path in paths:
        content = path.read_bytes() if path.is_file() else b"missing"
        name = path.relative_to(root).as_posix() if root else path.name
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()
