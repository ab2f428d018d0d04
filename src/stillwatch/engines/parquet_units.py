"""A table's Parquet files in units of some row groups, which threads read, work on and write side by side."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.ordered import in_order

BATCH_ROWS = 16_384
UNIT_ROWS = 262_144
_GROUP_ROWS = 131_072
_BUFFER_BYTES = 1 << 20
_SAMPLE_ROWS = 4096
_AHEAD = 4
"""Prepared batches that may wait to be taken, for each thread."""

Kernel = Callable[[pa.RecordBatch], Any]


@dataclass(frozen=True)
class Unit:
    """Neighbouring row groups of one file."""

    file: Path
    groups: tuple[int, ...]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Batches of at most `BATCH_ROWS` rows with exactly these columns; null where the file lacks one."""
        # One buffer a column: a row group may be larger than the memory.
        with pq.ParquetFile(self.file, pre_buffer=False, buffer_size=_BUFFER_BYTES) as opened:
            there = [name for name in columns if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(BATCH_ROWS, list(self.groups), there, use_threads=False):
                found = dict(zip(batch.schema.names, batch.columns, strict=True))
                nothing = pa.nulls(batch.num_rows)
                yield pa.RecordBatch.from_arrays(
                    [found.get(name, nothing) for name in columns], list(columns)
                )


def units(files: Sequence[Path], rows: int = UNIT_ROWS) -> list[Unit]:
    """The row groups of files, in order, gathered to about so many rows."""
    found: list[Unit] = []
    for file in files:
        with pq.ParquetFile(file) as opened:
            sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
        first, gathered = 0, 0
        for group, size in enumerate(sizes):
            gathered += size
            if gathered >= rows or group == len(sizes) - 1:
                found.append(Unit(file, tuple(range(first, group + 1))))
                first, gathered = group + 1, 0
    return found


def write_kernel(
    work: Sequence[Unit], columns: Sequence[str], schema: pa.Schema, kernel: Kernel, target: tuple[Path, int]
) -> list[Path]:
    """Put every batch through a kernel; one file for each unit, in the order of units.

    Args:
        work: what is read.
        columns: the columns that the kernel gets.
        schema: of what it returns.
        kernel: record batch -> record batch.
        target: folder for the files, and how many threads there are.
    """
    folder, threads = target

    def write(number: int) -> Iterator[Path]:
        file = folder / f"part-{number:05d}.parquet"
        made = pa.Table.from_batches([kernel(batch) for batch in work[number].batches(columns)], schema)
        coded = _repeating(made)
        pq.write_table(made, file, compression="lz4", row_group_size=_GROUP_ROWS, use_dictionary=coded)
        yield file

    return list(in_order((partial(write, number) for number in range(len(work))), threads, lambda file: 0, 0))


def _repeating(table: pa.Table) -> list[str] | bool:
    """Columns whose values come twice on average in the first rows: a dictionary of ids or hashes takes half of the
    time of writing, and is thrown away when it is full.
    """
    if not table.num_rows or any(pa.types.is_nested(kind) for kind in table.schema.types):
        return True
    batch = table.to_batches(max_chunksize=_SAMPLE_ROWS)[0]
    return [
        name
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if 2 * pc.count_distinct(column, mode="all").as_py() <= len(column)
    ]


def prepared(
    work: Sequence[Unit], columns: Sequence[str], prepare: Kernel, threads: int
) -> Generator[Any, None, None]:
    """What `prepare` makes of every batch, in order; a few of them at a time are in memory."""

    def made(unit: Unit) -> Iterator[Any]:
        for batch in unit.batches(columns):
            yield prepare(batch)

    return in_order((partial(made, unit) for unit in work), threads, lambda item: 1, _AHEAD * threads)
