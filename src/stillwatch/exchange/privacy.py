"""Identifiers become keyed hashes before they are stored; text can be dropped.

The hash is HMAC-SHA256 (RFC 2104, FIPS 180-4), cut to 128 bits: with one key the same identifier always gives
the same hash, and without the key nobody can try out e-mail domains or card fingerprints until one matches.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.errors import OutputError, UnreadableInputError
from stillwatch.exchange.schema import TableSchema

PREFIX = "hk_"
_HASH_LENGTH = len(PREFIX) + 32
HASHED = r"^hk_[0-9a-f]{32}$"
_HASHED = re.compile(r"hk_[0-9a-f]{32}")
_KEY_BYTES = 32
_MOST_KNOWN = 1 << 19  # identifiers whose hashes are kept, of some 250 bytes together
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def default_key_file() -> Path:
    """`$XDG_CONFIG_HOME/stillwatch/identifier.key`, or the same under `~/.config`."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "stillwatch" / "identifier.key"


class IdentifierHasher:
    """Hashes identifiers with a secret key.

    Args:
        key: at least 16 bytes; it stands in no repr, error or log, and does not survive pickling.
    """

    __slots__ = ("_known", "_mac")

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a key needs at least 16 bytes")
        self._mac = hmac.new(key, digestmod=hashlib.sha256)
        self._known: dict[str, str] = {}

    @classmethod
    def from_key_file(cls, path: Path | None = None) -> "IdentifierHasher":
        """The hasher of a key file, which is made (mode 600, random) on first use.

        Args:
            path: the key file; `default_key_file()` if not given.

        Raises:
            UnreadableInputError: others may read the key, or it is no key.
            OutputError: it cannot be made.
        """
        path = default_key_file() if path is None else path
        try:
            return cls(_made(path) or _read(path))
        except PermissionError as error:
            raise OutputError(
                f"the key of the identifiers cannot be used: {error.strerror}",
                "give a key file of your own with --key-file",
                file=path,
            ) from error
        except OSError as error:
            raise OutputError(
                f"the key of the identifiers cannot be read or made: {error.strerror}",
                "give another place with --key-file",
                file=path,
            ) from error

    def __repr__(self) -> str:
        return "IdentifierHasher(key not shown)"

    def __reduce__(self) -> str:
        raise TypeError("a hasher holds a secret key and is not pickled")

    def key_id(self) -> str:
        """A name of the key that tells nothing of it: 16 hex digits, the same for the same key."""
        mac = self._mac.copy()
        mac.update(b"\0stillwatch key id")  # no identifier holds a NUL, so no stored hash is the name
        return mac.hexdigest()[:16]

    def hash_one(self, value: str) -> str:
        """`hk_` and 32 hex digits; a value that is such a hash already is left alone."""
        if _HASHED.fullmatch(value):
            return value
        mac = self._mac.copy()
        mac.update(value.encode())
        return PREFIX + mac.hexdigest()[:32]

    def hash_array(self, array: pa.Array) -> pa.Array:
        """Hashes of a string array, null where it is null.

        Each distinct value is hashed once; the same identifiers come batch after batch, so some are kept.
        """
        coded = array.dictionary_encode()
        words = coded.dictionary.to_pylist()
        known = self._known
        if len(known) + len(words) > _MOST_KNOWN:
            known = self._known = {}
        hashes = []
        for word in words:
            found = known.get(word)
            if found is None:
                found = self.hash_one(word)
                known[word] = found
            hashes.append(found)
        return pa.array(hashes, pa.string()).take(coded.indices)

    def hash_batch(self, batch: pa.RecordBatch, schema: TableSchema) -> pa.RecordBatch:
        """The batch with the identifiers of its schema hashed."""
        columns = [
            self.hash_array(column) if schema[name].identifier and column.null_count < len(column) else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def all_hashed(array: pa.Array) -> bool:
    """Whether every value that is not null is a hash of ours already."""
    return array.null_count == len(array) or bool(pc.all(pc.match_substring_regex(array, HASHED)).as_py())


def unhashed(batch: pa.RecordBatch, schema: TableSchema) -> int:
    """How many identifiers of a batch (values, not distinct ones) are no hash of ours."""
    count = 0
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if schema[name].identifier and column.null_count < len(column):
            known = pc.sum(pc.equal(pc.binary_length(column), _HASH_LENGTH)).as_py()
            if known:  # of the right length; the expression is slow
                known = pc.sum(pc.match_substring_regex(column, HASHED)).as_py()
            count += len(column) - column.null_count - known
    return count


def without_text(batch: pa.RecordBatch, schema: TableSchema) -> pa.RecordBatch:
    """The batch with its text columns emptied (`--hash-only`)."""
    columns = [
        pa.nulls(len(column), column.type) if schema[name].text else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def stored(schema: TableSchema) -> list[tuple[str, str]]:
    """(column, what is stored of it) for each column of a table; `docs/data.md` holds it."""
    return [(column.name, _stored(column.identifier, column.text)) for column in schema]


def _stored(identifier: bool, text: bool) -> str:
    if identifier:
        return "keyed hash only (`hk_` and 32 hex digits)"
    return "as it is, or nothing with `--hash-only`" if text else "as it is"


def _made(path: Path) -> bytes | None:
    """A new key file's key, or None where the file is there already."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    try:
        os.write(descriptor, key.hex().encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return key


def _read(path: Path) -> bytes:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & _OTHERS:
        raise UnreadableInputError(
            f"others may read or write the key of the identifiers (mode {mode:03o})",
            f"chmod 600 {path}; if somebody may have read it, make a new key and import the logs again",
            file=path,
        )
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (ValueError, UnicodeDecodeError):
        key = b""
    if len(key) < 16:
        raise UnreadableInputError(
            "this is no key file: 32 to 64 hexadecimal digits are expected",
            "restore it from a copy; without it delete it, and import the logs again under the new key",
            file=path,
        )
    return key
