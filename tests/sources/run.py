"""Running an import in a test."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.rules import ValidationRules
from stillwatch.sources.ingest import IngestOptions, IngestReport, ingest

LOGS = Path(__file__).parent.parent / "fixtures" / "logs"
RULES = ValidationRules(now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
KEY = bytes(range(32))


class Run:
    """Imports into fresh folders below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key_file = folder / "key"
        self.key_file.write_text(KEY.hex())
        self.key_file.chmod(0o600)
        self._count = 0

    def __call__(self, *paths: str | Path, **options: object) -> tuple[IngestReport, list[dict[str, Any]]]:
        self._count += 1
        self.out = self.folder / f"out{self._count}"
        chosen = IngestOptions(rules=RULES, key_file=self.key_file, **options)  # type: ignore[arg-type]
        report = ingest(paths, self.out, chosen)
        check_counts(report)
        rows = pq.read_table(self.out / "exchanges").to_pylist()
        assert len(rows) == report.fit
        return report, rows


def hashed(name: str) -> str:
    return IdentifierHasher(KEY).hash_one(name)


def present(row: dict[str, Any]) -> dict[str, Any]:
    """The columns that are not null."""
    return {key: value for key, value in row.items() if value is not None}


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


def check_counts(report: IngestReport) -> None:
    """Nothing was lost silently: every part has one fate, every exchange is written or in quarantine."""
    for file in report.files:
        gone = file.merged + file.skipped.total() + file.unreadable.total()
        assert file.parts == file.exchanges + gone, file
        assert file.exchanges == file.fit + file.unfit, file
    tally = report.quality.exchanges
    assert tally.rows_fit == sum(file.fit for file in report.files)
    assert tally.rows_unfit == sum(file.unfit + file.unreadable.total() for file in report.files)


def without(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}
