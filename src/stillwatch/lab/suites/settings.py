"""A suite as data: reading its TOML, with errors that name the key and the allowed range."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab.parameters import Parameter, read_parameters
from stillwatch.lab.plan.scales import SCALES
from stillwatch.lab.suites.variants import VARIANTS
from stillwatch.lab.worldfile import read_world

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MOST_SEEDS = 1_000
_SUITE_KEYS = ("detectors", "null_seeds", "only", "scale", "seeds", "timeout_minutes", "variants")
_WORLD_KEYS = ("name", "null_seeds", "only", "scale", "seeds", "variants")
_TIMEOUT = Parameter("timeout_minutes", 30, 1, 24 * 60)


@dataclass(frozen=True)
class Cell:
    """One world that is simulated once and given to every detector.

    Attributes:
        world: name of a shipped world, or path of a TOML file.
        seed: its seed.
        null: without its campaigns.
        scale: its size.
    """

    world: str
    seed: int
    null: bool
    scale: str

    @property
    def world_name(self) -> str:
        """The world's name: of a file, its name without ending."""
        return Path(self.world).name.removesuffix(".toml")

    @property
    def name(self) -> str:
        """`first-7`, or `first-7-null` without campaigns: the folder that holds its results."""
        return f"{self.world_name}-{self.seed}{'-null' if self.null else ''}"


@dataclass(frozen=True)
class Tolerance:
    """What may become worse against an earlier file before it is called a regression.

    Attributes:
        lost_campaigns: true campaigns found before and missed now, of one world and detector over its seeds.
        benign_accounts: further benign accounts reported, of one world and detector over its seeds.
        false_campaigns: further false campaigns, of one world and detector over its seeds.
        accounts_recall: fall of the share of true members that are found.
        exchanges_recall: fall of the share of the campaigns' exchanges that are flagged.
    """

    lost_campaigns: int = 0
    benign_accounts: int = 0
    false_campaigns: int = 0
    accounts_recall: float = 0.02
    exchanges_recall: float = 0.02


@dataclass(frozen=True)
class Suite:
    """A suite's settings.

    Attributes:
        name: file name without ending.
        cells: what is simulated, in the order of the file.
        detectors: names to run, in order; None for all.
        own: further detectors: name -> command with {dataset} and {out}, or folder of finished results.
        timeout_s: a detector that takes longer has failed.
        tolerance: for the comparison with an earlier file.
        only: name of a cell -> the detectors that it is given, where not all of them.
        variants: name of a cell -> the variants of Stillwatch that it is given besides.
    """

    name: str
    cells: tuple[Cell, ...]
    detectors: tuple[str, ...] | None
    own: Mapping[str, str]
    timeout_s: float
    tolerance: Tolerance
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def shipped_suites() -> list[str]:
    """Names of the suites that are shipped."""
    entries = files("stillwatch.lab") / "suites"
    return sorted(e.name.removesuffix(".toml") for e in entries.iterdir() if e.name.endswith(".toml"))


def read_suite(suite: str | Path, seeds: tuple[int, ...] = ()) -> Suite:
    """Reads a shipped suite by name, or a TOML file by path.

    Args:
        suite: name or path; worlds that are files are looked up beside it.
        seeds: replace the seeds of every world; the worlds without campaigns stay as they are.

    Raises UsageError for settings that are not allowed, UnreadableInputError for a file that is no TOML.
    """
    file, text, folder = _text_of(suite)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        remedy = "Correct the line that is named."
        raise UnreadableInputError(f"not valid TOML: {error}", remedy, file=file) from error
    _known_keys(data, ("suite", "world", "detector", "tolerance"), "the file", file)
    own = _table(data, "suite", file)
    _known_keys(own, _SUITE_KEYS, "[suite]", file)
    common = {"only": None, "variants": [], **own, **({"seeds": list(seeds)} if seeds else {})}
    cells = _cells(data.get("world"), common, folder, file, seeds)
    return Suite(
        Path(file).name.removesuffix(".toml"),
        tuple(cell for cell, _ in cells),
        _names(own["detectors"], file) if "detectors" in own else None,
        _own(_table(data, "detector", file), file),
        60.0 * float(_TIMEOUT.check(own.get("timeout_minutes", 30), "[suite]", file)),
        _tolerance(_table(data, "tolerance", file), file),
        {cell.name: given.only for cell, given in cells if given.only is not None},
        {cell.name: given.variants for cell, given in cells if given.variants},
    )


def check_name(name: object, what: str, file: str) -> str:
    """A name that may stand in a path. Raises UsageError for another."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        remedy = "Use letters, digits, point, hyphen and underscore, and begin with a letter or digit."
        raise UsageError(f"{what} = {name!r} is not allowed", remedy, file=file)
    return name


def _text_of(suite: str | Path) -> tuple[str, str, Path]:
    if str(suite) in shipped_suites():
        entry = files("stillwatch.lab") / "suites" / f"{suite}.toml"
        return f"{suite}.toml", entry.read_text(encoding="utf-8"), Path()
    path = Path(suite)
    try:
        return str(path), path.read_text(encoding="utf-8"), path.parent
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"Give a TOML file or one of the shipped suites: {', '.join(shipped_suites())}."
        raise UnreadableInputError(f"cannot read the suite: {error}", remedy, file=path) from error


@dataclass(frozen=True)
class _Given:
    """What a world is run with."""

    only: tuple[str, ...] | None
    variants: tuple[str, ...]


def _cells(
    worlds: object, common: Mapping[str, object], folder: Path, file: str, seeds: tuple[int, ...]
) -> list[tuple[Cell, _Given]]:
    if not isinstance(worlds, list) or not worlds:
        raise UsageError("no [[world]] is given", "Write [[world]] with name = ... below it.", file=file)
    cells: list[tuple[Cell, _Given]] = []
    for number, entry in enumerate(worlds, 1):
        where = f"[[world]] number {number}"
        if not isinstance(entry, dict):
            raise UsageError(f"{where} is not a table", "Write [[world]] with keys below it.", file=file)
        _known_keys(entry, _WORLD_KEYS, where, file)
        given = {"scale": "small", "seeds": [], "null_seeds": []} | dict(common) | dict(entry)
        if seeds:
            given["seeds"] = list(seeds)
        world = _world(given.get("name"), folder, where, file)
        scale = Parameter("scale", "small", choices=SCALES).check(given["scale"], where, file)
        run_with = _given(given, where, file)
        for key, null in (("seeds", False), ("null_seeds", True)):
            made = [Cell(world, seed, null, str(scale)) for seed in _seeds(given[key], key, where, file)]
            # With seeds from outside a world that stands twice, for its seeds, is run once.
            there = [cell for cell, _ in cells] if seeds else []
            cells += [(cell, run_with) for cell in made if cell not in there]
    if not cells:
        raise UsageError("no seed is given", "Set seeds or null_seeds below [suite].", file=file)
    names = [cell.name for cell, _ in cells]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} stands twice", "Name each world and each seed once.", file=file)
    return cells


def _given(given: Mapping[str, object], where: str, file: str) -> _Given:
    variants = given["variants"]
    if not isinstance(variants, list) or not set(variants) <= set(VARIANTS):
        remedy = f"List some of {', '.join(VARIANTS)}."
        raise UsageError(f"{where}: variants = {variants!r} is not allowed", remedy, file=file)
    only = given["only"]
    if only is not None and not isinstance(only, list):
        remedy = "List the detectors that this world is given, or leave the key out for all."
        raise UsageError(f"{where}: only = {only!r} is not allowed", remedy, file=file)
    kept = None if only is None else tuple(check_name(name, f"{where}: only", file) for name in only)
    return _Given(kept, tuple(variants))


def _world(name: object, folder: Path, where: str, file: str) -> str:
    if not isinstance(name, str) or not name:
        raise UsageError(f"{where}: name = {name!r} is not allowed", "Name a world or a file.", file=file)
    world = str((folder / name).resolve()) if name.endswith(".toml") else name
    read_world(world)  # a world that cannot be read is said before an hour of work
    check_name(Path(world).name.removesuffix(".toml"), f"{where}: name", file)
    return world


def _seeds(value: object, key: str, where: str, file: str) -> list[int]:
    fit = isinstance(value, list) and len(value) <= _MOST_SEEDS
    if fit and all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in value):  # type: ignore[attr-defined]
        return list(value)  # type: ignore[call-overload, no-any-return]
    remedy = f"Set {key} to a list of at most {_MOST_SEEDS} whole numbers from 0, such as [1, 2]."
    raise UsageError(f"{where}: {key} = {value!r} is not allowed", remedy, file=file)


def _names(value: object, file: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        remedy = "List names of detectors, or leave the key out for all."
        raise UsageError(f"[suite]: detectors = {value!r} is not allowed", remedy, file=file)
    return tuple(check_name(name, "[suite]: detectors", file) for name in value)


def _own(table: Mapping[str, object], file: str) -> dict[str, str]:
    found = {}
    for name, value in table.items():
        check_name(name, "[detector]: name", file)
        if not isinstance(value, str) or not value.strip():
            remedy = "Give a command with {dataset} and {out}, or a folder of finished results."
            raise UsageError(f"[detector]: {name} = {value!r} is not allowed", remedy, file=file)
        found[name] = value
    return found


def _tolerance(table: Mapping[str, object], file: str) -> Tolerance:
    known = tuple(
        Parameter(f.name, f.default, 0, 1_000_000 if isinstance(f.default, int) else 1)  # type: ignore[arg-type]
        for f in fields(Tolerance)
    )
    return Tolerance(**read_parameters(table, known, "[tolerance]", file))  # type: ignore[arg-type]


def _table(data: Mapping[str, object], name: str, file: str) -> dict[str, object]:
    value = data.get(name, {})
    if not isinstance(value, dict):
        raise UsageError(f"{name} is not a table", f"Write [{name}] with keys below it.", file=file)
    return value


def _known_keys(given: Mapping[str, object], known: tuple[str, ...], where: str, file: str) -> None:
    for key in given:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key}", f"Known keys: {', '.join(known)}.", file=file)
