"""Planned requests wait on disk, cell by cell in the order of time, until they are rendered slice by slice."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stillwatch.lab.behaviour.clocks import MINUTE
from stillwatch.lab.plan.events import EVENT, Events

BIN = 10 * MINUTE


@dataclass(frozen=True)
class Slice:
    """A span of time that is rendered at once.

    Attributes:
        number: running number in the order of time.
        first: first bin.
        last: last bin, excluded.
        rows: requests in it.
    """

    number: int
    first: int
    last: int
    rows: int


class Spill:
    """Events on disk, one file a cell, with the place of each ten minutes in it.

    Args:
        folder: made if missing.
        start: first microsecond of the world.
        end: end of the world, excluded.
    """

    def __init__(self, folder: Path, start: int, end: int) -> None:
        self._folder = folder
        self._edges = np.arange(start, end + BIN, BIN)
        self._places: list[np.ndarray] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, events: Events) -> None:
        """Keep the events of a cell, which are in the order of time."""
        if len(events):
            events.tofile(self._file(len(self._places)))
            self._places.append(np.searchsorted(events["ts"], self._edges))

    @property
    def rows(self) -> int:
        """All events."""
        return sum(int(places[-1]) for places in self._places)

    def slices(self, rows: int) -> list[Slice]:
        """Spans of about `rows` events (more where ten minutes hold more)."""
        counts = np.sum([np.diff(p) for p in self._places], axis=0) if self._places else np.zeros(1, int)
        total = np.cumsum(counts)
        found: list[Slice] = []
        first, before = 0, 0
        while before < total[-1]:
            last = max(first + 1, int(np.searchsorted(total, before + rows, side="right")))
            size = int(total[last - 1]) - before
            if size:  # else ten empty minutes before some that hold more than a slice
                found.append(Slice(len(found), first, last, size))
            first, before = last, before + size
        return found

    def save(self) -> None:
        """Write the places down for another process."""
        np.save(self._folder / "places.npy", np.array(self._places, np.int64))
        (self._folder / "edges.json").write_text(json.dumps([int(self._edges[0]), int(self._edges[-1])]))

    @classmethod
    def load(cls, folder: Path) -> "Spill":
        """What another process saved."""
        start, last = json.loads((folder / "edges.json").read_text())
        spill = cls(folder, start, last)
        spill._edges = spill._edges[: (last - start) // BIN + 1]
        spill._places = list(np.load(folder / "places.npy"))
        return spill

    def read(self, part: Slice) -> Events:
        """The events of a slice, in the order of time and then of their random ids."""
        pieces = []
        for cell, places in enumerate(self._places):
            begin, end = int(places[part.first]), int(places[part.last])
            if end > begin:
                with self._file(cell).open("rb") as file:
                    file.seek(begin * EVENT.itemsize)
                    pieces.append(np.fromfile(file, EVENT, end - begin))
        events = np.concatenate(pieces)
        return events[np.lexsort((events["id"], events["ts"]))]

    def _file(self, cell: int) -> Path:
        return self._folder / f"cell-{cell:05d}.bin"
