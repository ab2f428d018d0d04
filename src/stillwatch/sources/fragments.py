"""Exchanges whose parts stand in different records, put together once everything was read.

OpenTelemetry writes the span of a model call and the events with its texts as separate signals, often into
separate files. The parts wait in a temporary SQLite file, so memory stays bounded.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from stillwatch.exchange.output import written
from stillwatch.sources.addresses import SeenAddress
from stillwatch.sources.source import Fragment, ParsedExchange

ORPHAN = "texts of a model call whose span is missing"
_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Group:
    """All parts of one exchange.

    Attributes:
        exchange: what they add up to; None where none of them is an exchange by itself.
        file: file of the part that counts as the exchange.
        line: its line.
        files: files of the other parts, one entry a part.
        reason: why there is no exchange.
    """

    exchange: ParsedExchange | None
    file: str
    line: int
    files: Sequence[str]
    reason: str = ORPHAN


class FragmentStore:
    """Keeps fragments until all files were read; a context manager."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[tuple[str, int, str, int, str]] = []

    def add(self, fragment: Fragment, line: int, file: str) -> None:
        """Keep a part.

        Raises:
            OutputError: the temporary file cannot be written.
        """
        part = {**vars(fragment.part), "address": vars(fragment.part.address)}
        content = json.dumps(part, default=str)
        self._waiting.append((fragment.key, not fragment.alone, file, line, content))
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._write()

    def groups(self) -> Iterator[Group]:
        """The exchanges, in a stable order."""
        if self._connection is None and not self._waiting:
            return
        self._write()
        assert self._connection is not None
        rows = self._connection.execute(
            "SELECT key, second, file, line, content FROM part ORDER BY key, second, place"
        )
        for _, parts in groupby(rows, key=lambda row: row[0]):
            yield _group(list(parts))

    def _write(self) -> None:
        if self._connection is None:
            self._folder = tempfile.TemporaryDirectory(prefix="stillwatch-parts-")
            self._connection = sqlite3.connect(Path(self._folder.name) / "parts.sqlite", isolation_level=None)
            self._connection.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
                "CREATE TABLE part (place INTEGER PRIMARY KEY, key TEXT, second INTEGER, file TEXT,"
                " line INTEGER, content TEXT)"
            )
        assert self._folder is not None
        with written(Path(self._folder.name)):
            self._connection.execute("BEGIN")
            try:
                self._connection.executemany(
                    "INSERT INTO part (key, second, file, line, content) VALUES (?, ?, ?, ?, ?)",
                    self._waiting,
                )
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise OSError(str(error)) from error
        self._waiting = []

    def __enter__(self) -> "FragmentStore":
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._folder is not None:
            self._folder.cleanup()


def _group(parts: Sequence[tuple[str, int, str, int, str]]) -> Group:
    _, second, file, line, _ = parts[0]
    others = [part[2] for part in parts[1:]]
    if second:
        return Group(None, file, line, others)
    exchange, *rest = (_restored(json.loads(part[4])) for part in parts if not part[1])
    messages = _messages([_restored(json.loads(part[4])) for part in parts if part[1]])
    for other in (*rest, messages):
        _add(exchange, other)
    return Group(exchange, file, line, others)


def _restored(content: dict[str, Any]) -> ParsedExchange:
    return ParsedExchange(**{**content, "address": SeenAddress(**content["address"])})


def _messages(parts: Sequence[ParsedExchange]) -> ParsedExchange:
    """One request from events that hold one message each, in the order in which they were written."""
    merged = ParsedExchange({}, text_missing=True)
    values = merged.values
    for part in parts:
        before = dict(values)
        values.update(part.values)
        if "system_prompt" in before and "system_prompt" in part.values:
            values["system_prompt"] = f"{before['system_prompt']}\n{part.values['system_prompt']}"
        if count := before.get("n_messages", 0) + part.values.get("n_messages", 0):
            values["n_messages"] = count
        merged.images += part.images
        merged.text_missing = merged.text_missing and part.text_missing
    return merged


def _add(exchange: ParsedExchange, other: ParsedExchange) -> None:
    """What the first part has stays."""
    exchange.values = {**other.values, **exchange.values}
    exchange.images = max(exchange.images, other.images)
    exchange.text_missing = exchange.text_missing and other.text_missing
    exchange.fields = {**other.fields, **exchange.fields}
    if exchange.address == SeenAddress():
        exchange.address = other.address
