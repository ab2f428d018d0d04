"""One typed definition of a table, from which Arrow schemas, validation and the documentation come."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: as it stands in Parquet.
        type: Arrow type.
        nullable: whether a row without it is fit.
        meaning: one line for the documentation.
        minimum: smallest value that is fit (numbers only); None for no bound.
        identifier: True where the value names a person or an instrument and is stored only as a keyed hash.
        text: True where the value is free text that `--hash-only` drops.
    """

    name: str
    type: pa.DataType
    nullable: bool
    meaning: str
    minimum: float | None = None
    identifier: bool = False
    text: bool = False


@dataclass(frozen=True)
class TableSchema:
    """A named table: its columns in order, and the column that names a row (None where rows have no name)."""

    name: str
    columns: tuple[Column, ...]
    key: str | None = None

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    @property
    def required(self) -> list[str]:
        """Names of the columns that may not be null."""
        return [column.name for column in self.columns if not column.nullable]

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, nullability included."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    def empty(self) -> pa.Table:
        """The table without rows."""
        return self.arrow.empty_table()

    def markdown(self) -> str:
        """The documentation table of this schema (`docs/data.md` holds it; a test keeps the two the same)."""
        lines = ["| column | type | null? | meaning |", "|---|---|---|---|"]
        lines += [
            f"| {c.name} | {c.type} | {'yes' if c.nullable else 'no'} | {c.meaning} |" for c in self.columns
        ]
        return "\n".join(lines)
