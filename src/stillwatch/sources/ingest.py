"""Logs of any known format -> a dataset folder, and an account of what was in them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from stillwatch.exchange.duplicates import DuplicateDetector
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.intake import Intake
from stillwatch.exchange.prepare import QUARANTINE_FILE
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.quality import Quality
from stillwatch.exchange.quarantine import Quarantine
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.writer import DatasetWriter
from stillwatch.sources.canonical_parquet import SideTables, is_parquet, read_parquet
from stillwatch.sources.detect import Detected, detect, require_known
from stillwatch.sources.files import InputFile, expand
from stillwatch.sources.fragments import FragmentStore
from stillwatch.sources.join import AccessLogs
from stillwatch.sources.options import IngestOptions
from stillwatch.sources.reading import REMEDIES, Read, Unreadable, read_records
from stillwatch.sources.registry import source_of
from stillwatch.sources.report import UNKNOWN_FORMAT, FileReport, IngestReport
from stillwatch.sources.sink import Sink
from stillwatch.sources.source import ParsedExchange, Skipped, Source

__all__ = ["IngestOptions", "IngestReport", "ingest"]

Progress = Callable[[int, int], None]
"""Told how many stored bytes of how many have been read."""

_UNKNOWN_REMEDY = "see docs/sources.md for the formats that are known; a record of another kind does no harm"


def ingest(
    paths: Sequence[str | Path],
    out: Path,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Read logs and write them as a dataset folder.

    Args:
        paths: files, folders, globs, or "-" for standard input; plain, gzip or zstd.
        out: the dataset folder: `exchanges/`, `accounts.parquet` and `releases.parquet` where the input
            has them, and `quarantine.jsonl` where something was unfit.
        options: the settings; all have defaults.
        progress: called now and then.

    Raises:
        UnreadableInputError: a path does not exist, or a file that was named is of no known format.
        OutputError: `out` cannot be written, or holds a finished dataset already.
    """
    options = IngestOptions() if options is None else options
    found = _found(expand(paths))
    with ExitStack() as stack:
        logs = AccessLogs(options.join, options.max_record_bytes) if options.join else None
        if logs is not None:
            stack.enter_context(logs)
        hasher = IdentifierHasher.from_key_file(options.key_file)
        writer = stack.enter_context(DatasetWriter(out, EXCHANGES, replace=options.overwrite))
        quarantine = stack.enter_context(Quarantine(out / QUARANTINE_FILE))
        duplicates = stack.enter_context(DuplicateDetector(out))
        intake = Intake(EXCHANGES, options.rules, quarantine, hasher, duplicates, hash_only=options.hash_only)
        sink = Sink(options, intake, writer, hasher, logs)
        stack.callback(sink.close)
        side = SideTables(out, options.rules, quarantine, hasher)
        import_ = _Import(options, sink, stack.enter_context(FragmentStore()), side)
        reports = import_.run(found, progress)
        join = None if logs is None else logs.report()
        tallies = {EXCHANGES.name: intake.tally, **side.finish()}
        quality = Quality(tallies=tallies, reasons=quarantine.counts, quarantine=quarantine.written_to)
        _require_something(reports)
    return IngestReport(tuple(reports), quality, out, join)


def _found(files: Sequence[InputFile]) -> list[tuple[InputFile, Detected]]:
    """The formats of all files, looked at before anything is written."""
    found = [(file, detect(file)) for file in files]
    require_known(found)
    return found


def _require_something(reports: Sequence[FileReport]) -> None:
    if any(report.formats for report in reports):
        return
    raise UnreadableInputError(
        "no record of a known format was found",
        "see docs/sources.md for the formats that are known",
        file=reports[0].file,
    )


def _shifted(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    """Progress within one file as progress of all."""

    def told(position: int) -> None:
        if progress is not None:
            progress(done + position, total)

    return told


class _Import:
    """One pass over the files."""

    def __init__(
        self, options: IngestOptions, sink: Sink, fragments: FragmentStore, side: SideTables
    ) -> None:
        self._options = options
        self._sink = sink
        self._fragments = fragments
        self._side = side
        self._reports: dict[str, FileReport] = {}

    def run(self, found: Sequence[tuple[InputFile, Detected]], progress: Progress | None) -> list[FileReport]:
        total = sum(file.path.stat().st_size for file, _ in found if file.path is not None)
        done = 0
        for file, detected in found:
            report = self._reports.setdefault(file.label, FileReport(file.label))
            if detected.is_known:
                self._file(file, detected, report, _shifted(progress, done, total))
            self._sink.flush(report)
            done += file.path.stat().st_size if file.path is not None else 0
            if progress is not None:
                progress(done, total)
        self._merged()
        return list(self._reports.values())

    def _file(
        self, file: InputFile, detected: Detected, report: FileReport, progress: Callable[[int], None]
    ) -> None:
        if file.path is not None and is_parquet(file.path):
            read_parquet(file.path, report, self._sink, self._side)
            return
        with detected.reopened(file) as stored:
            source: Source | None = None
            for found in read_records(stored, self._options.max_record_bytes):
                source = self._record(found, source, report)
                if report.records % 4096 == 0 and stored.seekable():
                    progress(stored.tell())

    def _record(self, found: Read | Unreadable, source: Source | None, report: FileReport) -> Source | None:
        report.records += 1
        if isinstance(found, Unreadable):
            report.parts += 1
            self._sink.refuse(found.line, found.reason, REMEDIES[found.reason], report, found.detail)
            return source
        fitting = source_of(found.record, source)
        if fitting is None:
            report.parts += 1
            self._sink.refuse(found.line, UNKNOWN_FORMAT, _UNKNOWN_REMEDY, report)
            return source
        report.formats[fitting.name] += 1
        for item in fitting.parse(found.record):
            report.parts += 1
            if isinstance(item, ParsedExchange):
                self._sink.add(item, found.line, report)
            elif isinstance(item, Skipped):
                report.skipped[item.reason] += 1
            else:
                self._fragments.add(item, found.line, report.file)
        return fitting

    def _merged(self) -> None:
        """Exchanges whose parts stood apart, once all files were read."""
        report: FileReport | None = None
        for group in self._fragments.groups():
            if report is not None and report.file != group.file:
                self._sink.flush(report)
            report = self._reports[group.file]
            if group.exchange is None:
                report.skipped[group.reason] += 1
                self._count_others(group.files, group.reason)
            else:
                self._sink.add(group.exchange, group.line, report)
                for other in group.files:
                    self._reports[other].merged += 1
        if report is not None:
            self._sink.flush(report)

    def _count_others(self, files: Sequence[str], reason: str) -> None:
        for other in files:
            self._reports[other].skipped[reason] += 1
