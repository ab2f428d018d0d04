"""What a scan is pointed at -> fit exchanges: a dataset folder is checked in place, logs are imported first."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.prepare import Prepared, prepare
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.quality import Measure
from stillwatch.exchange.rules import ValidationRules
from stillwatch.run import Report
from stillwatch.settings import ScanSettings
from stillwatch.sources.ingest import IngestOptions, IngestReport, ingest

SIGNATURES = "signatures"


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
    hasher = IdentifierHasher.from_key_file(settings.key_file)
    work = out / "steps" / "input"
    if is_dataset(inputs) and not join:
        report("checking the dataset", 0, 0)
        folder = Path(inputs[0])
        prepared = prepare(open_dataset(folder), work, validation_rules(settings), hasher)
        return _input(prepared, folder, {"inputs": list(inputs), "format": "dataset"}, ())
    imported = _ingest(inputs, work / "dataset", settings, hasher, report, join)
    folder = work / "dataset"
    prepared = prepare(open_dataset(folder), work / "prepared", validation_rules(settings), hasher)
    origin = {"inputs": list(inputs), "join": list(join), "formats": imported.formats}
    return _input(prepared, folder, origin, tuple(imported.measures()))


def import_dataset(
    inputs: Sequence[str], out: Path, settings: ScanSettings, report: Report, *, join: Sequence[str] = ()
) -> IngestReport:
    """Turn logs into a dataset folder."""
    hasher = IdentifierHasher.from_key_file(settings.key_file)
    return _ingest(inputs, out, settings, hasher, report, join)


def _ingest(
    inputs: Sequence[str],
    out: Path,
    settings: ScanSettings,
    hasher: IdentifierHasher,
    report: Report,
    join: Sequence[str],
) -> IngestReport:
    report("reading logs", 0, 0)
    options = IngestOptions(
        rules=validation_rules(settings),
        hasher=hasher,
        trusted_hops=settings.trusted_hops,
        account_field=settings.account_field,
        join=tuple(join),
    )
    return ingest(inputs, out, options)


def _input(
    prepared: Prepared, folder: Path, origin: dict[str, Any], more: tuple[Measure, ...]
) -> Input:
    quality = prepared.quality
    null_share = quality.null_share
    signatures = folder / SIGNATURES
    return Input(
        files=prepared.files,
        accounts=prepared.accounts,
        rows=quality.exchanges.rows_fit,
        quarantined=quality.exchanges.rows_unfit,
        first_ts=quality.first_ts,
        last_ts=quality.last_ts,
        has_text=null_share["prompt"] < 1 or null_share["system_prompt"] < 1,
        signatures=signatures if signatures.is_dir() else None,
        measures=(*more, *quality.measures()),
        origin=origin,
    )
