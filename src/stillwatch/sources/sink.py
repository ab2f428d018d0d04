"""Parsed exchanges -> fit rows in a dataset folder."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from stillwatch.exchange.duplicates import DuplicateDetector
from stillwatch.exchange.intake import Intake
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.raw import RawBatch
from stillwatch.exchange.reasons import Unfit
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.writer import DatasetWriter
from stillwatch.sources import addresses
from stillwatch.sources.fields import dig, name
from stillwatch.sources.join import AccessLogs
from stillwatch.sources.options import IngestOptions
from stillwatch.sources.report import FileReport
from stillwatch.sources.source import ParsedExchange

BATCH_ROWS = 8_192
BATCH_CHARACTERS = 32 << 20
_TEXTS = tuple(column.name for column in EXCHANGES if column.text)


class Sink:
    """Gives exchanges what their record does not hold (id, account, address) and hands them on in batches.

    Args:
        options: the settings of the import.
        intake: validates and hashes.
        writer: writes what is fit.
        hasher: hashes keys that stand in for accounts.
        access_logs: access logs to join, if any.
    """

    def __init__(
        self,
        options: IngestOptions,
        intake: Intake,
        writer: DatasetWriter,
        hasher: IdentifierHasher,
        access_logs: AccessLogs | None,
    ) -> None:
        self._options = options
        self._intake = intake
        self._writer = writer
        self._hasher = hasher
        self._access_logs = access_logs
        self._seen = DuplicateDetector()
        self._repeats: Counter[str] = Counter()
        self._waiting: list[ParsedExchange] = []
        self._lines: list[int] = []
        self._characters = 0

    def add(self, exchange: ParsedExchange, line: int, report: FileReport) -> None:
        """Take an exchange; all exchanges between two calls of `flush` are of one file."""
        report.exchanges += 1
        report.images += exchange.images
        report.texts_missing += exchange.text_missing
        self._waiting.append(exchange)
        self._lines.append(line)
        for column in _TEXTS:
            text = exchange.values.get(column)
            self._characters += len(text) if isinstance(text, str) else 0
        if len(self._waiting) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self.flush(report)

    def flush(self, report: FileReport) -> None:
        """Hand on what waits."""
        if not self._waiting:
            return
        exchanges, lines = self._waiting, self._lines
        self._waiting, self._lines, self._characters = [], [], 0
        if self._access_logs is not None:
            self._access_logs.fill(exchanges, report)
        for exchange in exchanges:
            values = exchange.values
            values["client_ip"] = addresses.choose(
                exchange.address, self._options.trusted_hops, report.addresses
            )
            self._set_account(exchange)
        self._set_ids(exchanges)
        rows: list[Mapping[str, Any]] = [exchange.values for exchange in exchanges]
        self.take(RawBatch.from_records(rows, EXCHANGES.names, report.file, lines), report)

    def take(self, raw: RawBatch, report: FileReport) -> None:
        """Validate and write a batch."""
        tally = self._intake.tally
        fit, unfit = tally.rows_fit, tally.rows_unfit
        for taken in self._intake.take(raw):
            self._writer.write(taken.batch)
        report.fit += tally.rows_fit - fit
        report.unfit += tally.rows_unfit - unfit

    def refuse(self, line: int, reason: str, remedy: str, report: FileReport, detail: str = "") -> None:
        """Put a record that could not be read into quarantine."""
        report.unreadable[reason] += 1
        self._intake.refuse(Unfit(report.file, line, "", reason, remedy, detail))

    def close(self) -> None:
        """Let go of temporary files."""
        self._seen.close()

    def _set_account(self, exchange: ParsedExchange) -> None:
        values = exchange.values
        if self._options.account_field is not None:
            values["account_id"] = name(dig(exchange.fields, self._options.account_field))
        elif values.get("account_id") is None and isinstance(key := values.get("key_id"), str):
            try:
                values["account_id"] = self._hasher.hash_one(key)
            except UnicodeEncodeError:
                return  # validation says what is wrong with the key

    def _set_ids(self, exchanges: list[ParsedExchange]) -> None:
        """Exchanges without a name are named by their content, so that a second import names them the
        same."""
        nameless = [exchange for exchange in exchanges if exchange.values.get("exchange_id") is None]
        if not nameless:
            return
        names = [content_name(exchange.fields) for exchange in nameless]
        later = self._seen.later(pa.array(names, pa.string()))
        for exchange, found, again in zip(nameless, names, later.tolist(), strict=True):
            self._repeats[found] += 1 if again else 0
            exchange.values["exchange_id"] = f"{found}-{self._repeats[found]}" if again else found


def content_name(fields: Mapping[str, Any]) -> str:
    """A name that depends on nothing but what a record says: `sw_` and 32 hex digits of SHA-256."""
    try:
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), default=str)
    except (RecursionError, TypeError, ValueError):
        text = str(list(fields)[:64])
    return f"sw_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
