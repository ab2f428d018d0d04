"""Which ids have been seen before, exactly, in bounded memory.

Memory holds 8 bytes in a table of which at most 70% are used: 11 to 23 bytes an id, so 0.54 GB at 28.8 million.
The ids themselves, and where each begins, stand in two unnamed temporary files, which are only read where two
hashes agree: then the ids are compared byte by byte, so a collision never costs an innocent row. Hash tables
with open addressing: Knuth, The Art of Computer Programming 3, section 6.4.
"""

import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.exchange.output import written
from stillwatch.exchange.texts import buffers
from stillwatch.prefetching import prefetch

_PARTITION_BITS = 4  # tables grow one after the other, so that growth needs little memory on top
_FIRST_CAPACITY = 1 << 10
_FULL = 0.7
_MOST_IDS = (1 << 32) - 2  # a slot has 32 bits for the number of an id

Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@numba.njit(cache=True, nogil=True)
def _spell(offsets: Any, data: Any, seed: Any, out: Any) -> None:
    """Copy each id and close it by a NUL; hash it by FNV-1a from a secret start, with the finaliser of MurmurHash3
    (fmix64).

    Args:
        offsets, data: the ids.
        seed: the secret.
        out: (begins, closed, hashes) of `Spelled`; written.
    """
    begins, closed, hashes = out
    place = np.uint64(0)
    for row in range(len(hashes)):
        begins[row] = place
        value = seed
        for byte in data[offsets[row] : offsets[row + 1]]:
            value = (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)
            closed[place] = byte
            place += np.uint64(1)
        closed[place] = 0
        place += np.uint64(1)
        # The closing NUL is part of what is hashed.
        value *= np.uint64(0x100000001B3)
        value ^= value >> np.uint64(33)
        value *= np.uint64(0xFF51AFD7ED558CCD)
        value ^= value >> np.uint64(33)
        value *= np.uint64(0xC4CEB9FE1A85EC53)
        hashes[row] = value ^ (value >> np.uint64(33))
    begins[len(hashes)] = place


# A slot is 0 where it is free; else its low half is 1 + the number of the id, its high half the low half of
# the id's hash, which also says where the search for a slot begins.
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_AHEAD = 16  # rows of which the slots are asked for


@numba.njit(cache=True, nogil=True)
def _insert_new(slots: Any, rows: Any, hashes: Any, numbers: Any, alike: Any) -> Any:
    """Put in the ids of `rows` whose half of a hash is not there yet; `alike` marks those where it is."""
    mask = np.uint64(len(slots) - 1)
    added = 0
    for place in range(len(rows)):
        row = rows[place]
        # The table is far larger than the caches: a slot is asked for before its turn comes.
        prefetch(slots, hashes[rows[min(place + _AHEAD, len(rows) - 1)]] & _LOW & mask)
        half = hashes[row] & _LOW
        slot = half & mask
        while slots[slot] != 0 and slots[slot] >> _HALF != half:
            slot = (slot + _ONE) & mask
        if slots[slot] != 0:
            alike[row] = True
        else:
            slots[slot] = (half << _HALF) | (numbers[row] + _ONE)
            added += 1
    return added


@numba.njit(cache=True, nogil=True)
def _insert_compared(slots: Any, rows: Any, hashes: Any, numbers: Any, stored: Any, later: Any) -> Any:
    """Put in the ids of `rows` that are not there, byte for byte; `later` marks those that are."""
    begins, ids = stored
    mask = np.uint64(len(slots) - 1)
    added = 0
    for row in rows:
        half = hashes[row] & _LOW
        slot = half & mask
        mine = begins[numbers[row]]
        found = False
        while slots[slot] != 0:
            if slots[slot] >> _HALF == half:
                other = begins[(slots[slot] & _LOW) - _ONE]
                length = 0
                while ids[mine + length] == ids[other + length] and ids[mine + length] != 0:
                    length += 1
                if ids[mine + length] == ids[other + length]:
                    found = True
                    break
            slot = (slot + _ONE) & mask
        if found:
            later[row] = True
        else:
            slots[slot] = (half << _HALF) | (numbers[row] + _ONE)
            added += 1
    return added


@numba.njit(cache=True, nogil=True)
def _grown(slots: Any, capacity: Any) -> Any:
    result = np.zeros(capacity, np.uint64)
    mask = np.uint64(capacity - 1)
    for entry in slots:
        if entry != 0:
            slot = (entry >> _HALF) & mask
            while result[slot] != 0:
                slot = (slot + _ONE) & mask
            result[slot] = entry
    return result


@dataclass
class _Table:
    """Hashes and numbers of ids, with linear probing."""

    slots: Hashes
    count: int = 0

    def reserve(self, more: int) -> None:
        capacity = len(self.slots)
        while self.count + more > _FULL * capacity:
            capacity *= 2
        if capacity > len(self.slots):
            self.slots = _grown(self.slots, capacity)


@dataclass(frozen=True)
class Spelled:
    """Ids of some rows, made ready to be looked up.

    Attributes:
        offsets: where each begins in `data`, and the end; shape (rows + 1,).
        data: their bytes, each closed by a NUL.
        hashes: of each.
    """

    offsets: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]
    hashes: Hashes

    @property
    def nbytes(self) -> int:
        """Memory that it holds."""
        return self.offsets.nbytes + self.data.nbytes + self.hashes.nbytes


class DuplicateDetector:
    """Tells the first occurrence of each id from the later ones, over any number of batches.

    Args:
        folder: where the temporary files are made (they have no name, so a killed run leaves none); the
            system's place for temporary files if None.
        hash_bits: how many bits of the hash are used; fewer only in tests that force collisions.
    """

    def __init__(self, folder: Path | None = None, hash_bits: int = 64) -> None:
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._seed = np.uint64(secrets.randbits(64))  # nobody can prepare ids that collide
        self._kept_bits = np.uint64(2**hash_bits - 1)
        self._tables = [_Table(np.zeros(_FIRST_CAPACITY, np.uint64)) for _ in range(1 << _PARTITION_BITS)]
        with written(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._ids: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - see close()
            self._begins: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        self._size = 0
        self._count = 0

    @property
    def nbytes(self) -> int:
        """Memory that the tables hold."""
        return sum(table.slots.nbytes for table in self._tables)

    def spell(self, ids: pa.Array) -> Spelled:
        """Make ids ready; changes nothing, so that threads may do it at once.

        Args:
            ids: string array without nulls and without NUL bytes.
        """
        offsets, data = buffers(ids.cast(pa.large_string()), large=True)
        n = len(ids)
        closed = np.empty(int(offsets[-1] - offsets[0]) + n, np.uint8)
        begins, hashes = np.empty(n + 1, np.int64), np.empty(n, np.uint64)
        _spell(offsets, data, self._seed, (begins, closed, hashes))
        return Spelled(begins, closed, hashes & self._kept_bits)

    def later(self, ids: pa.Array | Spelled) -> Mask:
        """Which rows hold an id that was seen before, in this batch or an earlier one.

        Args:
            ids: as for `spell`, or what it made of them.

        Raises:
            OutputError: the temporary files cannot be written.
        """
        spelled = ids if isinstance(ids, Spelled) else self.spell(ids)
        hashes = spelled.hashes
        if self._count + len(hashes) > _MOST_IDS:
            raise OverflowError(f"more than {_MOST_IDS} ids in one table")
        numbers = np.arange(self._count, self._count + len(hashes), dtype=np.uint64)
        with written(self._folder):
            self._ids.write(spelled.data.data)
            self._begins.write((spelled.offsets[:-1] + self._size).data)
        self._size += len(spelled.data)
        self._count += len(hashes)
        result = np.zeros(len(hashes), np.bool_)
        alike = np.zeros(len(hashes), np.bool_)
        parts = self._parts(hashes)
        for table, rows in parts:
            table.reserve(len(rows))
            table.count += int(_insert_new(table.slots, rows, hashes, numbers, alike))
        if alike.any():
            self._compare([(table, rows[alike[rows]]) for table, rows in parts], hashes, numbers, result)
        return result

    def _parts(self, hashes: Hashes) -> list[tuple[_Table, npt.NDArray[np.int64]]]:
        """Each table with the rows that belong to it, in order."""
        partitions = (hashes >> np.uint64(64 - _PARTITION_BITS)).astype(np.uint8)
        order = np.argsort(partitions, kind="stable")
        borders = np.searchsorted(partitions[order], np.arange(len(self._tables) + 1))
        spans = zip(self._tables, borders[:-1], borders[1:], strict=True)
        return [(table, order[start:stop]) for table, start, stop in spans if stop > start]

    def _compare(
        self,
        parts: list[tuple[_Table, npt.NDArray[np.int64]]],
        hashes: Hashes,
        numbers: npt.NDArray[np.uint64],
        later: Mask,
    ) -> None:
        with written(self._folder):
            self._ids.flush()
            self._begins.flush()
        ids = np.memmap(self._ids, np.uint8, "r")
        begins = np.memmap(self._begins, np.int64, "r")
        for table, rows in parts:
            if len(rows):
                table.count += int(_insert_compared(table.slots, rows, hashes, numbers, (begins, ids), later))

    def close(self) -> None:
        """Let go of the temporary files."""
        for file in (self._ids, self._begins):
            with suppress(OSError):  # what a full disk does not take any more is not needed any more
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
