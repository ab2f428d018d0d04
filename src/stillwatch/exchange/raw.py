"""Rows as they come from a source, before anything about them has been checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

Values = list[Any] | pa.Array
"""A raw column: Python objects (from JSON) or an Arrow array of any type (from Parquet)."""


@dataclass(frozen=True)
class RawBatch:
    """Some rows of one file, column by column, in whatever types the file had.

    Nothing is promised about the values: `validation.validate` turns them into the types of a schema or reports
    why it cannot. Columns that the file does not have are left out; columns that the schema does not know are
    ignored by validation.

    Attributes:
        values: column name -> values, each of the same length as `rows`.
        file: name of the file, as it is to be shown to the user.
        rows: 1-based number of each row (a line, for text files) in `file`; a range where rows are consecutive.
    """

    values: Mapping[str, Values]
    file: str
    rows: Sequence[int]

    def __post_init__(self) -> None:
        for name, column in self.values.items():
            if len(column) != len(self.rows):
                raise ValueError(f"column {name} has {len(column)} values for {len(self.rows)} rows")

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def from_records(
        cls, records: Sequence[Mapping[str, Any]], columns: Iterable[str], file: str, rows: Sequence[int]
    ) -> "RawBatch":
        """Rows given as mappings (parsed JSON objects).

        Args:
            records: one mapping a row; a key that is missing means null.
            columns: names to take; a name that no record has is left out.
            file: see the class.
            rows: see the class; as long as `records`.
        """
        present = set().union(*records) if records else set()
        values = {name: [record.get(name) for record in records] for name in columns if name in present}
        return cls(values, file, rows)

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch, file: str, first_row: int) -> "RawBatch":
        """A batch of consecutive rows, the first of which has the number `first_row` (1-based).

        Where a name occurs twice in the file, its first column counts.
        """
        values: dict[str, Values] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            values.setdefault(name, column)
        return cls(values, file, range(first_row, first_row + batch.num_rows))
