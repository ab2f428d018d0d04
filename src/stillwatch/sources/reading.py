"""Stored bytes -> JSON objects, one at a time, with a reason for everything that is none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from stillwatch.sources.compression import DamagedStreamError, plain_chunks
from stillwatch.sources.framing import (
    CUT_OFF,
    MAX_RECORD_BYTES,
    NOT_JSON,
    STREAM_DAMAGED,
    TOO_LONG,
    Piece,
    as_utf8,
    pieces,
)
from stillwatch.sources.source import Record

NOT_UTF8 = "not UTF-8"
NESTED = "nested too deeply"
TWO_VALUES = "one name with two values"
NO_OBJECT = "not a JSON object"

REMEDIES = {
    NOT_JSON: "write one whole JSON value a record; the records before and after it are used",
    CUT_OFF: "copy the file again, after its writer has closed it; what was complete is used",
    TOO_LONG: "leave images and files out of the log, or import it with a larger limit on records",
    STREAM_DAMAGED: "copy the file again; what could be unpacked is used",
    NOT_UTF8: "write the log as UTF-8 (UTF-16 with a byte order mark is read too)",
    NESTED: "no log nests that deeply; look at who sent this request",
    TWO_VALUES: "nobody can say which of the values counts; let the log's writer give each name once",
    NO_OBJECT: "write each record as a JSON object",
}


@dataclass(frozen=True)
class Read:
    """One JSON object and the 1-based line on which it begins."""

    line: int
    record: Record


@dataclass(frozen=True)
class Unreadable:
    """Something that is no JSON object.

    Attributes:
        line: 1-based line on which it begins.
        reason: one of the keys of `REMEDIES`.
        detail: where in it, without showing its text.
    """

    line: int
    reason: str
    detail: str = ""


def read_records(stored: BinaryIO, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Read | Unreadable]:
    """The records of a file: plain, gzip or zstd; lines, arrays, concatenated or pretty-printed objects.

    Memory stays bounded by a small multiple of `max_record_bytes`, however large the file is. Never raises
    because of what the file holds.

    Args:
        stored: the bytes as they are stored.
        max_record_bytes: larger records are reported and skipped.
    """
    line = 1
    try:
        for piece in pieces(as_utf8(plain_chunks(stored)), max_record_bytes):
            line = piece.line
            yield from _decoded(piece)
    except DamagedStreamError as error:
        yield Unreadable(line, STREAM_DAMAGED, str(error))


def _decoded(piece: Piece) -> Iterator[Read | Unreadable]:
    if piece.problem:
        yield Unreadable(piece.line, piece.problem)
        return
    try:
        value = json.loads(
            piece.data.decode("utf-8").lstrip("\x1e"),  # RFC 7464 puts this mark before each record
            object_pairs_hook=_once,
            parse_constant=lambda word: None,
        )
    except UnicodeDecodeError as error:
        yield Unreadable(piece.line, NOT_UTF8, f"byte {error.start + 1} of the record")
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        yield Unreadable(
            piece.line, CUT_OFF if cut else NOT_JSON, f"{error.msg} at character {error.pos + 1}"
        )
    except _TwoValuesError:
        yield Unreadable(piece.line, TWO_VALUES)
    except RecursionError:
        yield Unreadable(piece.line, NESTED)
    except ValueError as error:  # whole numbers of thousands of digits
        yield Unreadable(piece.line, NOT_JSON, str(error).partition(";")[0])
    else:
        yield from _objects(piece.line, value)


def _objects(line: int, value: object) -> Iterator[Read | Unreadable]:
    """A batch may stand on one line as an array."""
    for entry in value if isinstance(value, list) else [value]:
        yield Read(line, entry) if isinstance(entry, dict) else Unreadable(line, NO_OBJECT)


class _TwoValuesError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs) and any(record[name] != value for name, value in pairs):
        raise _TwoValuesError
    return record
