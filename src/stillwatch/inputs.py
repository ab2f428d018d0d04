"""What a scan is pointed at -> fit exchanges: a dataset folder is checked in place, logs are imported first."""

import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.engines.run import Report
from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.output import written
from stillwatch.exchange.prepare import QUARANTINE_FILE, Prepared, prepare
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.quality import Measure, Quality
from stillwatch.exchange.rules import ValidationRules
from stillwatch.hash_only import SIGNATURES, replace_text_by_signatures
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
    inputs: Sequence[str], out: Path, settings: ScanSettings, report: Report, *, join: Sequence[str] = ()
) -> Input:
    """Check a dataset, or import logs and check what came of them.

    Args:
        inputs: what the user named.
        out: folder of the results; imported exchanges go to out/steps, unfit rows to out/quarantine.jsonl.
        settings: see `ScanSettings`.
        report: told of progress.
        join: access logs.
    """
    work = out / "steps" / "input"
    rules = validation_rules(settings)
    hasher = IdentifierHasher.from_key_file(settings.key_file)
    origin: dict[str, Any] = {"inputs": list(inputs)}
    if is_dataset(inputs) and not join:
        report("checking the dataset", 0, 0)
        folder = Path(inputs[0])
        prepared = prepare(open_dataset(folder), work, rules, hasher)
        return _input(prepared, prepared.quality, folder, out, origin)
    imported = _ingest(inputs, work / "dataset", settings, report, join)
    prepared = prepare(open_dataset(imported.out), work / "prepared", rules, hasher)
    origin["join"] = list(join)
    origin["formats"] = sorted({name for file in imported.files for name in file.formats})
    return _input(prepared, imported.quality, imported.out, out, origin)


def import_dataset(
    inputs: Sequence[str], out: Path, settings: ScanSettings, report: Report, *, join: Sequence[str] = ()
) -> IngestReport:
    """Turn logs into a dataset folder; with `hash_only` one that holds signatures in place of texts."""
    if not settings.hash_only:
        return _ingest(inputs, out, settings, report, join)
    texts = out / "texts.partial"
    with written(out):
        shutil.rmtree(texts, ignore_errors=True)
    try:
        found = _ingest(inputs, texts, settings, report, join)
        replace_text_by_signatures(texts, out, settings.memory_limit, settings.threads, report)
    finally:
        shutil.rmtree(texts, ignore_errors=True)
    return replace(found, out=out)


def _ingest(
    inputs: Sequence[str], out: Path, settings: ScanSettings, report: Report, join: Sequence[str]
) -> IngestReport:
    options = IngestOptions(
        rules=validation_rules(settings),
        trusted_hops=settings.trusted_hops,
        account_field=settings.account_field,
        join=tuple(join),
        key_file=settings.key_file,
    )
    return ingest(inputs, out, options, lambda done, total: report("reading logs", done, total))


def _input(prepared: Prepared, quality: Quality, folder: Path, out: Path, origin: dict[str, Any]) -> Input:
    null_share = prepared.quality.null_share
    signatures = folder / SIGNATURES
    if quality.quarantine is not None:
        # The working folder goes at the end of the scan; what was left out must not.
        shutil.copyfile(quality.quarantine, out / QUARANTINE_FILE)
    return Input(
        files=prepared.files,
        accounts=prepared.accounts,
        rows=prepared.quality.exchanges.rows_fit,
        quarantined=sum(tally.rows_unfit for tally in quality.tallies.values()),
        first_ts=prepared.quality.first_ts,
        last_ts=prepared.quality.last_ts,
        has_text=null_share["prompt"] < 1 or null_share["system_prompt"] < 1,
        signatures=signatures if signatures.is_dir() else None,
        measures=tuple(quality.measures()),
        origin=origin,
    )
