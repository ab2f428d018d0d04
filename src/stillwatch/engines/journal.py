"""What a run has finished, written down after every step, so that a killed run can be gone on with.

The manifest stands in the working folder beside the steps' tables. It is replaced as a whole, so that it never
tells of a step whose table is not there; a step whose files are not of the size that it had is made again, and so
is every step behind it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class FinishedStep:
    """A step whose table is whole.

    Attributes:
        name: of the table.
        rows: that it has.
        seconds: that it took.
        files: path in the working folder -> bytes; empty where the engine keeps tables elsewhere.
    """

    name: str
    rows: int
    seconds: float
    files: dict[str, int]


class Journal:
    """The finished steps of one run, in order.

    Args:
        folder: the working folder; must exist.
        identity: what must be the same for a run to be gone on with; plain JSON.
        finished: steps of the run that is gone on with.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, Any], finished: tuple[FinishedStep, ...] = ()
    ) -> None:
        self._folder = folder
        self.identity = dict(identity)
        self._finished = list(finished)
        self._place = 0

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The journal that a run left in its working folder; None where there is none that can be read."""
        try:
            found = json.loads((folder / MANIFEST).read_text("utf-8"))
            steps = tuple(FinishedStep(**step) for step in found["steps"])
            return cls(folder, dict(found["identity"]), steps)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def finished(self) -> tuple[FinishedStep, ...]:
        """Steps whose tables are whole."""
        return tuple(self._finished)

    def write(self) -> None:
        """Write the manifest down; it is whole under its name at any moment, also after a loss of power."""
        held = {"identity": self.identity, "steps": [asdict(step) for step in self._finished]}
        partial = self._folder / f"{MANIFEST}.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(held, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._folder / MANIFEST)

    def next(self, name: str) -> FinishedStep | None:
        """The next step, if it was finished and its files are as it left them; else the rest is forgotten."""
        if self._place < len(self._finished):
            step = self._finished[self._place]
            if step.name == name and self._files(name) == step.files:
                self._place += 1
                return step
            self.forget()
        return None

    def back(self) -> None:
        """The step that `next` told of is not whole after all."""
        self._place -= 1
        self.forget()

    def forget(self) -> None:
        """The steps from here on are made again."""
        del self._finished[self._place :]

    def add(self, name: str, rows: int, seconds: float) -> None:
        """Write down that a step's table is whole."""
        self.forget()
        self._finished.append(FinishedStep(name, rows, seconds, self._files(name)))
        self._place += 1
        self.write()

    def _files(self, name: str) -> dict[str, int]:
        """What stands in the working folder of a table: one file, or a folder of files."""
        single, folder = self._folder / f"{name}.parquet", self._folder / name
        found = [single] if single.is_file() else []
        found += sorted(file for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else []
        return {file.relative_to(self._folder).as_posix(): file.stat().st_size for file in found}
