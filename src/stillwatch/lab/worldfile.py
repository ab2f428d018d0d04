"""A world as data: reading its TOML, with errors that name the key and the allowed range."""

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab import conducts, populations
from stillwatch.lab.parameters import Parameter, Value, read_parameters

_WORLD = (
    Parameter("start", "2026-03-02T00:00:00Z", meaning="first moment, ISO 8601 with zone"),
    Parameter("days", 14, 2, 120, meaning="length in days"),
    Parameter("full", 192.0, 1.0, 2000.0, meaning="factor on the sizes at scale 28.8m"),
    Parameter("logged", 600, 0, 100_000, meaning="characters of an answer that the log keeps"),
    Parameter(
        "release_day", 9.4, 0.5, 119.5, meaning="days after the start on which the newest model is released"
    ),
)
# Every population and conduct understands these.
_COMMON = (
    Parameter("name", "", meaning="stratum (population) or campaign and scenario (conduct); unique"),
    Parameter("groups", 1, 1, 1000, meaning="independent copies, each with its own texts and people"),
)


_CAMPAIGN = (
    Parameter("family", "", meaning="which evasion the campaign shows; the conduct's name if empty"),
    Parameter("dose", 0.0, 0.0, 1e9, meaning="how much of it, in the family's own unit"),
)


@dataclass(frozen=True)
class Actor:
    """One population or campaign of a world.

    Attributes:
        name: unique name; the stratum in the labels.
        module: module of lab/populations or lab/conducts.
        values: all its parameters.
        is_campaign: whether it is one.
    """

    name: str
    module: ModuleType
    values: dict[str, Value]
    is_campaign: bool


@dataclass(frozen=True)
class World:
    """A world's settings.

    Attributes:
        name: file name without ending.
        start: microseconds since 1970.
        days: length.
        release_day: days after the start on which the newest model is released.
        full: factor on the sizes at scale 28.8m.
        logged: characters of an answer that the log keeps.
        populations: benign life, in order.
        campaigns: campaigns, in order.
    """

    name: str
    start: int
    days: int
    release_day: float
    full: float
    logged: int
    populations: tuple[Actor, ...]
    campaigns: tuple[Actor, ...]


def known(package: ModuleType) -> dict[str, ModuleType]:
    """The modules of lab/populations or lab/conducts by name: a new file is found by itself."""
    names = sorted(
        module.name for module in iter_modules(package.__path__) if not module.name.startswith("_")
    )
    return {name: import_module(f"{package.__name__}.{name}") for name in names}


def shipped_worlds() -> list[str]:
    """Names of the worlds that are shipped."""
    folder = files("stillwatch.lab") / "worlds"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def read_world(world: str | Path) -> World:
    """Reads a shipped world by name, or a TOML file by path.

    Raises UsageError for settings that are not allowed, UnreadableInputError for a file that is no TOML.
    """
    file, data = _parsed(world)
    return make_world(_extended(data, file), Path(file).stem, file)


def _parsed(world: str | Path) -> tuple[str, dict[str, object]]:
    file, text = _text_of(world)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableInputError(
            f"not valid TOML: {error}", "Correct the line that is named.", file=file
        ) from error
    for key in data:
        if key not in ("extends", "world", "population", "campaign"):
            raise UsageError(
                f"unknown table {key}", "Use extends, [world], [[population]] and [[campaign]].", file=file
            )
    return file, data


def _extended(data: dict[str, object], file: str) -> dict[str, object]:
    """The settings with the populations of the shipped world that they extend; one of the same name replaces it."""
    base = data.pop("extends", None)
    if base is None:
        return data
    if base not in shipped_worlds():
        raise UsageError(
            f"extends = {base!r} is not allowed",
            f"Set extends to one of {', '.join(shipped_worlds())}.",
            file=file,
        )
    base_file, below = _parsed(str(base))
    below = _extended(below, base_file)
    own = _entries(data.get("population", []), "population", file)
    before = _entries(below.get("population", []), "population", base_file)
    return {
        "world": {
            **_table(below.get("world", {}), "[world]", base_file),
            **_table(data.get("world", {}), "[world]", file),
        },
        "population": _replaced(before, own),
        "campaign": data.get("campaign", []),
    }


def _replaced(before: list[object], own: list[object]) -> list[object]:
    """Own populations stand in the place of those of their name (their guests come later), or at the end."""
    names = [_name(entry) for entry in before]
    by_name = {_name(entry): entry for entry in own}
    kept = [by_name.get(name, entry) for name, entry in zip(names, before, strict=True)]
    return [*kept, *(entry for entry in own if _name(entry) not in names)]


def _name(entry: object) -> object:
    return (entry.get("name") or entry.get("kind")) if isinstance(entry, dict) else None


def make_world(data: Mapping[str, object], name: str, file: str) -> World:
    """A world from parsed settings. Raises UsageError for settings that are not allowed."""
    own = read_parameters(_table(data.get("world", {}), "[world]", file), _WORLD, "[world]", file)
    start, days, release = _instant(str(own["start"]), file), int(own["days"]), float(own["release_day"])
    if release >= days:
        raise UsageError(
            f"[world]: release_day = {release:g} is not allowed",
            f"Set release_day to a number below days ({days}).",
            file=file,
        )
    benign = _actors(data.get("population", []), known(populations), "population", file)
    campaigns = _actors(data.get("campaign", []), known(conducts), "campaign", file)
    _check_names([*benign, *campaigns], file)
    _check_hosts(benign, campaigns, file)
    full, logged = float(own["full"]), int(own["logged"])
    return World(name, start, days, release, full, logged, tuple(benign), tuple(campaigns))


def _text_of(world: str | Path) -> tuple[str, str]:
    if str(world) in shipped_worlds():
        entry = files("stillwatch.lab") / "worlds" / f"{world}.toml"
        return f"{world}.toml", entry.read_text(encoding="utf-8")
    path = Path(world)
    try:
        return str(path), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"Give a TOML file or one of the shipped worlds: {', '.join(shipped_worlds())}."
        raise UnreadableInputError(f"cannot read the world: {error}", remedy, file=path) from error


def _table(value: object, where: str, file: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} is not a table", f"Write {where} with keys below it.", file=file)
    return value


def _instant(text: str, file: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.datetime(1970, 1, 1)  # no zone: refused below
    if moment.tzinfo is None:
        raise UsageError(
            f"[world]: start = {text!r} is not allowed",
            "Set start to an instant such as 2026-03-02T00:00:00Z.",
            file=file,
        )
    return int(moment.timestamp()) * 1_000_000


def _entries(value: object, table: str, file: str) -> list[object]:
    if not isinstance(value, list):
        raise UsageError(f"{table} is not a list of tables", f"Write [[{table}]].", file=file)
    return value


def _actors(entries: object, modules: dict[str, ModuleType], table: str, file: str) -> list[Actor]:
    found = []
    for number, entry in enumerate(_entries(entries, table, file), 1):
        where = f"[[{table}]] number {number}"
        given = dict(_table(entry, where, file))
        kind = given.pop("kind", None)
        if kind not in modules:
            raise UsageError(
                f"{where}: kind = {kind!r} is not allowed", f"Known kinds: {', '.join(modules)}.", file=file
            )
        module = modules[str(kind)]
        common = (*_COMMON, *_CAMPAIGN) if table == "campaign" else _COMMON
        values = read_parameters(given, (*common, *module.PARAMETERS), f"{where} ({kind})", file)
        found.append(Actor(str(values["name"] or kind), module, values, table == "campaign"))
    return found


def _check_names(actors: list[Actor], file: str) -> None:
    names = [actor.name for actor in actors]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two tables have the name {name}", "Give each a name of its own.", file=file)


def _check_hosts(benign: list[Actor], campaigns: list[Actor], file: str) -> None:
    """Only populations that stand before can be hosts: they are planned one after the other."""
    for place, actor in enumerate([*benign, *campaigns]):
        before = [other.name for other in benign[:place]]
        for parameter in actor.module.PARAMETERS:
            value = actor.values[parameter.name]
            if parameter.population and value not in before and (value or parameter.default):
                raise UsageError(
                    f"{actor.name}: {parameter.name} = {value!r} is not allowed",
                    f"Set {parameter.name} to a population that stands before it: {', '.join(before) or 'none does'}.",
                    file=file,
                )
