"""What names a person or an instrument, or is somebody's text, and where it must never be found."""

import datetime as dt
import json
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.tables import EXCHANGES
from tests.cli.command import bytes_below, run, run_apart

KEY = "sk-live-clearly-secret-7781"
PERSON = "jane.roe.4471@somewhere.example"
CARD = "card-fingerprint-9921-xy"
DOMAIN = "very-private-domain.example"
SECRETS = [KEY, PERSON, CARD, DOMAIN]


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    lines = [
        {
            "exchange_id": f"x{i}",
            "ts": "2026-03-02T12:00:00Z" if i < 5 else "2026-03-02T12:00:00",  # no zone: goes to quarantine
            "account_id": "acct-1",
            "model": "m",
            "key_id": KEY,
            "end_user_id": PERSON,
            "prompt": "Tell me of heat pumps.",
        }
        for i in range(6)
    ]
    bad = [{**lines[0], "exchange_id": None}, {**lines[0], "exchange_id": "y", "key_id": {"raw": KEY}}]
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *bad]))
    account = {
        "account_id": "acct-1",
        "payment_id": CARD,
        "email_domain": DOMAIN,
        "created_at": "2025-01-01T00:00:00Z",
    }
    other = {
        "account_id": None,
        "payment_id": CARD,
        "email_domain": DOMAIN,
        "created_at": "2025-01-01T00:00:00Z",
    }
    pq.write_table(pa.Table.from_pylist([account, other]), folder / "accounts.parquet")
    return log, folder / "accounts.parquet"


def secrets_in(*folders: Path) -> set[tuple[str, str]]:
    return {
        (file.name, secret)
        for file, held in bytes_below(*folders).items()
        for secret in SECRETS
        if secret.encode() in held
    }


def test_identifiers_in_clear_stand_in_no_output(inputs, tmp_path):
    key_file = tmp_path / "keys" / "of" / "mine"
    ends = [
        run("import", *inputs, "--out", tmp_path / "d", "--key-file", key_file),
        run("scan", *inputs, "--out", tmp_path / "r", "--key-file", key_file, "--keep-steps", "--show-text"),
        run("scan", tmp_path / "d", "--out", tmp_path / "r2", "--key-file", key_file, "--json"),
        run("validate", tmp_path / "d", "--quarantine", tmp_path / "d" / "q", "--json"),
    ]
    row = pq.read_table(tmp_path / "d" / "exchanges").to_pylist()[0]
    assert row["key_id"].startswith("hk_")
    assert row["end_user_id"].startswith("hk_")
    account = pq.read_table(tmp_path / "d" / "accounts.parquet").to_pylist()[0]
    assert account["payment_id"].startswith("hk_")
    assert account["email_domain"].startswith("hk_")
    assert (tmp_path / "d" / "quarantine.jsonl").exists()
    assert secrets_in(tmp_path / "d", tmp_path / "r", tmp_path / "r2") == set()
    # Parquet packs its pages: what is in the tables is looked at unpacked, too.
    for file in [*(tmp_path / "d").rglob("*.parquet"), *(tmp_path / "r").rglob("*.parquet")]:
        held = repr(pq.read_table(file).to_pylist())
        assert not any(secret in held for secret in SECRETS), file
    key = key_file.read_text().strip()
    assert len(key) == 64
    for ended in ends:
        ended.done()
        assert not any(secret in ended.out + ended.err for secret in [*SECRETS, key])
    told = bytes_below(tmp_path / "d", tmp_path / "r", tmp_path / "r2")
    assert not any(key.encode() in held or bytes.fromhex(key) in held for held in told.values())


@pytest.mark.parametrize("used_as_it_is", [False, True])
def test_a_dataset_that_names_them_in_clear_is_hashed_before_it_is_used(inputs, tmp_path, used_as_it_is):
    dataset = tmp_path / "in" / "dataset"
    dataset.mkdir()
    rows = [json.loads(line) for line in inputs[0].read_text().splitlines()[:5]]
    table = pa.Table.from_pylist(rows)
    if used_as_it_is:  # nothing in it has to be changed, so that the steps read this very file
        rows = [{**row, "ts": dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)} for row in rows]
        table = pa.Table.from_pylist(rows, EXCHANGES.arrow)
    pq.write_table(table, dataset / "exchanges.parquet")
    pq.write_table(pq.read_table(inputs[1]), dataset / "accounts.parquet")
    run("scan", dataset, "--out", tmp_path / "r", "--keep-steps").done()
    assert (tmp_path / "r" / "steps" / "input" / "exchanges").exists() != used_as_it_is
    assert secrets_in(tmp_path / "r") == set()
    for file in (tmp_path / "r").rglob("*.parquet"):
        assert not any(secret in repr(pq.read_table(file).to_pylist()) for secret in SECRETS), file


def test_the_key_is_made_for_its_owner_alone(inputs, tmp_path):
    home = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    ended = run_apart("import", inputs[0], "--out", tmp_path / "d", before="umask 000", env=home).done()
    (key_file,) = (tmp_path / "home" / ".config").rglob("*.key")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert key_file.read_text().strip() not in ended.out + ended.err


def test_a_key_that_others_may_read_is_refused_unread(inputs, tmp_path):
    key_file = tmp_path / "key"
    key_file.write_text("ab" * 32)
    key_file.chmod(0o644)
    ended = run("import", inputs[0], "--out", tmp_path / "d", "--key-file", key_file)
    ended.refused(3, key_file, "chmod 600")
    assert "abab" not in ended.err
