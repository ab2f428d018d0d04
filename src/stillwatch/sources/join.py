"""Access logs joined to exchanges by request id.

The lines are put into a temporary SQLite file (standard library, indexed once, looked up in batches), so
memory stays bounded however long the access logs are.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.output import written
from stillwatch.sources.addresses import SeenAddress
from stillwatch.sources.envoy import Access, Envoy, access
from stillwatch.sources.fields import number
from stillwatch.sources.files import InputFile, expand
from stillwatch.sources.reading import Read, Unreadable, read_records
from stillwatch.sources.report import FileReport, JoinReport
from stillwatch.sources.source import ParsedExchange

_ROWS_AT_ONCE = 10_000
_IDS_AT_ONCE = 500
_TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA temp_store = FILE;
    CREATE TABLE line (place INTEGER PRIMARY KEY, id TEXT NOT NULL, content TEXT NOT NULL);
    CREATE TABLE used (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class AccessLogs:
    """The lines of access logs by request id; a context manager.

    Args:
        paths: files, folders, globs.
        max_record_bytes: larger records are counted as unreadable.

    Raises:
        UnreadableInputError: a path does not exist, or no line of an access log with a request id is there.
        OutputError: the temporary file cannot be written.
    """

    def __init__(self, paths: Sequence[str | Path], max_record_bytes: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stillwatch-join-")
        self._path = Path(self._folder.name) / "lines.sqlite"
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.executescript(_TABLES)
        self._lines = self._without_id = self._unreadable = self._matched = self._unmatched = 0
        files = expand(paths)
        try:
            self._load(files, max_record_bytes)
        except BaseException:
            self.close()
            raise

    def _load(self, files: Sequence[InputFile], max_record_bytes: int) -> None:
        with written(self._path):
            self._connection.execute("BEGIN")
            for chunk in _chunks(self._rows(files, max_record_bytes), _ROWS_AT_ONCE):
                _run(self._connection, "INSERT INTO line (id, content) VALUES (?, ?)", chunk)
            self._connection.execute("COMMIT")
            self._connection.execute("CREATE INDEX line_id ON line (id, place)")
        [(self._ids,)] = self._connection.execute("SELECT count(DISTINCT id) FROM line")
        if not self._ids:
            raise UnreadableInputError(
                f"no line of an access log with a request id is in the {len(files)} files given with --join",
                "log %REQ(X-REQUEST-ID)% as request_id in JSON (docs/sources.md shows a format)",
                file=files[0].label,
            )

    def _rows(self, files: Sequence[InputFile], max_record_bytes: int) -> Iterator[tuple[str, str]]:
        envoy = Envoy()
        for file in files:
            with file.open() as stored:
                for found in read_records(stored, max_record_bytes):
                    self._lines += 1
                    if isinstance(found, Unreadable) or not envoy.recognises(found.record):
                        self._unreadable += 1
                    elif (line := _row(found)) is None:
                        self._without_id += 1
                    else:
                        yield line

    def fill(self, exchanges: Sequence[ParsedExchange], report: FileReport) -> None:
        """Add what the access logs know: the address and the fingerprint always, the rest where it is
        missing."""
        found = self._look_up({wanted for exchange in exchanges for wanted in exchange.request_ids})
        used = []
        for exchange in exchanges:
            match = next((wanted for wanted in exchange.request_ids if wanted in found), None)
            if match is None:
                report.not_joined += 1
                continue
            report.joined += 1
            used.append((match,))
            _fill(exchange, found[match])
        self._matched += len(used)
        self._unmatched += len(exchanges) - len(used)
        with written(self._path):
            _run(self._connection, "INSERT OR IGNORE INTO used VALUES (?)", used)

    def _look_up(self, wanted: set[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for ids in _chunks(sorted(_plain(wanted)), _IDS_AT_ONCE):
            marks = ",".join("?" * len(ids))
            rows = self._connection.execute(
                f"SELECT id, content FROM line WHERE id IN ({marks}) ORDER BY place DESC", ids
            )
            found.update((key, json.loads(content)) for key, content in rows)  # the first line of an id stays
        return found

    def report(self) -> JoinReport:
        """What became of the lines."""
        [(used,)] = self._connection.execute("SELECT count(*) FROM used")
        with_id = self._lines - self._unreadable - self._without_id
        return JoinReport(
            lines=self._lines,
            without_id=self._without_id,
            repeated=with_id - self._ids,
            unreadable=self._unreadable,
            matched=self._matched,
            unmatched=self._unmatched,
            unused=self._ids - used,
        )

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()
        self._folder.cleanup()

    def __enter__(self) -> "AccessLogs":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _row(found: Read) -> tuple[str, str] | None:
    line = access(found.record)
    if line.request_id is None or not _plain([line.request_id]):
        return None
    return line.request_id, json.dumps(_stored(line))


def _stored(line: Access) -> dict[str, Any]:
    address = {key: value for key, value in vars(line.address).items() if value is not None}
    return {"values": line.values, "address": address}


def _fill(exchange: ParsedExchange, line: dict[str, Any]) -> None:
    address = SeenAddress(**line["address"])
    if address != SeenAddress():
        exchange.address = address
    values = line["values"]
    if "ja4" in values:
        exchange.values["ja4"] = values["ja4"]
    for column in ("user_agent", "status", "latency_ms"):
        usable = column == "user_agent" or number(values.get(column)) not in (None, 0.0)
        if column in values and usable and exchange.values.get(column) is None:
            exchange.values[column] = values[column]


def _plain(names: Iterable[str]) -> list[str]:
    """Names that can be stored; lone surrogates cannot."""
    return [found for found in names if found.isascii() or found.encode("utf-8", "ignore").decode() == found]


def _chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _run(connection: sqlite3.Connection, statement: str, rows: list[Any]) -> None:
    """Run a statement for each row; SQLite's complaint about the disk becomes the system's."""
    try:
        connection.executemany(statement, rows)
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error
