"""What a scan is pointed at -> fit exchanges: a dataset folder is checked in place, logs are imported first."""

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.engines.run import Report
from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.output import copy_file
from stillwatch.exchange.prepare import QUARANTINE_FILE, Prepared, PrepareOptions, prepare
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.quality import Measure, Quality
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.writer import INCOMPLETE
from stillwatch.hash_only import SIGNATURES, Texts, replace_text_by_signatures
from stillwatch.settings import ScanSettings
from stillwatch.sources.ingest import IngestOptions, IngestReport, ingest


@dataclass(frozen=True)
class Input:
    """Input that is fit to be scanned.

    Attributes:
        files: Parquet files of exchanges.
        accounts: accounts table, maybe empty.
        rows: exchanges.
        quarantined: rows left out.
        first_ts: earliest exchange.
        last_ts: latest exchange.
        has_text: whether any exchange has a prompt or a system prompt.
        hidden: columns of the files that must not be read: they may hold identifiers as they came.
        text_bytes: text column -> UTF-8 bytes of all its values.
        signatures: folder of signatures taken at import (`--hash-only`), or None.
        measures: rows of the result table `quality`.
        origin: what the summary says of where it came from.
    """

    files: tuple[Path, ...]
    accounts: pa.Table
    rows: int
    quarantined: int
    first_ts: dt.datetime | None
    last_ts: dt.datetime | None
    has_text: bool
    hidden: tuple[str, ...]
    text_bytes: Mapping[str, int]
    signatures: Path | None
    measures: tuple[Measure, ...]
    origin: dict[str, Any]


def validation_rules(settings: ScanSettings) -> ValidationRules:
    """The rules of validation that the settings ask for."""
    return ValidationRules(assume_timezone=settings.assume_timezone, max_text_bytes=settings.max_text_bytes)


def is_dataset(inputs: Sequence[str]) -> bool:
    """Whether the inputs are one dataset folder, or one Parquet file of exchanges."""
    if len(inputs) != 1:
        return False
    path = Path(inputs[0])
    if path.is_dir():
        return (path / "exchanges.parquet").exists() or (path / "exchanges").is_dir()
    return path.suffix == ".parquet" and path.is_file()


def prepare_input(
    inputs: Sequence[str],
    out: Path,
    settings: ScanSettings,
    report: Report,
    *,
    join: Sequence[str] = (),
    hide_identifiers: bool = False,
) -> Input:
    """Check a dataset, or import logs and check what came of them.

    Args:
        inputs: what the user named.
        out: folder of the results; imported exchanges go to out/steps, unfit rows to out/quarantine.jsonl.
        settings: see `ScanSettings`.
        report: told of progress.
        join: access logs.
        hide_identifiers: whether the caller reads no identifiers of exchanges; see `Input.hidden`.
    """
    work = out / "steps" / "input"
    rules = validation_rules(settings)
    hasher = IdentifierHasher.from_key_file(settings.key_file)
    origin: dict[str, Any] = {"inputs": list(inputs)}
    options = PrepareOptions(
        threads=settings.threads,
        hide_identifiers=hide_identifiers,
        progress=lambda done, total: report("checking the dataset", done, total),
    )
    if is_dataset(inputs) and not join:
        folder = Path(inputs[0])
        options = replace(options, quarantine_file=out / QUARANTINE_FILE)
        prepared = prepare(open_dataset(folder), work, rules, hasher, options)
        return _input(prepared, folder, prepared.quality, origin)
    with _keeping(work / "dataset" / QUARANTINE_FILE, out):
        imported = _ingest(inputs, work / "dataset", settings, report, join)
    _require_fit_rows(imported, out)
    prepared = prepare(open_dataset(imported.out), work / "prepared", rules, hasher, options)
    origin["join"] = list(join)
    origin["formats"] = sorted({name for file in imported.files for name in file.formats})
    return _input(prepared, imported.out, imported.quality, origin)


def import_dataset(
    inputs: Sequence[str],
    out: Path,
    settings: ScanSettings,
    report: Report,
    *,
    join: Sequence[str] = (),
    overwrite: bool = False,
) -> IngestReport:
    """Turn logs into a dataset folder; with `hash_only` one that holds signatures in place of texts.

    Args:
        inputs: what the user named.
        out: the dataset folder to be.
        settings: see `ScanSettings`.
        report: told of progress.
        join: access logs.
        overwrite: whether a finished dataset in `out` may be replaced.
    """
    if not settings.hash_only:
        if overwrite or not _is_finished(out):
            # Signatures of other exchanges would be taken for those of the new ones.
            shutil.rmtree(out / SIGNATURES, ignore_errors=True)
        return _ingest(inputs, out, settings, report, join, overwrite)
    # The underscore keeps what a killed run leaves from being read as a log.
    texts = out / "_texts.partial"
    shutil.rmtree(texts, ignore_errors=True)
    try:
        found = _ingest(inputs, texts, settings, report, join)
        sizes = found.quality.exchanges.bytes
        replace_text_by_signatures(Texts(texts, sizes), out, settings, report, replace=overwrite)
    finally:
        shutil.rmtree(texts, ignore_errors=True)
    kept = None if found.quality.quarantine is None else out / QUARANTINE_FILE
    return replace(found, out=out, quality=replace(found.quality, quarantine=kept))


def _is_finished(dataset: Path) -> bool:
    parts = dataset / EXCHANGES.name
    return any(parts.glob("*.parquet")) and not (parts / INCOMPLETE).exists()


def _ingest(
    inputs: Sequence[str],
    out: Path,
    settings: ScanSettings,
    report: Report,
    join: Sequence[str],
    overwrite: bool = False,
) -> IngestReport:
    for name in inputs:
        if (Path(name) / SIGNATURES).is_dir():
            raise UnreadableInputError(
                "this dataset holds signatures in place of texts, which count only within one import",
                "scan it by itself, without --join; or import its logs together with the others",
                file=name,
            )
    options = IngestOptions(
        rules=validation_rules(settings),
        trusted_hops=settings.trusted_hops,
        account_field=settings.account_field,
        join=tuple(join),
        key_file=settings.key_file,
        overwrite=overwrite,
    )
    return ingest(inputs, out, options, lambda done, total: report("reading logs", done, total))


@contextmanager
def _keeping(quarantine: Path, out: Path) -> Iterator[None]:
    """The working folder goes at the end of the scan, whatever becomes of it; what was left out must not."""
    try:
        yield
    finally:
        if quarantine.exists():
            copy_file(quarantine, out / QUARANTINE_FILE)


def _require_fit_rows(found: IngestReport, out: Path) -> None:
    """Logs of which nothing could be used make no verdict, not even an empty one."""
    reasons = found.quality.reasons.most_common()
    if found.fit or not reasons:
        return
    (column, reason), rows = reasons[0]
    raise UnreadableInputError(
        f"no exchange could be used; most often ({rows} times): {column + ': ' if column else ''}{reason}",
        f"see {out / QUARANTINE_FILE}: it names every row, what is wrong with it, and what to do",
        file=found.files[0].file if len(found.files) == 1 else None,
    )


def _input(prepared: Prepared, folder: Path, quality: Quality, origin: dict[str, Any]) -> Input:
    null_share = prepared.quality.null_share
    signatures = folder / SIGNATURES
    return Input(
        files=prepared.files,
        accounts=prepared.accounts,
        rows=prepared.quality.exchanges.rows_fit,
        quarantined=sum(tally.rows_unfit for tally in quality.tallies.values()),
        first_ts=prepared.quality.first_ts,
        last_ts=prepared.quality.last_ts,
        has_text=null_share["prompt"] < 1 or null_share["system_prompt"] < 1,
        hidden=prepared.hidden,
        text_bytes={c.name: prepared.quality.exchanges.bytes[c.name] for c in EXCHANGES if c.text},
        signatures=signatures if signatures.is_dir() else None,
        measures=tuple(quality.measures()),
        origin=origin,
    )
