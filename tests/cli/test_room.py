"""Too little room on the disk is told before anything is computed."""

from collections import namedtuple
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.errors import OutputError
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.room import BYTES_PER_EXCHANGE, LEAST_BYTES, expected_bytes, require_room
from tests.cli.command import run

LOG = Path(__file__).parents[1] / "fixtures" / "logs" / "openai_chat.ndjson"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def nearly_full(monkeypatch):
    monkeypatch.setattr(
        "stillwatch.room.shutil.disk_usage", lambda folder: Usage(10**9, 10**9 - 10**7, 10**7)
    )


def test_a_scan_without_room_does_not_begin(nearly_full, tmp_path, monkeypatch):
    out = tmp_path / "r"
    ended = run("scan", LOG, "--out", out).refused(
        4, out / "steps", "10 MB are free", "--out", "about 0.1 GB"
    )
    assert "--resume" not in ended.err
    assert not (out / "steps").exists()

    def begins(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stillwatch.scan.prepare_input", begins)
    monkeypatch.setenv("STILLWATCH_CHECK_DISK", "false")
    assert run("scan", LOG, "--out", out).code == 130


def test_what_stands_there_already_needs_no_more_room(nearly_full, tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "table.parquet").write_bytes(b"x" * 1_000_000)
    require_room(tmp_path, 11_000_000)
    with pytest.raises(OutputError, match=r"needs about 11 MB .* and 10 MB are free"):
        require_room(tmp_path, 12_000_000)


def test_what_is_expected_grows_with_the_input(tmp_path):
    folder = tmp_path / "d" / "exchanges"
    folder.mkdir(parents=True)
    nothing = EXCHANGES.arrow.empty_table()
    required = pa.table({name: ["x"] * 1000 for name in ("exchange_id", "account_id", "model")})
    required = required.append_column("ts", pa.array([0] * 1000, pa.timestamp("us", "UTC")))
    for number, table in enumerate((nothing, required, required)):
        pq.write_table(table, folder / f"{number}.parquet")
    held = sum(file.stat().st_size for file in folder.iterdir())
    plain = expected_bytes([str(tmp_path / "d")], copied=False)
    assert plain == LEAST_BYTES + 2000 * BYTES_PER_EXCHANGE
    assert expected_bytes([str(tmp_path / "d")], copied=True) == plain + held
    log, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    for file in (log, packed):
        file.write_bytes(b"x" * 100_000)
    assert expected_bytes([str(log)], copied=False) == LEAST_BYTES + 100_000 + 100 * BYTES_PER_EXCHANGE
    assert expected_bytes([str(packed)], copied=False) > 7 * (100_000 + 100 * BYTES_PER_EXCHANGE)
