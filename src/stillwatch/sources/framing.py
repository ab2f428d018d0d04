"""Plain bytes -> the bytes of single records, in bounded memory, whatever way the JSON objects are laid out.

Two ways of cutting, chosen by the first bytes: lines (ndjson), or brackets (arrays, concatenated objects,
pretty printing). Both survive damage: the damaged piece is reported, the next record is found again.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_RECORD_BYTES = 64 << 20
SAMPLE_BYTES = 1 << 20

NOT_JSON = "not JSON"
CUT_OFF = "cut off before its end"
TOO_LONG = "longer than the limit on records"
STREAM_DAMAGED = "compressed stream damaged"

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BLANK = b" \t\r\n"
_MARK = re.compile(rb'["{}\[\]]')
_STRING_BODY = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+', re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """Bytes that should hold one JSON value.

    Attributes:
        line: 1-based line on which it begins.
        data: its bytes; empty where `problem` is set.
        problem: reason for which it is not worth parsing, or "".
    """

    line: int
    data: bytes
    problem: str = ""


def as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream in UTF-8, without byte order mark; UTF-16 and UTF-32 are known by their mark or their
    zero bytes."""
    stream = iter(chunks)
    head = b""
    while len(head) < 8:
        chunk = next(stream, None)
        if chunk is None:
            break
        head += chunk
    encoding, head = _encoding(head)
    if encoding == "utf-8":
        yield from _joined_head(head, stream)
        return
    # What is no character becomes bytes that are no UTF-8, so that the record is reported and not altered.
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass" if "16" in encoding else "replace")
    for chunk in _joined_head(head, stream):
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")


def _joined_head(head: bytes, stream: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from stream


def _encoding(head: bytes) -> tuple[str, bytes]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding, head[len(mark) :]
    if re.match(rb"[\[{ \t\r\n\"]\0[^\0]\0", head):
        return "utf-16-le", head
    if re.match(rb"\0[\[{ \t\r\n\"]\0[^\0]", head):
        return "utf-16-be", head
    return "utf-8", head


def pieces(chunks: Iterable[bytes], max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Piece]:
    """Cut a UTF-8 stream into records.

    Args:
        chunks: the stream; an exception that it raises passes through after the pieces before it.
        max_record_bytes: larger records are reported and skipped.
    """
    stream = iter(chunks)
    sample = bytearray()
    failure: Exception | None = None
    try:
        while len(sample) < SAMPLE_BYTES and (chunk := next(stream, None)) is not None:
            sample += chunk
    except Exception as error:  # handed on below, after what came before it
        failure, stream = error, iter(())
    joined = _joined_head(bytes(sample), stream)
    cut = by_line if _is_lines(bytes(sample)) else by_bracket
    yield from cut(joined, max_record_bytes)
    if failure is not None:
        raise failure


def _is_lines(sample: bytes) -> bool:
    """Whether each line holds a whole value, judged by the first line, or by the others where that is
    damaged."""
    lines = sample.split(b"\n")
    filled = [bare for line in (lines[:-1] or lines) if (bare := line.strip(_BLANK)) not in (b"", b"{}")][:50]
    if not filled or _is_object(filled[0]):
        return True
    if filled[0] == b"{" or filled[0].startswith(b"["):
        return False
    return any(map(_is_object, filled[1:])) or not filled[0].startswith(b"{")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def by_line(chunks: Iterable[bytes], max_record_bytes: int) -> Iterator[Piece]:
    """One record a line (LF or CRLF; blank lines count as lines only)."""
    line, pending, skipping = 1, bytearray(), False
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if skipping:
                skipping = False
            elif len(pending) + end - start > max_record_bytes:
                yield Piece(line, b"", TOO_LONG)
            else:
                pending += chunk[start:end]
                yield from _filled(line, pending)
            pending.clear()
            line, start = line + 1, end + 1
        if not skipping:
            pending += chunk[start:]
            if len(pending) > max_record_bytes:
                yield Piece(line, b"", TOO_LONG)
                pending.clear()
                skipping = True
    yield from _filled(line, pending)


def _filled(line: int, data: bytearray) -> Iterator[Piece]:
    stripped = bytes(data).strip(_BLANK)
    if stripped:
        yield Piece(line, stripped)


def by_bracket(chunks: Iterable[bytes], max_record_bytes: int) -> Iterator[Piece]:
    """Records by their brackets: objects at the top, or in arrays.

    A raw line break inside a string is no JSON (RFC 8259, 7), and that is how a lost quote or bracket is
    noticed. The next record is then looked for at the next line that begins as the first record did.
    """
    cutter = _BracketCutter(max_record_bytes)
    for chunk in chunks:
        yield from cutter.feed(chunk)
    yield from cutter.finish()


class _BracketCutter:
    def __init__(self, max_record_bytes: int) -> None:
        self._limit = max_record_bytes
        self._buffer = bytearray()
        self._position = 0  # scanned up to here
        self._start = -1  # where the open record begins, -1 outside of records
        self._start_line = 1
        self._depth = 0  # open brackets of the record
        self._arrays = 0  # open brackets around records
        self._in_string = False
        self._seeking = False  # looking for the next line that begins like a record
        self._discarding = False  # inside of a record that is too long and was reported
        self._line_start: bytes | None = None  # line break and white space before the first record of a line
        self._stray_line = 0  # where something that is no record stands outside of records
        self._counted, self._line = 0, 1  # line number of the byte at `_counted`

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        self._buffer += chunk
        yield from self._scan()
        if self._start >= 0 and not self._discarding and len(self._buffer) - self._start > self._limit:
            yield Piece(self._start_line, b"", TOO_LONG)
            if self._buffer.find(self._sign(), self._start) >= 0:
                self._give_up()  # its end was lost: other records stand behind it
                yield from self._scan()
            else:
                self._discarding = True
        keep = (
            self._start if self._start >= 0 and not self._discarding else self._position - len(self._sign())
        )
        self._drop(max(keep, 0))

    def finish(self) -> Iterator[Piece]:
        while self._start >= 0:
            if not self._discarding:
                yield Piece(self._start_line, b"", CUT_OFF)
                self._arrays = 0
            self._give_up()
            yield from self._scan()
        if self._stray_line or self._in_string:
            yield Piece(self._stray_line or self._line_at(len(self._buffer)), b"", NOT_JSON)
        elif self._arrays > 0 and not self._seeking:
            yield Piece(self._line_at(len(self._buffer)), b"", CUT_OFF)

    def _scan(self) -> Iterator[Piece]:
        while True:
            if self._seeking and not self._resume():
                return
            if self._in_string:
                if not self._follow_string():
                    return
                if self._in_string and self._start >= 0:
                    if not self._discarding:
                        yield Piece(self._start_line, b"", NOT_JSON)
                    self._give_up()
                    continue
                self._in_string = False
            match = _MARK.search(self._buffer, self._position)
            end = len(self._buffer) if match is None else match.start()
            if self._start < 0 and self._buffer[self._position : end].strip(b" \t\r\n,"):
                self._stray_line = self._stray_line or self._line_at(self._position)
            self._position = end
            if match is None:
                return
            yield from self._take(match.group(), end)

    def _take(self, mark: bytes, at: int) -> Iterator[Piece]:
        self._position = at + 1
        if mark == b'"':
            self._in_string = True
            if self._start < 0:
                self._stray_line = self._stray_line or self._line_at(at)
        elif self._start < 0:
            if mark == b"{":
                if self._stray_line:
                    yield Piece(self._stray_line, b"", NOT_JSON)
                    self._stray_line = 0
                self._open(at)
            else:
                self._arrays += 1 if mark == b"[" else -1
        elif mark in (b"{", b"["):
            self._depth += 1
            if self._discarding and self._begins_line(at):
                self._discarding = False
                self._open(at)
        else:
            self._depth -= 1
            if self._depth == 0:
                if not self._discarding:
                    yield self._piece(at + 1)
                self._start, self._discarding = -1, False

    def _piece(self, end: int) -> Piece:
        if end - self._start > self._limit:
            return Piece(self._start_line, b"", TOO_LONG)
        return Piece(self._start_line, bytes(self._buffer[self._start : end]))

    def _open(self, at: int) -> None:
        self._start, self._start_line, self._depth = at, self._line_at(at), 1
        if self._line_start is None:
            before = bytes(self._buffer[self._buffer.rfind(b"\n", 0, at) + 1 : at])
            self._line_start = b"\n" + (before if not before.strip(b" \t") else b"")

    def _follow_string(self) -> bool:
        """Go to the string's end, or to the line break that should not be in it (then `_in_string` stays).

        False where the buffer holds neither.
        """
        match = _STRING_BODY.match(self._buffer, self._position)
        assert match is not None  # the pattern takes the empty string too
        self._position = match.end()
        if self._position == len(self._buffer) or self._buffer[self._position] == ord("\\"):
            return False
        if self._buffer[self._position] == ord('"'):
            self._position += 1
            self._in_string = False
        return True

    def _give_up(self) -> None:
        """Leave the open record and look for the next one from its second line on."""
        self._position = self._position if self._discarding else self._start
        self._start, self._in_string, self._discarding, self._seeking = -1, False, False, True

    def _resume(self) -> bool:
        """Find the next line that begins as records do here; False where the buffer holds none."""
        at = self._buffer.find(self._sign(), self._position)
        if at < 0:
            self._position = max(self._position, len(self._buffer) - len(self._sign()) + 1)
            return False
        self._position, self._seeking = at, False
        return True

    def _sign(self) -> bytes:
        return (self._line_start or b"\n") + b"{"

    def _begins_line(self, at: int) -> bool:
        sign = self._sign()
        return self._buffer[max(at + 1 - len(sign), 0) : at + 1] == sign

    def _line_at(self, at: int) -> int:
        """Line of a byte; asked for in growing order, so each byte is looked at once."""
        if at > self._counted:
            self._line += self._buffer.count(b"\n", self._counted, at)
            self._counted = at
        return self._line

    def _drop(self, end: int) -> None:
        if end < len(self._buffer) // 2:
            return  # moving the rest would cost more than it saves
        self._line_at(end)
        del self._buffer[:end]
        self._position -= end
        self._counted = max(self._counted - end, 0)
        self._start = 0 if self._discarding else self._start - end if self._start >= 0 else -1
