"""Identifiers are hashed with a key that nobody else can read and that shows up nowhere."""

import copy
import hashlib
import hmac
import os
import pickle
import stat
import traceback
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given

from stillwatch.exchange.errors import OutputError, StillwatchError, UnreadableInputError
from stillwatch.exchange.privacy import (
    IdentifierHasher,
    all_hashed,
    default_key_file,
    stored,
    without_text,
)
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES
from tests.exchange.rows import table

KEY = bytes(range(32))
HASHER = IdentifierHasher(KEY)


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_hashes_are_hmac_sha256_and_hashing_twice_changes_nothing(names: list[str | None]) -> None:
    once = HASHER.hash_array(pa.array(names, pa.string()))
    expected = [n and "hk_" + hmac.new(KEY, n.encode(), hashlib.sha256).hexdigest()[:32] for n in names]
    empty = "hk_" + hmac.new(KEY, b"", hashlib.sha256).hexdigest()[:32]
    assert once.to_pylist() == [empty if n == "" else n for n in expected]
    assert HASHER.hash_array(once).equals(once)
    assert all_hashed(once)


def test_only_identifiers_are_hashed() -> None:
    batch = table(0, 3, key_id="sk-secret").to_batches()[0]
    hashed = HASHER.hash_batch(batch, EXCHANGES)
    changed = [name for name in EXCHANGES.names if not hashed.column(name).equals(batch.column(name))]
    assert changed == ["key_id"]
    assert not all_hashed(batch.column("key_id")) and all_hashed(hashed.column("key_id"))


def test_text_can_be_dropped() -> None:
    batch = without_text(table(0, 3).to_batches()[0], EXCHANGES)
    empty = [c.name for c in EXCHANGES if batch.column(c.name).null_count == 3]
    assert empty == [c.name for c in EXCHANGES if c.text] == ["system_prompt", "prompt", "response"]


def test_the_list_of_what_is_stored_covers_every_column() -> None:
    for schema in (EXCHANGES, ACCOUNTS):
        assert [name for name, _ in stored(schema)] == schema.names
    assert dict(stored(ACCOUNTS))["payment_id"].startswith("keyed hash only")
    assert "--hash-only" in dict(stored(EXCHANGES))["prompt"]


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "config" / "identifier.key"
    previous = os.umask(0)
    try:
        first = IdentifierHasher.from_key_file(path)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = IdentifierHasher.from_key_file(path)
    other = IdentifierHasher.from_key_file(tmp_path / "other.key")
    assert first.hash_one("a") == second.hash_one("a") != other.hash_one("a")
    assert bytes.fromhex(path.read_text()) != bytes.fromhex((tmp_path / "other.key").read_text())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "identifier.key"
    IdentifierHasher.from_key_file(path)
    path.chmod(mode)
    with pytest.raises(UnreadableInputError) as caught:
        IdentifierHasher.from_key_file(path)
    assert str(caught.value) == (
        f"{path}: others may read or write the key of the identifiers (mode {mode:03o})\n"
        f"  What to do: chmod 600 {path}; if somebody may have read it, "
        "make a new key and import the logs again"
    )


@pytest.mark.parametrize("content", ["", "no key", "abcd", "\xff" * 40])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "identifier.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(UnreadableInputError, match="this is no key file"):
        IdentifierHasher.from_key_file(path)
    assert path.read_text() == content


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--key-file"):
        IdentifierHasher.from_key_file(tmp_path / "file" / "identifier.key")


def test_the_key_shows_up_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "identifier.key"
    hasher = IdentifierHasher.from_key_file(path)
    key = path.read_text().strip()
    shown = [repr(hasher), str(hasher), f"{hasher!r}"]
    for leak in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            leak(hasher)
        shown.append("".join(traceback.format_exception(caught.value)))
    path.chmod(0o644)
    with pytest.raises(StillwatchError) as refused:
        IdentifierHasher.from_key_file(path)
    shown.append(str(refused.value))
    assert not any(key in text or repr(bytes.fromhex(key)) in text for text in shown)
    assert not hasattr(hasher, "__dict__")


def test_the_default_place_follows_the_desktop_standard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_key_file() == tmp_path / "stillwatch" / "identifier.key"
