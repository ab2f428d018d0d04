"""What a replay reads: exchanges in order of event time, accounts, and what was wrong with the input.

Made once, beside the state, and taken up again by a run that was killed: the input is not checked twice.
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engines.run import Report
from stillwatch.exchange.output import as_json, write_text
from stillwatch.inputs import Input, prepare_input
from stillwatch.replaying.slices import TimeSorted, sort_by_time
from stillwatch.settings import ScanSettings
from stillwatch.signals.signatures import FIELDS, SIGNATURES, skeletons_name

EXCHANGES_FILE = "exchanges.parquet"
_READY = "input.json"
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Source:
    """Input in order of time.

    Attributes:
        folder: where it stands.
        accounts: accounts table, maybe empty.
        found: rows, first_ts, last_ts (microseconds or None), quarantined, has_text, hash_only, measures,
            origin.
    """

    folder: Path
    accounts: pa.Table
    found: dict[str, Any]

    @property
    def exchanges(self) -> Path:
        """The file of exchanges, sorted by time."""
        return self.folder / EXCHANGES_FILE

    def open(self) -> TimeSorted:
        """The exchanges."""
        return TimeSorted(self.exchanges)

    def open_signatures(self) -> TimeSorted | None:
        """The table that stands for the texts (`--hash-only`); None where there are texts."""
        return TimeSorted(self.folder / f"{SIGNATURES}.parquet") if self.found["hash_only"] else None

    def skeletons(self) -> dict[str, pa.Table]:
        """Field -> skeletons with their signatures (`--hash-only`)."""
        return {field: pq.read_table(self.folder / f"{skeletons_name(field)}.parquet") for field in FIELDS}


def make_source(
    inputs: tuple[str, ...], out: Path, folder: Path, settings: ScanSettings, report: Report
) -> Source:
    """Check the input and put it in order of time.

    Args:
        inputs: what the user named.
        out: results folder; unfit rows go there.
        folder: where the ordered input is kept.
        settings: see `ScanSettings`.
        report: told of progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = prepare_input(inputs, out, settings, report)
    report("sorting by time", 0, 0)
    target = folder / EXCHANGES_FILE
    sort_by_time(found.files, target, folder / "spill", settings.memory_limit)
    if found.signatures is not None:
        for field in FIELDS:
            skeletons = pq.read_table(found.signatures / f"{skeletons_name(field)}.parquet")
            pq.write_table(skeletons, folder / f"{skeletons_name(field)}.parquet")
        signed = found.signatures / f"{SIGNATURES}.parquet"
        sort_by_time([signed], folder / signed.name, folder / "spill", settings.memory_limit, target)
    pq.write_table(found.accounts, folder / "accounts.parquet")
    write_text(folder / _READY, as_json(_told(found)))
    return take_source(folder)


def take_source(folder: Path) -> Source:
    """The input that `make_source` has put there."""
    found = json.loads((folder / _READY).read_text("utf-8"))
    return Source(folder, pq.read_table(folder / "accounts.parquet"), found)


def is_ready(folder: Path) -> bool:
    """Whether `make_source` has finished there."""
    return (folder / _READY).exists()


def fingerprint(inputs: tuple[str, ...]) -> str:
    """A hash of the input's files: their names, sizes, and ends (in Parquet the footer with its statistics)."""
    found = hashlib.sha256()
    for name in inputs:
        root = Path(name)
        for file in sorted(root.rglob("*.parquet")) if root.is_dir() else [root]:
            size = file.stat().st_size
            found.update(f"{file.relative_to(root) if root.is_dir() else file.name} {size}\n".encode())
            with file.open("rb") as stream:
                stream.seek(max(size - _TAIL_BYTES, 0))
                found.update(stream.read())
    return found.hexdigest()


def _told(found: Input) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "first_ts": _us(found.first_ts),
        "last_ts": _us(found.last_ts),
        "quarantined": found.quarantined,
        "has_text": found.has_text,
        "hash_only": found.signatures is not None,
        "measures": [list(measure) for measure in found.measures],
        "origin": found.origin,
    }


def _us(moment: dt.datetime | None) -> int | None:
    if moment is None:
        return None
    return int(pa.scalar(moment, pa.timestamp("us", tz="UTC")).value)
