"""The files of exchanges, examined by threads, settled in order.

What came through unchanged is let go at once; only of a file that has to be written again rows are kept, and where
that turns out late, its first rows are read once more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial

import pyarrow as pa

from stillwatch.exchange.dataset import Broken, RowGroup, TableFile
from stillwatch.exchange.intake import Examined, Intake
from stillwatch.exchange.raw import RawBatch
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.ordered import in_order

MOST_WAITING = 128 << 20
"""Bytes of examined rows that may wait to be settled."""

Write = Callable[[pa.RecordBatch], None]


class Checking:
    """One pass over files of exchanges.

    Args:
        intake: examines and settles.
        report: told of parts that cannot be read.
        progress: told of exchanges done.
        write: takes the fit rows of files that have to be written again; None where nothing is written.
    """

    def __init__(
        self,
        intake: Intake,
        report: Callable[[Broken], None],
        progress: Callable[[int], None],
        write: Write | None = None,
    ) -> None:
        self._intake = intake
        self._report = report
        self._progress = progress
        self._write = write
        self._changed: set[str] = set()  # names of files to be written again; threads add to it too

    def check(
        self, files: Sequence[TableFile], must_change: Callable[[TableFile], bool], threads: int
    ) -> Iterator[tuple[TableFile, bool]]:
        """Each file, when all of it is settled, and whether it was left as it is.

        Args:
            files: in the order in which the first row of a key counts.
            must_change: whether a file has to be written again, whatever its rows hold.
            threads: how many examine rows.
        """
        self._changed = {file.name for file in files if must_change(file)}
        done = 0
        sources = (source for file in files for source in self._sources(file))
        with closing(in_order(sources, threads, _bytes, MOST_WAITING)) as found:
            for file in files:
                one = _OneFile(file, self._intake, self._changed, self._write)
                while (item := next(found)) is not None:
                    if isinstance(item, Broken):
                        self._report(item)
                        one.change()
                    else:
                        one.take(item)
                        done += item.counts.rows_read
                        self._progress(done)
                yield file, file.name not in self._changed

    def _sources(self, file: TableFile) -> Iterator[Callable[[], Iterator[Examined | Broken | None]]]:
        for group in file.groups():
            yield partial(self._examined, file, group)
        yield lambda: iter([None])  # the file ends

    def _examined(self, file: TableFile, group: RowGroup) -> Iterator[Examined | Broken]:
        broken: list[Broken] = []
        for raw in file.group_batches(group, EXCHANGES, broken.append):
            for piece in raw.bounded():
                examined = self._intake.examine(piece)
                if examined.changed:
                    self._changed.add(file.name)
                yield examined if file.name in self._changed else examined.without_rows()
        yield from broken


class _OneFile:
    """Settles the pieces of a file and, once anything of it has changed, writes all of it."""

    def __init__(self, file: TableFile, intake: Intake, changed: set[str], write: Write | None) -> None:
        self._file = file
        self._intake = intake
        self._changed = changed
        self._write = write
        self._passed = 0
        self._is_written = file.name in changed
        self._again: Iterator[RawBatch] | None = None
        self._read_again = 0

    def take(self, examined: Examined) -> None:
        """The next piece."""
        settled = self._intake.settle(examined, self._this_again)
        if settled.changed:
            self.change()
        if self._is_written and self._write is not None:
            if settled.stored is None:
                settled = self._this_again()
            assert settled.stored is not None
            self._write(settled.stored)
        self._passed += 1

    def change(self) -> None:
        """Write what has passed; it was found to need no change, and was let go."""
        if self._is_written:
            return
        self._is_written = True
        self._changed.add(self._file.name)
        if self._write is not None:
            for number in range(self._passed):
                stored = self._examined_again(number).stored
                assert stored is not None
                self._write(stored)

    def _this_again(self) -> Examined:
        self.change()  # before this piece is read again: what came before it is read first
        return self._examined_again(self._passed)

    def _examined_again(self, number: int) -> Examined:
        """A piece by its number; numbers only rise."""
        if self._again is None:
            raws = self._file.batches(EXCHANGES, lambda broken: None)
            self._again = (piece for raw in raws for piece in raw.bounded())
        for raw in self._again:
            self._read_again += 1
            if self._read_again > number:
                return self._intake.examine(raw)
        raise OSError(f"{self._file.path} has changed while it was read")


def _bytes(item: Examined | Broken | None) -> int:
    return item.nbytes if isinstance(item, Examined) else 100
