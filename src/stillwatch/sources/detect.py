"""Which format a file is of, by a look at its first records."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.sources.canonical_parquet import is_parquet
from stillwatch.sources.files import InputFile
from stillwatch.sources.framing import SAMPLE_BYTES
from stillwatch.sources.reading import Unreadable, read_records
from stillwatch.sources.registry import SOURCES, source_of

LOOK_AT_RECORDS = 200
_SHOWN_KEYS = 12


@dataclass
class Detected:
    """What a look at a file showed.

    Attributes:
        is_known: whether a record of a known format is among its first ones (or it is empty, or Parquet).
        keys: names in its first record.
        problem: why its first record could not be read, if it could not.
        head: bytes that were taken from a stream that cannot be read twice.
        stream: that stream.
    """

    is_known: bool
    keys: Sequence[str] = ()
    problem: str = ""
    head: bytes = b""
    stream: BinaryIO | None = field(default=None, repr=False)

    def reopened(self, file: InputFile) -> BinaryIO:
        """The file from its start."""
        return file.open() if self.stream is None else io.BufferedReader(_Chained(self.head, self.stream))


class _Chained(io.RawIOBase):
    """Some bytes, then a stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk: bytes | memoryview = self._head[: len(buffer)]
        self._head = self._head[len(chunk) :]
        if not len(chunk):
            chunk = self._rest.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def detect(file: InputFile) -> Detected:
    """Look at a file's first records; a stream is looked at as far as its first megabyte."""
    if file.path is not None:
        if is_parquet(file.path):
            return Detected(True)
        with file.open() as stored:
            return _look(stored)
    stream = file.open()
    head = b""
    while len(head) < SAMPLE_BYTES and (chunk := stream.read(SAMPLE_BYTES - len(head))):
        head += chunk
    found = _look(io.BytesIO(head))
    found.head, found.stream = head, stream
    # What is cut off by the look itself says nothing about the rest.
    found.is_known = found.is_known or len(head) == SAMPLE_BYTES
    return found


def _look(stored: BinaryIO) -> Detected:
    keys: list[str] = []
    problem = ""
    seen = 0
    for found in read_records(stored):
        seen += 1
        if isinstance(found, Unreadable):
            problem = problem or f"line {found.line}: {found.reason} {found.detail}".strip()
        elif source_of(found.record) is not None:
            return Detected(True)
        elif not keys:
            keys = list(found.record)[:_SHOWN_KEYS]
        if seen == LOOK_AT_RECORDS:
            break
    return Detected(seen == 0, keys, problem)


def require_known(found: Sequence[tuple[InputFile, Detected]]) -> None:
    """Complain about files that were named and that no adapter reads, or if there is no other file.

    Raises:
        UnreadableInputError: naming the file, what is in it, and the formats that are known.
    """
    unknown = [(file, detected) for file, detected in found if not detected.is_known]
    asked = [pair for pair in unknown if pair[0].named]
    if not asked and len(unknown) < len(found):
        return
    if not unknown:
        return
    file, detected = (asked or unknown)[0]
    if detected.keys:
        what = (
            f"the format is not known; the first record has the keys {', '.join(map(_shown, detected.keys))}"
        )
    else:
        what = f"no JSON record was found ({detected.problem or 'the file holds none'})"
    known = "; ".join(f"{source.name} ({source.shape})" for source in SOURCES)
    raise UnreadableInputError(
        what,
        f"give a log of one of these formats: canonical-parquet (docs/data.md); {known}. "
        "docs/sources.md says how to get one from your gateway",
        file=file.label,
    )


def _shown(key: str) -> str:
    return repr(key[:40]) if not key.isidentifier() or len(key) > 40 else key
