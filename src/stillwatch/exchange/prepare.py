"""A canonical dataset -> tables that every stage can rely on, and an account of what was wrong with it."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from stillwatch.exchange import reasons
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
from stillwatch.exchange.validation import validate
from stillwatch.exchange.writer import DatasetWriter

QUARANTINE_FILE = "quarantine.jsonl"


@dataclass(frozen=True)
class Prepared:
    """Input that is fit to be scanned.

    Attributes:
        files: Parquet files of fit exchanges: originals where nothing had to be changed, otherwise new ones.
        accounts: fit accounts, without rows where there is no such table.
        releases: fit releases, likewise.
        quality: what was wrong, and how much of it.
    """

    files: tuple[Path, ...]
    accounts: pa.Table
    releases: pa.Table
    quality: Quality


def prepare(
    dataset: Dataset,
    out: Path,
    rules: ValidationRules,
    hasher: IdentifierHasher,
    quarantine_file: Path | None = None,
) -> Prepared:
    """Validate a dataset, leave out what is unfit, and hash its identifiers.

    Args:
        dataset: what `open_dataset` found.
        out: folder for `exchanges/` (only files that had to be changed) and `quarantine.jsonl`.
        rules: the settings of validation.
        hasher: hashes the identifiers.
        quarantine_file: where unfit rows are written, if not in `out`.

    Raises:
        OutputError: `out` cannot be written (full disk, no permission).
        UnreadableInputError: there are exchanges, but none of them is fit.
    """
    if out.resolve() == dataset.folder.resolve():
        raise UsageError(
            "the dataset would be overwritten by its own scan", "choose another folder with --out"
        )
    with ExitStack() as stack:
        quarantine = stack.enter_context(Quarantine(quarantine_file or out / QUARANTINE_FILE))
        passage = _Passage(dataset, rules, quarantine, hasher, out)
        side = {table.name: passage.side_table(table) for table in (ACCOUNTS, RELEASES)}
        duplicates = stack.enter_context(DuplicateDetector(out))
        intake = Intake(EXCHANGES, rules, quarantine, hasher, duplicates)
        rewriting = _Rewriting(out, stack)
        kept = [file.path for file in dataset.exchanges if passage.keeps(file, intake, rewriting)]
    quality = passage.quality(intake.tally)
    _require_fit_rows(dataset, quality)
    return Prepared((*kept, *rewriting.files), side[ACCOUNTS.name], side[RELEASES.name], quality)


def check(dataset: Dataset, rules: ValidationRules, quarantine_file: Path | None = None) -> Quality:
    """The same account of a dataset's quality, without its data being written.

    Args:
        dataset: what `open_dataset` found.
        rules: the settings of validation.
        quarantine_file: where unfit rows are written, if anywhere.
    """
    with Quarantine(quarantine_file) as quarantine, DuplicateDetector() as duplicates:
        passage = _Passage(dataset, rules, quarantine, None, None)
        for table in (ACCOUNTS, RELEASES):
            passage.side_table(table)
        intake = Intake(EXCHANGES, rules, quarantine, None, duplicates)
        for raw in dataset.batches(passage.report):
            for _ in intake.take(raw):
                pass
    return passage.quality(intake.tally)


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

    def keeps(self, file: TableFile, intake: Intake, rewriting: "_Rewriting") -> bool:
        """Pass a file through; False where it had to be changed, and its fit rows were written instead."""
        changed = not _has_exact_columns(file)
        broken_before = len(self._broken)
        passed = 0  # batches that came before the first change
        for raw in file.batches(EXCHANGES, self.report):
            for taken in intake.take(raw):
                if not changed and taken.changed:
                    changed = True
                    rewriting.write(self._again(file, passed))
                if changed:
                    rewriting.write([taken.batch])
                passed += 1
        if not changed and len(self._broken) > broken_before:
            changed = True
            rewriting.write(self._again(file, passed))
        if changed:
            rewriting.write([])  # a file without fit rows still needs a table to stand for it
        return not changed

    def _again(self, file: TableFile, count: int) -> Iterator[pa.RecordBatch]:
        """The first batches of a file once more; they were found to need no change."""
        for raw in islice(file.batches(EXCHANGES, lambda broken: None), count):
            yield validate(raw, EXCHANGES, self._rules).batch

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
    """The writer of changed files, which is only made when there is one."""

    def __init__(self, out: Path, stack: ExitStack) -> None:
        self._out = out
        self._stack = stack
        self._writer: DatasetWriter | None = None

    def write(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Write batches of fit rows."""
        if self._writer is None:
            self._writer = self._stack.enter_context(DatasetWriter(self._out, EXCHANGES, replace=True))
        for batch in batches:
            self._writer.write(batch)

    @property
    def files(self) -> list[Path]:
        """Files that were written; whole once the stack is closed."""
        return [] if self._writer is None else self._writer.files


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
