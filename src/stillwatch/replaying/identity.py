"""Which replay a state belongs to: a state is only taken up by the same replay of the same data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stillwatch import __version__
from stillwatch.exchange.errors import UsageError
from stillwatch.settings import ScanSettings

_WHATEVER = ("memory_limit", "threads")
"""Settings that change no result."""


@dataclass(frozen=True)
class Identity:
    """What must be the same.

    Attributes:
        version: of Stillwatch.
        dataset: fingerprint of the input.
        settings: every setting that a result depends on, and the length of a slice.
    """

    version: str
    dataset: str
    settings: dict[str, Any]

    @classmethod
    def of(cls, dataset: str, every: str, settings: ScanSettings) -> Self:
        """The identity of a replay."""
        shown = {name: value for name, value in settings.shown().items() if name not in _WHATEVER}
        return cls(__version__, dataset, {**shown, "every": every})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"version": self.version, "dataset": self.dataset, "settings": self.settings}


def check_identity(file: Path, wanted: Identity) -> None:
    """Raise UsageError where a folder belongs to another replay; the message says what differs."""
    remedy = "choose another folder with --out, or replace what stands here with --restart"
    try:
        found = json.loads(file.read_text("utf-8"))
        held = Identity(found["version"], found["dataset"], dict(found["settings"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"this is no record of a replay ({error})", remedy, file=file) from error
    if held.version != wanted.version:
        raise UsageError(f"this replay was begun by version {held.version}", remedy, file=file)
    if held.dataset != wanted.dataset:
        raise UsageError("this replay was begun with other data", remedy, file=file)
    names = sorted(held.settings.keys() | wanted.settings.keys())
    for name in names:
        before, now = held.settings.get(name), wanted.settings.get(name)
        if before != now:
            raise UsageError(
                f"this replay was begun with {name} = {before!r}, which is now {now!r}", remedy, file=file
            )
