"""A canonical dataset -> tables that every stage can rely on, and an account of what was wrong with it.

Threads read and examine row groups; what they find is settled in the order of files and rows, so that the
outcome does not depend on how many there are.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from stillwatch.exchange import reasons
from stillwatch.exchange.checking import Checking
from stillwatch.exchange.dataset import Broken, Dataset, TableFile
from stillwatch.exchange.duplicates import DuplicateDetector
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.exchange.intake import Intake, Tally
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.quality import Quality
from stillwatch.exchange.quarantine import Quarantine
from stillwatch.exchange.reasons import Unfit
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import TIMESTAMP, TableSchema
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, RELEASES
from stillwatch.exchange.writer import DatasetWriter

QUARANTINE_FILE = "quarantine.jsonl"
_IDENTIFIERS = tuple(column.name for column in EXCHANGES if column.identifier)


@dataclass(frozen=True)
class Prepared:
    """Input that is fit to be scanned.

    Attributes:
        files: Parquet files of fit exchanges: originals where nothing had to be changed, otherwise new ones.
        accounts: fit accounts, without rows where there is no such table.
        releases: fit releases, likewise.
        quality: what was wrong, and how much of it.
        hidden: columns of `files` that must not be read: they may hold identifiers as they came.
    """

    files: tuple[Path, ...]
    accounts: pa.Table
    releases: pa.Table
    quality: Quality
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrepareOptions:
    """How a dataset is prepared.

    Attributes:
        quarantine_file: where unfit rows are written; `quarantine.jsonl` in the folder of the outcome if None.
        threads: how many examine rows.
        hide_identifiers: whether the caller reads no identifiers of exchanges. Files then need not be written
            again only because identifiers in them are not hashed; see `Prepared.hidden`.
        progress: told of exchanges done, and to do.
    """

    quarantine_file: Path | None = None
    threads: int = 1
    hide_identifiers: bool = False
    progress: Callable[[int, int], None] = lambda done, total: None


def prepare(
    dataset: Dataset,
    out: Path,
    rules: ValidationRules,
    hasher: IdentifierHasher,
    options: PrepareOptions | None = None,
) -> Prepared:
    """Validate a dataset, leave out what is unfit, and hash its identifiers.

    Args:
        dataset: what `open_dataset` found.
        out: folder for `exchanges/` (only files that had to be changed) and `quarantine.jsonl`.
        rules: the settings of validation.
        hasher: hashes the identifiers.
        options: see `PrepareOptions`.

    Raises:
        OutputError: `out` cannot be written (full disk, no permission).
        UnreadableInputError: there are exchanges, but none of them is fit.
    """
    if out.resolve() == dataset.folder.resolve():
        raise UsageError(
            "the dataset would be overwritten by its own scan", "choose another folder with --out"
        )
    options = options or PrepareOptions()
    hidden = _IDENTIFIERS if options.hide_identifiers else ()
    with ExitStack() as stack:
        quarantine = stack.enter_context(Quarantine(options.quarantine_file or out / QUARANTINE_FILE))
        passage = _Passage(dataset, rules, quarantine, hasher, out)
        side = {table.name: passage.side_table(table) for table in (ACCOUNTS, RELEASES)}
        duplicates = stack.enter_context(DuplicateDetector(out))
        intake = Intake(EXCHANGES, rules, quarantine, None if hidden else hasher, duplicates)
        rewriting = _Rewriting(out, stack, hasher if hidden else None)
        checking = Checking(intake, passage.report, _of(options.progress, dataset.rows), rewriting.write)
        kept = []
        for file, is_kept in checking.check(dataset.exchanges, _must_change, options.threads):
            if is_kept:
                kept.append(file.path)
            else:
                rewriting.start()  # a file without fit rows still needs a table to stand for it
    quality = passage.quality(intake.tally)
    _require_fit_rows(dataset, quality)
    files = (*kept, *rewriting.files)
    return Prepared(files, side[ACCOUNTS.name], side[RELEASES.name], quality, hidden)


def check(
    dataset: Dataset,
    rules: ValidationRules,
    quarantine_file: Path | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Quality:
    """The same account of a dataset's quality, without its data being written.

    Args:
        dataset: what `open_dataset` found.
        rules: the settings of validation.
        quarantine_file: where unfit rows are written, if anywhere.
        threads: how many examine rows.
        progress: told of exchanges done, and to do.
    """
    with Quarantine(quarantine_file) as quarantine, DuplicateDetector() as duplicates:
        passage = _Passage(dataset, rules, quarantine, None, None)
        for table in (ACCOUNTS, RELEASES):
            passage.side_table(table)
        intake = Intake(EXCHANGES, rules, quarantine, None, duplicates)
        checking = Checking(intake, passage.report, _of(progress, dataset.rows))
        for _ in checking.check(dataset.exchanges, lambda file: False, threads):
            pass
    return passage.quality(intake.tally)


def _of(progress: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    return lambda done: progress(done, total)


class _Passage:
    """One pass over a dataset: what its parts share."""

    def __init__(
        self,
        dataset: Dataset,
        rules: ValidationRules,
        quarantine: Quarantine,
        hasher: IdentifierHasher | None,
        out: Path | None,
    ) -> None:
        self._dataset = dataset
        self._rules = rules
        self._quarantine = quarantine
        self._hasher = hasher
        self._out = out
        self._broken: list[Broken] = []
        self._tallies: dict[str, Tally] = {}
        for broken in dataset.broken:
            self.report(broken)

    def report(self, broken: Broken) -> None:
        """Put a file, or a part of it, that cannot be read into quarantine: one line, however many rows."""
        self._broken.append(broken)
        what = reasons.BROKEN
        rows = "the whole file" if broken.rows is None else f"{broken.rows} rows"
        line = Unfit(broken.file, broken.first_row, "", what.words, what.remedy, f"{rows}: {broken.what}")
        self._quarantine.add([line])

    def side_table(self, table: TableSchema) -> pa.Table:
        """The fit rows of accounts or releases; the first row of a key counts."""
        file = self._dataset.accounts if table is ACCOUNTS else self._dataset.releases
        if file is None:
            return table.empty()
        with DuplicateDetector(self._out) as duplicates:
            intake = Intake(table, self._rules, self._quarantine, self._hasher, duplicates)
            batches = [taken.batch for raw in file.batches(table, self.report) for taken in intake.take(raw)]
        self._tallies[table.name] = intake.tally
        return pa.Table.from_batches(batches, table.arrow)

    def quality(self, tally: Tally) -> Quality:
        """The account of the whole pass."""
        tallies = {EXCHANGES.name: tally, **self._tallies}
        return Quality(
            tallies=tallies,
            reasons=self._quarantine.counts.copy(),
            broken=tuple(self._broken),
            quarantine=self._quarantine.written_to,
            missing_columns=tuple(self._dataset.missing_columns),
            extra_columns=tuple(self._dataset.extra_columns),
            unfinished=self._dataset.unfinished,
        )


class _Rewriting:
    """The writer of changed files, which is only made when there is one.

    Args:
        out: folder of the outcome.
        stack: closes the writer.
        hasher: hashes identifiers that come unhashed; None where they have been hashed before.
    """

    def __init__(self, out: Path, stack: ExitStack, hasher: IdentifierHasher | None) -> None:
        self._out = out
        self._stack = stack
        self._hasher = hasher
        self._writer: DatasetWriter | None = None

    def start(self) -> DatasetWriter:
        """The writer, made where there is none yet."""
        if self._writer is None:
            self._writer = self._stack.enter_context(DatasetWriter(self._out, EXCHANGES, replace=True))
        return self._writer

    def write(self, batch: pa.RecordBatch) -> None:
        """Write fit rows."""
        self.start().write(batch if self._hasher is None else self._hasher.hash_batch(batch, EXCHANGES))

    @property
    def files(self) -> list[Path]:
        """Files that were written; whole once the stack is closed."""
        return [] if self._writer is None else self._writer.files


def _must_change(file: TableFile) -> bool:
    return not _has_exact_columns(file)


def _has_exact_columns(file: TableFile) -> bool:
    """Whether engines read the file's columns as the schema's types without being told."""
    if len(set(file.schema.names)) != len(file.schema.names):
        return False
    return all(
        column.name in file.schema.names and _is_same(file.schema.field(column.name).type, column.type)
        for column in EXCHANGES
    )


def _is_same(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    if wanted == TIMESTAMP:
        # In Parquet a timestamp with a zone is UTC; the zone's name is only for display.
        return bool(pa.types.is_timestamp(found) and found.unit == "us" and found.tz is not None)
    return bool(found == wanted)


def _require_fit_rows(dataset: Dataset, quality: Quality) -> None:
    tally = quality.exchanges
    if tally.rows_fit or not tally.rows_read:
        return
    reasons_by_count = quality.reasons.most_common()
    column, reason = next((where for where, _ in reasons_by_count if where[1] in _REMEDIES), ("", ""))
    raise UnreadableInputError(
        f"none of {tally.rows_read} exchanges is fit; most often: {column}: {reason}",
        f"{_REMEDIES.get(reason, 'see why')} (all rows with reasons: {quality.quarantine})",
        file=dataset.folder,
    )


_REMEDIES = {reason.words: reason.remedy for reason in reasons.REASONS if reason is not reasons.BROKEN}
