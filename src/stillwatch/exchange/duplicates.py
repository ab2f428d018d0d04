"""Which ids have been seen before, exactly, in bounded memory.

Memory holds a 64-bit hash and a place for each id (23 to 46 bytes an id); the ids themselves stand in an
unnamed temporary file. Where two hashes agree, the ids are compared byte by byte, so a collision never costs
an innocent row. Hash tables with open addressing: Knuth, The Art of Computer Programming 3, section 6.4.
"""

import os
import secrets
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.output import written
from stillwatch.exchange.texts import buffers

_PARTITION_BITS = 4  # tables grow one after the other, so that growth needs little memory on top
_FIRST_CAPACITY = 1 << 10
_FULL = 0.7

_NOTHING = pa.scalar("", pa.large_string())
_END = pa.scalar("\0", pa.large_string())

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


@numba.njit(cache=True)
def _hash(offsets: Any, data: Any, seed: Any) -> Any:
    """FNV-1a from a secret start, with the finaliser of MurmurHash3 (fmix64)."""
    result = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(result)):
        value = seed
        for place in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
        value ^= value >> np.uint64(33)
        value *= np.uint64(0xFF51AFD7ED558CCD)
        value ^= value >> np.uint64(33)
        value *= np.uint64(0xC4CEB9FE1A85EC53)
        result[row] = value ^ (value >> np.uint64(33))
    return result


@numba.njit(cache=True)
def _insert_new(slots: Any, places: Any, hashes: Any, new_places: Any, seen: Any) -> Any:
    """Put in the hashes that are not there yet; `seen` marks those that are. A place of -1 is a free slot."""
    mask = np.uint64(len(slots) - 1)
    added = 0
    for row in range(len(hashes)):
        slot = hashes[row] & mask
        while places[slot] >= 0 and slots[slot] != hashes[row]:
            slot = (slot + np.uint64(1)) & mask
        if places[slot] >= 0:
            seen[row] = True
        else:
            slots[slot] = hashes[row]
            places[slot] = new_places[row]
            added += 1
    return added


@numba.njit(cache=True)
def _insert_all(slots: Any, places: Any, hashes: Any, new_places: Any) -> Any:
    mask = np.uint64(len(slots) - 1)
    for row in range(len(hashes)):
        slot = hashes[row] & mask
        while places[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = hashes[row]
        places[slot] = new_places[row]


class _Table:
    """Hash -> places, with linear probing."""

    def __init__(self, capacity: int = _FIRST_CAPACITY) -> None:
        self.slots: Hashes = np.zeros(capacity, np.uint64)
        self.places: Places = np.full(capacity, -1, np.int64)
        self.count = 0

    def reserve(self, more: int) -> None:
        capacity = len(self.slots)
        while self.count + more > _FULL * capacity:
            capacity *= 2
        if capacity > len(self.slots):
            used = self.places >= 0
            hashes, places = self.slots[used], self.places[used]
            self.slots = np.zeros(capacity, np.uint64)
            self.places = np.full(capacity, -1, np.int64)
            _insert_all(self.slots, self.places, hashes, places)

    def insert_new(self, hashes: Hashes, places: Places) -> npt.NDArray[np.bool_]:
        self.reserve(len(hashes))
        seen = np.zeros(len(hashes), np.bool_)
        self.count += int(_insert_new(self.slots, self.places, hashes, places, seen))
        return seen

    def insert(self, value: np.uint64, place: int) -> None:
        self.reserve(1)
        _insert_all(self.slots, self.places, np.array([value], np.uint64), np.array([place], np.int64))
        self.count += 1

    def places_of(self, value: np.uint64) -> list[int]:
        found = []
        slot = int(value) & (len(self.slots) - 1)
        while self.places[slot] >= 0:
            if self.slots[slot] == value:
                found.append(int(self.places[slot]))
            slot = (slot + 1) & (len(self.slots) - 1)
        return found


class DuplicateDetector:
    """Tells the first occurrence of each id from the later ones, over any number of batches.

    Args:
        folder: where the temporary file is made (it has no name, so a killed run leaves none); the system's
            place for temporary files if None.
        hash_bits: how many bits of the hash are used; fewer only in tests that force collisions.
    """

    def __init__(self, folder: Path | None = None, hash_bits: int = 64) -> None:
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._seed = np.uint64(secrets.randbits(64))  # nobody can prepare ids that collide
        self._kept_bits = np.uint64(2**hash_bits - 1)
        self._tables = [_Table() for _ in range(1 << _PARTITION_BITS)]
        with written(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by close()
        self._size = 0

    def later(self, ids: pa.Array) -> npt.NDArray[np.bool_]:
        """Which rows hold an id that was seen before, in this batch or an earlier one.

        Args:
            ids: string array without nulls and without NUL bytes.

        Raises:
            OutputError: the temporary file cannot be written.
        """
        closed = pc.binary_join_element_wise(ids.cast(pa.large_string()), _NOTHING, _END)
        offsets, data = buffers(closed, large=True)
        first, last = int(offsets[0]), int(offsets[-1])
        with written(self._folder):
            self._file.seek(self._size)
            self._file.write(data[first:last].tobytes())
            self._file.flush()
        hashes: Hashes = _hash(offsets, data, self._seed) & self._kept_bits
        places: Places = offsets[:-1] - first + self._size
        self._size += last - first
        return self._later(hashes, places, offsets, data)

    def _later(
        self, hashes: Hashes, places: Places, offsets: npt.NDArray[Any], data: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.bool_]:
        result = np.zeros(len(hashes), np.bool_)
        partitions = (hashes >> np.uint64(64 - _PARTITION_BITS)).astype(np.int64)
        order = np.argsort(partitions, kind="stable")
        borders = np.searchsorted(partitions[order], np.arange(len(self._tables) + 1))
        for table, start, stop in zip(self._tables, borders[:-1], borders[1:], strict=True):
            rows = order[start:stop]
            if not len(rows):
                continue
            for row in rows[table.insert_new(hashes[rows], places[rows])].tolist():
                if self._stands_in(
                    table.places_of(hashes[row]), bytes(data[offsets[row] : offsets[row + 1]])
                ):
                    result[row] = True
                else:
                    table.insert(hashes[row], int(places[row]))
        return result

    def _stands_in(self, places: list[int], closed_id: bytes) -> bool:
        descriptor = self._file.fileno()
        return any(os.pread(descriptor, len(closed_id), place) == closed_id for place in places)

    def close(self) -> None:
        """Let go of the temporary file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
