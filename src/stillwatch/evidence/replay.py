"""How to get a verdict again: version, what was read, settings, commands."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stillwatch.evidence.figures import Figure, key_of
from stillwatch.evidence.numbers import Kind
from stillwatch.evidence.summary import Summary
from stillwatch.evidence.visible import visible


@dataclass(frozen=True)
class Setting:
    """A setting, or a fact on the input, under its dotted name."""

    name: str
    value: Figure

    @property
    def shown_name(self) -> str:
        """The name, safe to look at."""
        return visible(self.name)


@dataclass(frozen=True)
class Replay:
    """What it takes to run the scan again.

    Attributes:
        version: of Stillwatch.
        command: as it was typed, if the scan kept it.
        inputs: the rest of `generated_from`.
        settings: as they held.
    """

    version: Figure
    command: Figure | None
    inputs: tuple[Setting, ...]
    settings: tuple[Setting, ...]


def replay_of(summary: Summary) -> Replay:
    """Read from a summary what it takes to run the scan again."""
    inputs = {name: value for name, value in summary.generated_from.items() if name != "command"}
    command = summary.generated_from.get("command")
    source = "summary.generated_from.command"
    words = shlex.join(map(str, command)) if isinstance(command, list) else command
    return Replay(
        version=Figure(summary.version, Kind.TEXT, "summary.version"),
        command=Figure(words, Kind.TEXT, source) if words else None,
        inputs=tuple(_flat("generated_from", inputs)),
        settings=tuple(_flat("settings", summary.settings)),
    )


def _flat(root: str, values: Mapping[str, Any], before: str = "") -> Iterator[Setting]:
    for name, value in values.items():
        dotted = f"{before}{name}"
        if isinstance(value, dict) and value:
            yield from _flat(root, value, dotted + ".")
        else:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield Setting(dotted, Figure(shown, Kind.TEXT, f"summary.{root}.{key_of(dotted)}"))
