"""The baselines, found by themselves: every module of this package is one, but the few that serve them all.

A baseline is one file with

- `NAME: str`, its name on the command line, equal to its file name;
- `TITLE: str`, a few words for tables;
- `SOURCE: str`, the paper, rule or tool that it was made after, with an address;
- `PARAMETERS: tuple[Parameter, ...]`, its settings, whose defaults are those of the source;
- `run(dataset: Path, settings: Mapping[str, Value]) -> Found`, which reads a dataset folder and no labels.

Modules whose name begins with an underscore are helpers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from stillwatch.exchange.errors import UsageError
from stillwatch.lab import baselines
from stillwatch.lab.baselines.tables import Found
from stillwatch.lab.parameters import Parameter, Value, read_parameters

SUPPORT = frozenset({"execute", "reading", "registry", "tables"})

Run = Callable[[Path, Mapping[str, Value]], Found]


@dataclass(frozen=True)
class Baseline:
    """One detector that we compare ourselves with.

    Attributes:
        name: on the command line.
        title: a few words.
        source: where it comes from.
        parameters: its settings.
        run: finds campaigns in a dataset folder.
    """

    name: str
    title: str
    source: str
    parameters: tuple[Parameter, ...]
    run: Run

    def to_dict(self) -> dict[str, object]:
        """Name, title, source and settings, for JSON."""
        settings = [
            {"name": p.name, "default": p.default, "allowed": p.allowed, "meaning": p.meaning}
            for p in self.parameters
        ]
        return {"name": self.name, "title": self.title, "source": self.source, "settings": settings}


def names() -> list[str]:
    """Names of all baselines; nothing is imported."""
    found = sorted(module.name for module in iter_modules(baselines.__path__))
    return [name for name in found if name not in SUPPORT and not name.startswith("_")]


def known() -> dict[str, Baseline]:
    """All baselines by name.

    Raises AttributeError for a module of this package that is neither a baseline nor named as a helper.
    """
    return {name: _baseline(name) for name in names()}


def named(name: str) -> Baseline:
    """The baseline of that name; only its module is imported. Raises UsageError for an unknown one."""
    if name not in names():
        raise UsageError(f"there is no baseline {name!r}", f"Known baselines: {', '.join(names())}.")
    return _baseline(name)


def read_settings(baseline: Baseline, given: Mapping[str, object]) -> dict[str, Value]:
    """All settings of a baseline: the given ones and the defaults of the others.

    Args:
        baseline: whose settings.
        given: values by key; texts, as a command line has them, are read as numbers where numbers are asked.

    Raises UsageError for an unknown key or a value that is not allowed.
    """
    numeric = {p.name for p in baseline.parameters if not isinstance(p.default, str)}
    values = {key: _number(value) if key in numeric else value for key, value in given.items()}
    return read_parameters(values, baseline.parameters, f"baseline {baseline.name}", "--set")


def _baseline(name: str) -> Baseline:
    module = import_module(f"{baselines.__name__}.{name}")
    return Baseline(module.NAME, module.TITLE, module.SOURCE, module.PARAMETERS, module.run)


def _number(value: object) -> object:
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
