"""Rows as they come from a source, before anything about them has been checked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MAX_BATCH_BYTES = 64 << 20
_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)

Values: TypeAlias = list[Any] | pa.Array
"""A raw column: Python objects (from JSON) or an Arrow array of any type (from Parquet)."""


@dataclass(frozen=True)
class RawBatch:
    """Some rows of one file, column by column, in whatever types the file had.

    Nothing is promised about the values: `validation.validate` turns them into the types of a schema or
    reports why it cannot. Columns that the file does not have are left out; columns that the schema does not
    know are ignored by validation.

    Attributes:
        values: column name -> values, each of the same length as `rows`.
        file: name of the file, as it is to be shown to the user.
        rows: 1-based number of each row (a line, for text files) in `file`; a range where rows follow on.
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

    def slice(self, start: int, stop: int) -> "RawBatch":
        """Rows `start` to `stop` (0-based, the end left out)."""
        return RawBatch(
            {name: column[start:stop] for name, column in self.values.items()},
            self.file,
            self.rows[start:stop],
        )

    def bounded(self, max_bytes: int = MAX_BATCH_BYTES) -> Iterator["RawBatch"]:
        """The batch in pieces whose strings hold at most `max_bytes` together (or a single row each)."""
        if sum(_string_bytes(column) for column in self.values.values()) <= max_bytes:
            yield self
            return
        sizes = sum((_row_bytes(column) for column in self.values.values()), np.zeros(len(self), np.int64))
        start, total = 0, 0
        for row, size in enumerate(sizes.tolist()):
            if row > start and total + size > max_bytes:
                yield self.slice(start, row)
                start, total = row, 0
            total += size
        yield self.slice(start, len(self))


def _string_bytes(column: Values) -> int:
    if isinstance(column, list):
        return sum(len(value) for value in column if isinstance(value, (str, bytes)))
    if pa.types.is_dictionary(column.type):
        return int(_row_bytes(column).sum())
    return int(column.nbytes)


def _row_bytes(column: Values) -> npt.NDArray[np.int64]:
    """Bytes (characters, for lists) of each row's string; 0 for other types."""
    if isinstance(column, list):
        sizes = (len(value) if isinstance(value, (str, bytes)) else 0 for value in column)
        return np.fromiter(sizes, np.int64, len(column))
    if pa.types.is_dictionary(column.type):
        # Counted before it is decoded: one long text that is named by every row would fill the memory.
        words = _row_bytes(column.dictionary)
        if not len(words):
            return np.zeros(len(column), np.int64)
        picked = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
        sizes_of_rows: npt.NDArray[np.int64] = words[picked]
        return sizes_of_rows
    if any(matches(column.type) for matches in _STRINGS):
        lengths = pc.fill_null(pc.binary_length(column), 0)
        return np.asarray(lengths, np.int64)
    return np.zeros(len(column), np.int64)
