"""What every row passes before anything else sees it: validation, duplicates, hashing of identifiers.

`Intake.examine` looks at rows by themselves, so that threads may do it at once; `Intake.settle` sees them in
the order of files and rows, because the first row of a key counts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.duplicates import DuplicateDetector, Spelled
from stillwatch.exchange.privacy import IdentifierHasher, unhashed, without_text
from stillwatch.exchange.quarantine import Quarantine
from stillwatch.exchange.raw import RawBatch
from stillwatch.exchange.reasons import DUPLICATE, Unfit, preview
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.validation import RepairCounts, validate


@dataclass
class Tally:
    """Counts over all rows of one table.

    Attributes:
        rows_read: rows that came in; the sum of the next two.
        rows_fit: rows that went out.
        rows_unfit: rows that are in quarantine.
        repairs: (column, repair) -> fit rows that needed it.
        hashed: identifiers (values, not distinct ones) that came unhashed, and were hashed.
        unhashed: identifiers of fit rows that came unhashed, and were left so because nobody reads them.
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
    unhashed: int = 0
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
            self._extend(first, last)

    def merge(self, other: "Tally") -> None:
        """Add the counts of other rows of the same table."""
        self.rows_read += other.rows_read
        self.rows_fit += other.rows_fit
        self.rows_unfit += other.rows_unfit
        self.hashed += other.hashed
        self.unhashed += other.unhashed
        self.repairs.update(other.repairs)
        self.nulls.update(other.nulls)
        self.bytes.update(other.bytes)
        if other.first_ts is not None and other.last_ts is not None:
            self._extend(other.first_ts, other.last_ts)

    def _extend(self, first: int, last: int) -> None:
        self.first_ts = first if self.first_ts is None else min(first, self.first_ts)
        self.last_ts = last if self.last_ts is None else max(last, self.last_ts)


@dataclass(frozen=True)
class Examined:
    """A piece of a raw batch, looked at by itself.

    Attributes:
        file: its file, as it is shown.
        rows: row number in the file of each fit row.
        unfit: the other rows.
        counts: of the piece, as if no key occurred twice.
        keys: of the fit rows, ready to be looked up; None where the table has no key.
        batch: the fit rows in the schema's types, identifiers not yet hashed; None where they were let go.
        stored: the same, ready to be stored.
        changed: whether `stored` differs from what came in (rows left out, values repaired or hashed).
    """

    file: str
    rows: Sequence[int] | npt.NDArray[np.int64]
    unfit: list[Unfit]
    counts: Tally
    keys: Spelled | None
    batch: pa.RecordBatch | None
    stored: pa.RecordBatch | None
    changed: bool

    def without_rows(self) -> "Examined":
        """Only what is needed to settle it where no key occurs twice."""
        return replace(self, batch=None, stored=None)

    @property
    def nbytes(self) -> int:
        """About the memory that it holds."""
        rows = 0 if self.stored is None else self.stored.nbytes
        return rows + (0 if self.keys is None else self.keys.nbytes) + 500 * len(self.unfit) + 5_000


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
        hasher: hashes the identifiers; None leaves and counts them (only where nothing is stored).
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
            examined = self.settle(self.examine(piece))
            assert examined.stored is not None
            yield Taken(examined.stored, examined.changed)

    def refuse(self, unfit: Unfit) -> None:
        """Count and quarantine a row that a source could not even turn into values."""
        self._quarantine.add([unfit])
        self.tally.rows_read += 1
        self.tally.rows_unfit += 1

    def examine(self, raw: RawBatch) -> Examined:
        """Validate a bounded batch and hash its identifiers; changes nothing here, so threads may do it at once."""
        validated = validate(raw, self._schema, self._rules)
        counts = Tally(len(raw), rows_unfit=len(validated.unfit), repairs=validated.repairs)
        stored, changed = self._private(validated.batch, counts)
        keys = None
        if self._duplicates is not None and self._schema.key is not None:
            keys = self._duplicates.spell(validated.batch.column(self._schema.key))
        return Examined(
            raw.file,
            validated.rows,
            validated.unfit,
            counts,
            keys,
            validated.batch,
            stored,
            bool(validated.unfit or validated.repairs or changed),
        )

    def settle(self, examined: Examined, again: Callable[[], Examined] | None = None) -> Examined:
        """Leave out rows whose key was seen before; count the rest and quarantine what is unfit.

        Args:
            examined: the next piece, in the order of files and rows.
            again: examines it again, where its rows were let go.

        Raises:
            OutputError: the quarantine or the temporary file of ids cannot be written.
        """
        if self._duplicates is not None and examined.keys is not None and len(examined.rows):
            later = self._duplicates.later(examined.keys)
            if later.any():
                if examined.batch is None:
                    assert again is not None
                    examined = again()
                examined = self._without_repeated(examined, later)
        self._quarantine.add(examined.unfit)
        self.tally.merge(examined.counts)
        return examined

    def _without_repeated(self, examined: Examined, later: npt.NDArray[np.bool_]) -> Examined:
        assert self._schema.key is not None and examined.batch is not None
        column = self._schema[self._schema.key]
        ids = examined.batch.column(column.name)
        repeated = [
            Unfit(
                examined.file,
                int(examined.rows[row]),
                column.name,
                DUPLICATE.words,
                DUPLICATE.remedy,
                preview(ids[row].as_py(), column),
            )
            for row in np.flatnonzero(later).tolist()
        ]
        unfit = [*examined.unfit, *repeated]
        before = examined.counts
        counts = Tally(before.rows_read, rows_unfit=len(unfit), repairs=before.repairs)
        batch = examined.batch.filter(pa.array(~later))
        stored, _ = self._private(batch, counts)
        return replace(examined, unfit=unfit, counts=counts, batch=batch, stored=stored, changed=True)

    def _private(self, batch: pa.RecordBatch, counts: Tally) -> tuple[pa.RecordBatch, bool]:
        """The batch as it is to be stored, counted, and whether that differs from what it was."""
        changed = False
        if self._hasher is None:
            counts.unhashed += unhashed(batch, self._schema)
        else:
            hashed = self._hasher.hash_batch(batch, self._schema)
            for before, after in zip(batch.columns, hashed.columns, strict=True):
                if after is not before and not after.equals(before):
                    counts.hashed += pc.sum(pc.not_equal(before, after)).as_py() or 0
                    changed = True
            batch = hashed if changed else batch
        if self._hash_only:
            batch, changed = without_text(batch, self._schema), True
        counts.add(batch)
        return batch, changed
