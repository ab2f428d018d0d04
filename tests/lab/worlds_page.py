"""Fills the generated parts of docs/worlds.md: `python -m tests.lab.worlds_page` writes it anew."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from stillwatch.lab import conducts, populations
from stillwatch.lab.conducts import _prices
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.worldfile import _CAMPAIGN, _COMMON, _WORLD, known, read_world, shipped_worlds

PAGE = Path(__file__).parents[2] / "docs" / "worlds.md"
_PART = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_IN_COLUMNS = ("kind", "name", "family", "dose")


def parts() -> dict[str, str]:
    """Name of each generated part -> its text."""
    of_conducts = _settings(known(conducts))
    of_populations = {p: kinds for p, kinds in _settings(known(populations)).items() if p not in of_conducts}
    everywhere = _settings(known(conducts) | known(populations))
    return {
        "worlds": _markdown(("world", "days", "strata", "campaigns", "what it holds"), _worlds()),
        "campaigns": "\n\n".join(_world(name) for name in shipped_worlds()),
        "population settings": _parameters(of_populations),
        "conduct settings": _parameters({p: everywhere[p] for p in of_conducts}),
        "common settings": _parameters(
            {p: ["[world]"] for p in _WORLD}
            | {p: ["[[population]]", "[[campaign]]"] for p in _COMMON}
            | {p: ["[[campaign]]"] for p in _CAMPAIGN}
        ),
        "prices": _markdown(("what", "euros"), _price_list()),
    }


def filled(page: str) -> str:
    """The page with its generated parts made anew; every part must have its place."""
    generated = parts()
    places = [match[2] for match in _PART.finditer(page)]
    if sorted(places) != sorted(generated):
        raise ValueError(f"docs/worlds.md has places for {sorted(places)}, but there are {sorted(generated)}")
    return _PART.sub(lambda match: f"{match[1]}{generated[match[2]]}\n{match[3]}", page)


def _markdown(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("|" + "|".join(_cell(value) for value in line) + "|" for line in lines)


def _cell(value: object) -> str:
    text = str(value)
    return text if text == "---" else f" {text.replace('|', chr(92) + '|')} "


def _worlds() -> Iterator[tuple[object, ...]]:
    for name in shipped_worlds():
        world = read_world(name)
        yield f"`{name}`", world.days, len(world.populations), len(world.campaigns), _header(_text(name))


def _text(name: str) -> str:
    return (files("stillwatch.lab") / "worlds" / f"{name}.toml").read_text("utf-8")


def _header(text: str) -> str:
    """The comment at the top of a world's file, in one line."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _world(name: str) -> str:
    """A world's own strata and campaigns; settings that all campaigns have in common stand before the table."""
    data = tomllib.loads(_text(name))
    base = data.get("extends")
    said = [f"### `{name}`", f"All strata of `{base}`." if base else ""]
    if strata := data.get("population", []):
        rows = [(f"`{_name(e)}`", f"`{e['kind']}`", _given(e)) for e in strata]
        said.append(_markdown(("stratum", "population", "set"), rows))
    if campaigns := data.get("campaign", []):
        same = {
            key: value
            for key, value in campaigns[0].items()
            if key not in _IN_COLUMNS and all(e.get(key) == value for e in campaigns) and len(campaigns) > 1
        }
        said.append(f"All campaigns: {_given(same)}." if same else "")
        waged = [
            (
                f"`{_name(e)}`",
                f"`{e['kind']}`",
                e.get("family", e["kind"]),
                f"{e.get('dose', 0):g}",
                _given({key: value for key, value in e.items() if key not in same}),
            )
            for e in campaigns
        ]
        said.append(_markdown(("campaign", "conduct", "family", "dose", "set"), waged))
    return "\n\n".join(part for part in said if part)


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name", entry["kind"]))


def _given(entry: Mapping[str, Any]) -> str:
    """The settings in words, in the file's order."""
    return ", ".join(f"{key} {value}" for key, value in entry.items() if key not in _IN_COLUMNS)


def _settings(modules: Mapping[str, ModuleType]) -> dict[Parameter, list[str]]:
    """Each setting -> the kinds that have exactly this one."""
    found: dict[Parameter, list[str]] = defaultdict(list)
    for kind, module in modules.items():
        for parameter in module.PARAMETERS:
            found[parameter].append(kind)
    return found


def _parameters(owners: Mapping[Parameter, list[str]]) -> str:
    rows = [
        (f"`{p.name}`", ", ".join(f"`{o}`" for o in who), _default(p), _allowed(p), p.meaning)
        for p, who in owners.items()
    ]
    return _markdown(("setting", "of", "default", "allowed", "meaning"), rows)


def _default(parameter: Parameter) -> str:
    return str(parameter.default) if parameter.default != "" else "none"


def _allowed(parameter: Parameter) -> str:
    if parameter.population:
        return "a population of the world"
    return parameter.allowed.replace("one of , ", "none, ")


def _price_list() -> Iterator[tuple[str, float]]:
    for name, value in vars(_prices).items():
        if name.isupper():
            yield name.lower().replace("_", " "), value


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
