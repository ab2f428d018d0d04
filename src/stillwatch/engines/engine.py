"""What every engine can do."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from stillwatch.engines.step import Step


class Engine(Protocol):
    """Holds named tables and runs steps over them."""

    dialect: str
    """SQL dialect, in sqlglot's names."""

    def attach(self, name: str, files: Sequence[Path]) -> None:
        """Name the table that stands in these Parquet files (one or more, of one schema)."""

    def put(self, name: str, table: pa.Table) -> None:
        """Name a table that is in memory."""

    def has(self, name: str) -> bool:
        """Whether a table of that name is known."""

    def run(self, step: Step) -> None:
        """Make the step's table from its inputs; a table that is there already is made anew."""

    def recall(self, name: str, rows: int) -> bool:
        """Name again a table that an earlier run in the same working folder made; what came before it is named.

        Whoever resumes a run (`engines/journal.py`) has seen that its files on this machine, if it has any, are
        of the size that they had. An engine whose tables stand elsewhere, such as Spark's, looks whether the
        table there is whole.

        Args:
            name: of the table.
            rows: that it had.

        Returns:
            Whether it is there, whole, with so many rows; False where the step has to run again.
        """

    def rows(self, name: str) -> int:
        """Number of rows of a table."""

    def columns(self, name: str) -> list[str]:
        """Column names of a table."""

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table in memory; for small ones."""

    def pick(self, name: str, columns: Sequence[str], wanted: Mapping[str, pa.Array]) -> pa.Table:
        """Some columns of the rows that have, in each column of `wanted`, one of the values wanted there; in no stated
        order; for few rows of a large table.

        Columns are looked at one by one: a row may have one row's time and another's name. Where a table's rows are
        about in the order of a column, wanted values of it spare reading most of the others.

        Args:
            name: of the table.
            columns: of the result.
            wanted: column of the table -> values, of its type, without nulls; a row that is null there is not picked.
        """

    def batches(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """A table in batches, in no stated order."""

    def export(self, name: str, file: Path) -> None:
        """Write a table to one Parquet file of this machine, beside its name first."""

    def close(self) -> None:
        """Let go of memory and temporary files; steps that were kept stay."""
