"""Parquet files in our own schema: exchanges, and the tables of accounts and releases beside them."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange import reasons
from stillwatch.exchange.dataset import Broken, TableFile
from stillwatch.exchange.duplicates import DuplicateDetector
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.intake import Intake, Tally
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.quarantine import Quarantine
from stillwatch.exchange.raw import RawBatch
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, LABELS, RELEASES
from stillwatch.exchange.writer import write_table
from stillwatch.sources.report import FileReport
from stillwatch.sources.sink import Sink

NAME = "canonical-parquet"
MAGIC = b"PAR1"
NOT_FOR_SCANS = "labels of a laboratory world, which no scan reads"


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet files do."""
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def read_parquet(path: Path, report: FileReport, sink: Sink, side: "SideTables") -> None:
    """Read one Parquet file, whichever of our tables it holds.

    Raises:
        UnreadableInputError: it is whole, but holds none of our tables.
    """
    report.formats[NAME] += 1
    try:
        with pq.ParquetFile(path) as file:
            found = TableFile(path, report.file, file.metadata.num_rows, file.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        _refuse(Broken(report.file, 1, None, str(error).partition("\n")[0]), report, sink)
        return
    table = _table_of(found)
    report.records += found.rows
    report.parts += found.rows
    if table is LABELS:
        report.skipped[NOT_FOR_SCANS] += found.rows
    elif table is EXCHANGES:
        for raw in found.batches(EXCHANGES, lambda broken: _refuse(broken, report, sink)):
            report.exchanges += len(raw)
            sink.take(raw, report)
    else:
        side.read(found, table, lambda broken: _refuse(broken, report, sink))
        report.skipped[f"rows of the table {table.name}"] += found.rows


def _table_of(file: TableFile) -> TableSchema:
    names = set(file.schema.names)
    for table in (EXCHANGES, LABELS, RELEASES, ACCOUNTS):
        if names.issuperset(table.required):
            return table
    missing = sorted(set(EXCHANGES.required) - names)
    raise UnreadableInputError(
        f"the columns of no known table; of exchanges these are missing: {', '.join(missing)}; there are: "
        f"{', '.join(file.schema.names[:20])}",
        "name the columns as docs/data.md says",
        file=file.path,
    )


def _refuse(broken: Broken, report: FileReport, sink: Sink) -> None:
    """A broken file or row group is one entry, however many rows it had."""
    rows = broken.rows or 0
    report.parts += 1 - rows if rows else 1
    report.records += 0 if rows else 1
    what = reasons.BROKEN
    sink.refuse(broken.first_row, what.words, what.remedy, report, broken.what)


class SideTables:
    """The tables beside the exchanges; small, so each is held in memory until it is whole."""

    def __init__(
        self, out: Path, rules: ValidationRules, quarantine: Quarantine, hasher: IdentifierHasher
    ) -> None:
        self._out = out
        self._rules = rules
        self._quarantine = quarantine
        self._hasher = hasher
        self._batches: dict[str, list[RawBatch]] = {}
        self._tables = {table.name: table for table in (ACCOUNTS, RELEASES)}

    def read(self, file: TableFile, table: TableSchema, report: object) -> None:
        """Keep the rows of a file."""
        self._batches.setdefault(table.name, []).extend(file.batches(table, report))  # type: ignore[arg-type]

    def finish(self) -> dict[str, Tally]:
        """Write the tables; the first row of a key counts."""
        return {name: self._write(self._tables[name], batches) for name, batches in self._batches.items()}

    def _write(self, table: TableSchema, batches: Sequence[RawBatch]) -> Tally:
        with DuplicateDetector(self._out) as duplicates:
            intake = Intake(table, self._rules, self._quarantine, self._hasher, duplicates)
            fit = [taken.batch for raw in batches for taken in intake.take(raw)]
        write_table(self._out / f"{table.name}.parquet", pa.Table.from_batches(fit, table.arrow))
        return intake.tally
