"""`stillwatch lab check`: is the laboratory honest? Each check is a figure with what is allowed.

arrivals: simulated machines against real ones kept out of the laboratory. metadata: accounts of clean campaigns
against those whom they imitate. null: our scan of a world without campaigns. permuted: our scan of worlds in which
accounts have nothing to do with each other. bytes: the same seed, as on another machine.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.honesty.arrivals import ALLOWED_AUC as ALLOWED_ARRIVALS
from stillwatch.lab.honesty.arrivals import check_arrivals
from stillwatch.lab.honesty.metadata import ALLOWED_AUC as ALLOWED_METADATA
from stillwatch.lab.honesty.metadata import check_metadata
from stillwatch.lab.honesty.permuted import KINDS, write_permuted
from stillwatch.lab.honesty.same_bytes import check_bytes
from stillwatch.lab.simulate import simulate
from stillwatch.lab.worldfile import World, read_world
from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import load_settings

SCALES = ("tiny", "small")
_CLEAN_WORLD = "infrastructure_and_pivot"
_NULL_WORLD = "quiet"
_METADATA_SCALE = "small"  # tiny worlds have too few accounts for this check
_TOLD = 8

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Figure:
    """One figure of a check.

    Attributes:
        check: name of the check.
        figure: what was measured.
        value: what came out.
        allowed: the most that is allowed.
        low: lower end of the 95 % interval, None where there is none.
        high: upper end.
        note: on what it was measured.
    """

    check: str
    figure: str
    value: float
    allowed: float
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is allowed."""
        return self.value <= self.allowed

    def to_dict(self) -> dict[str, Any]:
        """As the JSON document shows it."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True)
class Clue:
    """A feature that tells something by itself.

    Attributes:
        check: name of the check.
        feature: its name.
        auc: area under the ROC curve, 0.5..1.
        reason: what explains it; empty where nothing does.
    """

    check: str
    feature: str
    auc: float
    reason: str


@dataclass(frozen=True)
class Findings:
    """What one or several checks found."""

    figures: tuple[Figure, ...] = ()
    clues: tuple[Clue, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every figure is allowed."""
        return all(figure.passed for figure in self.figures)

    def to_dict(self) -> dict[str, Any]:
        """As the JSON document shows it."""
        return {
            "passed": self.passed,
            "figures": [figure.to_dict() for figure in self.figures],
            "features": [asdict(clue) for clue in self.clues],
        }


@dataclass(frozen=True)
class Request:
    """What is to be checked.

    Attributes:
        seed: of worlds and classifiers.
        scale: of the worlds: one of SCALES.
        folder: worlds and results are written below it.
        report: told of progress.
    """

    seed: int
    scale: str
    folder: Path
    report: Report = lambda words, done, total: None


def _arrivals(request: Request) -> Findings:
    found = check_arrivals(request.seed, top=_TOLD)
    note = f"{found.clients} real clients held out"
    figure = Figure("arrivals", "AUC", found.auc, ALLOWED_ARRIVALS, found.low, found.high, note)
    return Findings((figure,), tuple(Clue("arrivals", name, auc, "") for name, auc in found.top))


def _metadata(request: Request) -> Findings:
    world = request.folder / "clean"
    settings = read_world(_CLEAN_WORLD)
    simulate(settings, request.seed, world, _METADATA_SCALE)
    figures, clues = [], []
    for found in check_metadata(world, clean_campaigns(settings), request.seed):
        note = f"{found.accounts} accounts against {found.compared_with}; {found.auc:.2f} with their conduct"
        words = f"AUC against {found.compared_with}"
        figures.append(
            Figure("metadata", words, found.left_over, ALLOWED_METADATA, found.low, found.high, note)
        )
        clues += [
            Clue(f"metadata, {found.compared_with}", f.name, f.auc, f.reason) for f in found.features[:_TOLD]
        ]
    return Findings(tuple(figures), tuple(clues))


def clean_campaigns(world: World) -> tuple[str, ...]:
    """Names of a world's campaigns with clean infrastructure."""
    return tuple(a.name for a in world.campaigns if a.values.get("infrastructure") == "clean")


def _null(request: Request) -> Findings:
    return Findings((_silence(request, "null", _null_world(request), f"world {_NULL_WORLD}"),))


def _permuted(request: Request) -> Findings:
    """Everyday life under every permutation, and a world with campaigns whose contents are dealt anew."""
    campaigns = request.folder / "campaigns"
    simulate(_CLEAN_WORLD, request.seed, campaigns, request.scale)
    sources = [(kind, _NULL_WORLD, _null_world(request)) for kind in KINDS]
    sources.append(("contents", _CLEAN_WORLD, campaigns / "dataset"))
    figures = []
    for number, (kind, world, dataset) in enumerate(sources):
        request.report(f"permuted {kind}", number, len(sources))
        copy = request.folder / f"{world}-{kind}"
        write_permuted(dataset, copy, kind, request.seed)
        figures.append(_silence(request, "permuted", copy, f"world {world}, {kind} permuted"))
    return Findings(tuple(figures))


def _null_world(request: Request) -> Path:
    out = request.folder / _NULL_WORLD
    if not (out / "labels.parquet").exists():
        simulate(_NULL_WORLD, request.seed, out, request.scale)
    return out / "dataset"


def _silence(request: Request, check: str, dataset: Path, note: str) -> Figure:
    """Campaigns that our scan reports where there are none."""
    settings = load_settings(None, {"key_file": request.folder / "identifier.key"})
    found = scan(ScanRequest((str(dataset),)), request.folder / "results" / note, settings)
    tested = found.summary["counts"]["groups_tested"]
    return Figure(check, "campaigns reported", len(found.rungs), 0, note=f"{note}; {tested} groups tested")


def _bytes(request: Request) -> Findings:
    found = check_bytes(_CLEAN_WORLD, request.seed, request.scale, request.folder / "bytes")
    note = "; ".join(found.different) or f"{len(found.files)} files, world {_CLEAN_WORLD}"
    return Findings((Figure("bytes", "files that differ", len(found.different), 0, note=note),))


CHECKS: dict[str, Callable[[Request], Findings]] = {
    "arrivals": _arrivals,
    "metadata": _metadata,
    "null": _null,
    "permuted": _permuted,
    "bytes": _bytes,
}
"""The checks by name."""
EVERY = "all"


def check(name: str, request: Request) -> Findings:
    """Run one check by name, or all of them.

    Raises:
        UsageError: for an unknown name or scale.
    """
    if name not in (*CHECKS, EVERY):
        raise UsageError(f"there is no check {name!r}", f"Use one of {', '.join((*CHECKS, EVERY))}.")
    if request.scale not in SCALES:
        raise UsageError(
            f"scale = {request.scale!r} is not allowed", f"Set scale to one of {', '.join(SCALES)}."
        )
    if request.seed < 0:
        raise UsageError(f"seed = {request.seed} is not allowed", "Set seed to a whole number from 0.")
    wanted = list(CHECKS) if name == EVERY else [name]
    found = []
    for number, each in enumerate(wanted):
        request.report(each, number, len(wanted))
        found.append(CHECKS[each](request))
    figures = tuple(figure for each in found for figure in each.figures)
    return Findings(figures, tuple(clue for each in found for clue in each.clues))
