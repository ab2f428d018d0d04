"""What every row passes before anything else sees it: validation, duplicates, hashing of identifiers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.duplicates import DuplicateDetector
from stillwatch.exchange.privacy import IdentifierHasher, without_text
from stillwatch.exchange.quarantine import Quarantine
from stillwatch.exchange.raw import RawBatch
from stillwatch.exchange.reasons import DUPLICATE, Unfit, preview
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.validation import RepairCounts, Validated, validate


@dataclass
class Tally:
    """Counts over all rows of one table.

    Attributes:
        rows_read: rows that came in; the sum of the next two.
        rows_fit: rows that went out.
        rows_unfit: rows that are in quarantine.
        repairs: (column, repair) -> fit rows that needed it.
        hashed: identifiers (values, not distinct ones) that came unhashed.
        nulls: column -> fit rows without a value.
        bytes: string column -> UTF-8 bytes of the fit rows' values.
        first_ts: earliest `ts` of a fit row, microseconds since 1970; None without rows.
        last_ts: latest.
    """

    rows_read: int = 0
    rows_fit: int = 0
    rows_unfit: int = 0
    repairs: RepairCounts = field(default_factory=Counter)
    hashed: int = 0
    nulls: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    first_ts: int | None = None
    last_ts: int | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Count fit rows."""
        self.rows_fit += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self.nulls[name] += column.null_count
            if pa.types.is_string(column.type):
                self.bytes[name] += pc.sum(pc.binary_length(column)).as_py() or 0
        if "ts" in batch.schema.names and batch.num_rows:
            ends = pc.min_max(batch.column("ts").cast(pa.int64()))
            first, last = ends["min"].as_py(), ends["max"].as_py()
            self.first_ts = first if self.first_ts is None else min(first, self.first_ts)
            self.last_ts = last if self.last_ts is None else max(last, self.last_ts)


@dataclass(frozen=True)
class Taken:
    """Fit rows of one piece of a raw batch.

    Attributes:
        batch: the rows, ready to be stored.
        changed: whether they differ from what came in (rows left out, values repaired or hashed).
    """

    batch: pa.RecordBatch
    changed: bool


class Intake:
    """Takes raw batches of one table and gives back fit rows; counts everything on the way.

    Args:
        schema: the table.
        rules: the settings of validation.
        quarantine: gets the unfit rows.
        hasher: hashes the identifiers; None leaves them (only where nothing is stored).
        duplicates: finds rows whose key was seen before; None where the table has no key.
        hash_only: whether texts are dropped here (an import that keeps no text at all).
    """

    def __init__(
        self,
        schema: TableSchema,
        rules: ValidationRules,
        quarantine: Quarantine,
        hasher: IdentifierHasher | None,
        duplicates: DuplicateDetector | None,
        *,
        hash_only: bool = False,
    ) -> None:
        self._schema = schema
        self._rules = rules
        self._quarantine = quarantine
        self._hasher = hasher
        self._duplicates = duplicates
        self._hash_only = hash_only
        self.tally = Tally()

    def take(self, raw: RawBatch) -> Iterator[Taken]:
        """Fit rows of a raw batch, in pieces of bounded size.

        Raises:
            OutputError: the quarantine or the temporary file of ids cannot be written.
        """
        for piece in raw.bounded():
            taken = self._take(piece)
            self.tally.add(taken.batch)
            yield taken

    def refuse(self, unfit: Unfit) -> None:
        """Count and quarantine a row that a source could not even turn into values."""
        self._quarantine.add([unfit])
        self.tally.rows_read += 1
        self.tally.rows_unfit += 1

    def _take(self, raw: RawBatch) -> Taken:
        validated = validate(raw, self._schema, self._rules)
        unfit, batch = list(validated.unfit), validated.batch
        if self._duplicates is not None and self._schema.key is not None and batch.num_rows:
            later = self._duplicates.later(batch.column(self._schema.key))
            if later.any():
                unfit += self._repeated(validated, raw.file, later)
                batch = batch.filter(pa.array(~later))
        self._quarantine.add(unfit)
        self.tally.rows_read += len(raw)
        self.tally.rows_unfit += len(unfit)
        self.tally.repairs.update(validated.repairs)
        batch, changed = self._private(batch)
        return Taken(batch, bool(unfit or validated.repairs or changed))

    def _repeated(self, validated: Validated, file: str, later: np.ndarray) -> list[Unfit]:
        assert self._schema.key is not None
        column = self._schema[self._schema.key]
        ids = validated.batch.column(column.name)
        return [
            Unfit(
                file,
                int(validated.rows[row]),
                column.name,
                DUPLICATE.words,
                DUPLICATE.remedy,
                preview(ids[row].as_py(), column),
            )
            for row in np.flatnonzero(later).tolist()
        ]

    def _private(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, bool]:
        changed = False
        if self._hasher is not None:
            hashed = self._hasher.hash_batch(batch, self._schema)
            for before, after in zip(batch.columns, hashed.columns, strict=True):
                if after is not before and not after.equals(before):
                    self.tally.hashed += pc.sum(pc.not_equal(before, after)).as_py() or 0
                    changed = True
            batch = hashed if changed else batch
        if self._hash_only:
            batch, changed = without_text(batch, self._schema), True
        return batch, changed
