"""Dataset folders are written here, so that only whole files ever carry a name that is read."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import OutputError
from stillwatch.exchange.output import partial_of, written
from stillwatch.exchange.schema import TableSchema

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 128 << 20
INCOMPLETE = "_incomplete"
"""Stands in a folder of part files while it is being written, and stays there after a killed run."""


class DatasetWriter:
    """Writes fit record batches as `folder/<table>/part-00000.parquet` and so on.

    A part is written as `.partial` and renamed when it is whole. After a killed run the folder holds whole
    parts, one `.partial` file and the mark `_incomplete`; a new writer replaces them. A finished table is
    only replaced if asked.

    Args:
        folder: the dataset folder; made if missing.
        schema: the table; its name is the name of the folder of parts.
        rows_per_file: a part is closed after that many rows.
        replace: whether the parts of a finished table may be replaced.

    Raises:
        OutputError: the folder cannot be written, or holds a finished table.
    """

    def __init__(
        self, folder: Path, schema: TableSchema, rows_per_file: int = 1_000_000, replace: bool = False
    ) -> None:
        self._parts = folder / schema.name
        self._schema = schema.arrow
        self._rows_per_file = rows_per_file
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._part_rows = 0
        self.files: list[Path] = []
        self.rows = 0
        with written(self._parts):
            self._start(folder / f"{schema.name}.parquet", replace)

    def _start(self, single: Path, replace: bool) -> None:
        self._parts.mkdir(parents=True, exist_ok=True)
        old = sorted(self._parts.glob("part-*.parquet"))
        if (old or single.exists()) and not replace and not (self._parts / INCOMPLETE).exists():
            raise OutputError(
                "there is a finished table here already",
                "choose another folder with --out, or allow it to be replaced with --overwrite",
                file=old[0] if old else single,
            )
        (self._parts / INCOMPLETE).touch()
        for file in (*old, *self._parts.glob("part-*.partial")):
            file.unlink()
        if replace:
            single.unlink(missing_ok=True)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add fit rows (with exactly the schema's columns).

        Raises:
            OutputError: they cannot be written.
        """
        start = 0
        while start < batch.num_rows:
            room = min(self._rows_per_file - self._part_rows, ROW_GROUP_ROWS) - self._waiting_rows
            piece = batch.slice(start, max(room, 1))
            start += piece.num_rows
            self._waiting.append(piece)
            self._waiting_rows += piece.num_rows
            self._waiting_bytes += piece.nbytes
            if self._waiting_rows + self._part_rows >= self._rows_per_file:
                self._finish_part()
            elif self._waiting_rows >= ROW_GROUP_ROWS or self._waiting_bytes >= ROW_GROUP_BYTES:
                self._write_row_group()

    def _path(self) -> Path:
        return self._parts / f"part-{len(self.files):05d}.parquet"

    def _write_row_group(self) -> None:
        if not self._waiting:
            return
        path = self._path()
        with written(path):
            if self._writer is None:
                self._writer = pq.ParquetWriter(
                    partial_of(path), self._schema, compression="zstd", write_page_checksum=True
                )
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._part_rows += self._waiting_rows
        self.rows += self._waiting_rows
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0

    def _finish_part(self) -> None:
        self._write_row_group()
        if self._writer is None:
            return
        path = self._path()
        with written(path):
            self._writer.close()
            partial_of(path).replace(path)
        self._writer = None
        self._part_rows = 0
        self.files.append(path)

    def close(self) -> None:
        """Finish the last part; a table without rows becomes one empty part, so that it can be read."""
        self._finish_part()
        if not self.files:
            path = self._path()
            write_table(path, self._schema.empty_table())
            self.files.append(path)
        with written(self._parts):
            (self._parts / INCOMPLETE).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif self._writer is not None:
            self._abandon()

    def _abandon(self) -> None:
        """Let go of the partial file; that fails on a full disk too, which the first error has told."""
        assert self._writer is not None
        try:
            self._writer.close()
        except OSError:
            return
        finally:
            self._writer = None


def write_table(path: Path, table: pa.Table) -> None:
    """Write one small table as `path`, under another name until it is whole.

    Raises:
        OutputError: it cannot be written.
    """
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, partial_of(path), compression="zstd", row_group_size=ROW_GROUP_ROWS)
        partial_of(path).replace(path)
