"""Bytes as they are stored -> plain bytes: gzip and zstd are known by their first bytes, never by a file's
name."""

import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

CHUNK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# zstd allows a skippable frame (RFC 8878, 3.1.2) to stand first; parallel writers begin with one.
ZSTD_SKIPPABLE = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
_GZIP_WINDOW = 31  # zlib: window of 2^15 bytes, gzip header and trailer expected (RFC 1952)


class DamagedStreamError(Exception):
    """The compressed stream ends early or is damaged; what came before it was handed over."""


def plain_chunks(stored: BinaryIO) -> Iterator[bytes]:
    """The plain bytes of a stored stream, in chunks of at most `CHUNK_BYTES`.

    Raises:
        DamagedStreamError: after the last chunk that could be read.
    """
    head = _read_exactly(stored, 4)
    if head[:2] == GZIP_MAGIC:
        yield from _gzip(head, stored)
    elif head == ZSTD_MAGIC or head in ZSTD_SKIPPABLE:
        yield from _zstd(head, stored)
    else:
        yield from _raw(head, stored)


def _read_exactly(stored: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes; fewer only at the end (a pipe may give less at once)."""
    parts = b""
    while len(parts) < size:
        part = stored.read(size - len(parts))
        if not part:
            break
        parts += part
    return parts


def _raw(head: bytes, stored: BinaryIO) -> Iterator[bytes]:
    chunk = head
    while chunk:
        yield chunk
        try:
            chunk = stored.read(CHUNK_BYTES)
        except OSError as error:
            raise DamagedStreamError(f"cannot be read on: {error.strerror or error}") from error


def _gzip(head: bytes, stored: BinaryIO) -> Iterator[bytes]:
    """Members of a gzip file one after the other (RFC 1952); zlib is driven by hand to keep a cut member's
    start."""
    pending = head
    try:
        while pending:
            member = zlib.decompressobj(_GZIP_WINDOW)
            while not member.eof:
                pending = pending or stored.read(CHUNK_BYTES)
                plain = member.decompress(pending, CHUNK_BYTES)
                if not pending and not plain:
                    raise DamagedStreamError("the gzip stream ends before its end mark (truncated file)")
                pending = member.unconsumed_tail
                if plain:
                    yield plain
            pending = member.unused_data.lstrip(b"\0")
            while not pending:  # zero padding, as tape writers leave it
                block = stored.read(CHUNK_BYTES)
                if not block:
                    return
                pending = block.lstrip(b"\0")
    except (zlib.error, OSError) as error:
        raise DamagedStreamError(f"the gzip stream is damaged ({error})") from error


def _zstd(head: bytes, stored: BinaryIO) -> Iterator[bytes]:
    if stored.seekable():
        yield from _zstd_seekable(stored)
        return
    # A damaged stream is read a second time to save its last bytes, so a pipe is put on disk first.
    with tempfile.TemporaryFile() as spool:
        for chunk in _raw(head, stored):
            spool.write(chunk)
        yield from _zstd_seekable(spool)


def _zstd_seekable(stored: BinaryIO) -> Iterator[bytes]:
    """Arrow gives nothing of a read that meets damage, so that part is read again in ever smaller bites."""
    given = 0
    words = ""
    for size in (CHUNK_BYTES, 1 << 12, 1 << 6, 1):
        try:
            for chunk in _zstd_reads(stored, given, size):
                given += len(chunk)
                yield chunk
            return
        except OSError as error:
            cut = "runcated" in str(error)
            words = "ends before its end mark (truncated file)" if cut else "is damaged"
    raise DamagedStreamError(f"the zstd stream {words}")


class _Borrowed:
    """A file that its reader cannot close."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read

    def close(self) -> None:
        """Nothing: the file is needed again."""


def _zstd_reads(stored: BinaryIO, skip: int, size: int) -> Iterator[bytes]:
    stored.seek(0)
    with pa.CompressedInputStream(pa.PythonFile(_Borrowed(stored), mode="r"), "zstd") as stream:
        while skip:
            skip -= len(stream.read(min(skip, CHUNK_BYTES)))
        chunk = stream.read(size)
        while chunk:
            yield chunk
            chunk = stream.read(size)
