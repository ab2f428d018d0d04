"""A small world in event time: the same campaigns as a scan, nothing read ahead, and no trace of having been killed."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.campaigns.tables import HISTORY, MEMBERS_OVER_TIME, RESULTS
from stillwatch.evidence.results import load_results
from stillwatch.exchange.errors import UsageError
from stillwatch.replay import ReplayRequest, replay
from stillwatch.settings import load_settings
from tests.cli.command import PROGRAM, run
from tests.end_to_end.worlds import as_lines, exchanges, own_key_file, scanned, world

__all__ = ["own_key_file", "scanned", "world"]

EVERY, LENGTH = "12h", dt.timedelta(hours=12)


class Killed(Exception):  # noqa: N818
    """Stands for the end of the process."""


def replayed_to(dataset: Path, out: Path, stop_at: int | None = None, **request: object) -> Path:
    def report(words: str, done: int, total: int) -> None:
        if stop_at is not None and words == "event time" and done >= stop_at:
            raise Killed

    asked = ReplayRequest(str(dataset), EVERY, **request)  # type: ignore[arg-type]
    replay(asked, out, load_settings(None, {}), report)
    return out


@pytest.fixture(scope="module")
def replayed(world, own_key_file, tmp_path_factory) -> Path:
    return replayed_to(world.dataset, tmp_path_factory.mktemp("replayed") / "out")


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return found


def members(folder: Path) -> dict[str, set[str]]:
    found = defaultdict(set)
    for row in rows(folder, "members"):
        found[row["campaign_id"]].add(row["account_id"])
    return found


def results(folder: Path) -> dict[str, bytes]:
    """Everything but how long it took."""
    return {file.name: file.read_bytes() for file in folder.glob("*.parquet")}


def test_scan_and_replay_agree(replayed, scanned):
    mine, its = members(replayed), members(scanned.folder)
    assert len(mine) == len(its) >= 1
    for accounts in its.values():
        best = max(mine.values(), key=lambda other: len(accounts & other))
        assert len(accounts & best) >= 0.9 * len(accounts | best)


def test_every_table_of_a_scan_is_there_and_sound(replayed):
    found = load_results(replayed)
    assert found.contradictions == []
    for schema in RESULTS:
        names = pq.read_schema(replayed / f"{schema.name}.parquet").names
        assert set(schema.names) <= set(names)
    assert pq.read_schema(replayed / "history.parquet").names == HISTORY.names
    assert pq.read_schema(replayed / "members.parquet").names == MEMBERS_OVER_TIME.names
    assert "verdict first held" in (replayed / "report.html").read_text("utf-8")
    assert not (replayed / "state").exists() and not (replayed / "steps").exists()


def test_verdicts_have_times(replayed, world):
    (first,) = [row for row in rows(replayed, "history") if row["event"] == "flagged"]
    (campaign,) = rows(replayed, "campaigns")
    assert campaign["flagged_at"] == first["at"]
    assert campaign["campaign_id"] == first["campaign_id"]
    assert campaign["first_seen"] < campaign["flagged_at"]
    stamps = [row["at"] for row in rows(replayed, "history")]
    assert stamps == sorted(stamps)
    for row in rows(replayed, "members"):
        assert row["joined_at"] >= campaign["flagged_at"]
    assert any(row["joined_at"] == campaign["flagged_at"] for row in rows(replayed, "members"))


def cut(dataset: Path, out: Path, end: dt.datetime) -> Path:
    """What an operator held at a time: exchanges before it, accounts opened before it, bans before it."""
    (out / "exchanges").mkdir(parents=True)
    for file in sorted((dataset / "exchanges").glob("*.parquet")):
        table = pq.read_table(file)
        before = table.filter(pc.less(table.column("ts"), pa.scalar(end)))
        if len(before):
            pq.write_table(before, out / "exchanges" / file.name)
    accounts = pq.read_table(dataset / "accounts.parquet")
    opened = accounts.filter(pc.less(accounts.column("created_at"), pa.scalar(end)))
    banned = opened.column("banned_at")
    known = pc.if_else(pc.less(banned, pa.scalar(end)), banned, pa.scalar(None, banned.type))
    at = opened.schema.get_field_index("banned_at")
    pq.write_table(opened.set_column(at, "banned_at", known), out / "accounts.parquet")
    return out


def test_nothing_is_read_ahead(replayed, world, own_key_file, tmp_path):
    """Up to any time, the history is what it would be if the data ended there."""
    whole = rows(replayed, "history")
    end = next(row["at"] for row in whole if row["event"] == "flagged") + LENGTH
    out = replayed_to(cut(world.dataset, tmp_path / "cut", end), tmp_path / "out")
    # The last slice tests everything, so only what was told before it has to be the same.
    last = end - LENGTH
    assert [row for row in rows(out, "history") if row["at"] <= last] == [
        row for row in whole if row["at"] <= last
    ]


def test_a_replay_that_is_killed_ends_as_one_that_is_not(replayed, world, own_key_file, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Killed):
        replayed_to(world.dataset, out, stop_at=1)  # before the first checkpoint
    with pytest.raises(Killed):
        replayed_to(world.dataset, out, stop_at=13)
    checkpoints = out / "state" / "checkpoints"
    (held,) = checkpoints.glob("checkpoint-*")
    assert json.loads((held / "groups.json").read_text("utf-8"))["groups"], "nothing was reported yet"
    assert pq.read_schema(out / "history.parquet").names == HISTORY.names
    # What a kill in the middle of a checkpoint, or of a part, leaves is never taken up.
    shutil.copytree(held, checkpoints / f"{held.name}9.partial")
    (checkpoints / f"{held.name}9").mkdir()
    (out / "state" / "parts" / "signals-99.parquet").write_bytes(b"half")
    replayed_to(world.dataset, out)
    assert results(out) == results(replayed)


def test_another_replay_s_state_is_refused(world, own_key_file, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Killed):
        replayed_to(world.dataset, out, stop_at=3)
    with pytest.raises(UsageError, match=r"every = '12h'.*'1d'[\s\S]*--restart"):
        replay(ReplayRequest(str(world.dataset), "1d"), out, load_settings(None, {}))
    with pytest.raises(UsageError, match=r"fdr = 0\.01"):
        replay(ReplayRequest(str(world.dataset), EVERY), out, load_settings(None, {"fdr": 0.05}))
    other = tmp_path / "other"
    shutil.copytree(world.dataset, other)
    table = pq.read_table(next((other / "exchanges").glob("*.parquet")))
    pq.write_table(table.slice(1), next((other / "exchanges").glob("*.parquet")))
    with pytest.raises(UsageError, match="other data"):
        replayed_to(other, out)
    identity = json.loads((out / "replay.json").read_text())
    (out / "replay.json").write_text(json.dumps({**identity, "version": "0.0.0"}))
    with pytest.raises(UsageError, match=r"version 0\.0\.0"):
        replayed_to(world.dataset, out)
    (out / "replay.json").write_text("no JSON")
    with pytest.raises(UsageError, match="no record of a replay"):
        replayed_to(world.dataset, out)


def test_damaged_state_is_refused(world, own_key_file, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Killed):
        replayed_to(world.dataset, out, stop_at=3)
    (held,) = (out / "state" / "checkpoints").glob("checkpoint-*")
    (held / "used.parquet").write_bytes(b"")
    with pytest.raises(UsageError, match=r"used\.parquet.*damaged[\s\S]*--restart"):
        replayed_to(world.dataset, out)


def test_the_command(replayed, world, own_key_file, tmp_path):
    again = run("replay", world.dataset, "--every", EVERY, "--out", replayed, "--json").done()
    assert "finished before" in again.err
    assert again.json["counts"]["campaigns"] == 1
    assert (
        run("replay", world.dataset, "--every", EVERY, "--out", replayed, "--fail-on", "campaign").code == 1
    )
    run("replay", world.dataset, "--every", "2 weeks", "--out", tmp_path / "x").refused(2, "--every")
    run("replay", world.dataset, "--horizon", "1h", "--out", tmp_path / "x").refused(2, "horizon")
    run("replay", tmp_path / "none", "--out", tmp_path / "x").refused(2, "none")
    run("replay", world.dataset, "--out", world.dataset).refused(2, world.dataset)
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    run("replay", log, "--out", tmp_path / "x").refused(2, log, "stillwatch import")


def test_a_process_that_is_killed(replayed, world, own_key_file, tmp_path):
    out = tmp_path / "out"
    command = [PROGRAM, "replay", str(world.dataset), "--every", EVERY, "--out", str(out)]
    started = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list((out / "state" / "checkpoints").glob("checkpoint-*[0-9]")):
        assert started.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not (out / "summary.json").exists()
    told = run("replay", world.dataset, "--every", EVERY, "--out", out).done()
    assert "flagged" in told.err
    assert results(out) == results(replayed)


def test_signatures_in_place_of_texts(world, own_key_file, tmp_path):
    log, dataset = tmp_path / "log.jsonl", tmp_path / "dataset"
    log.write_bytes(as_lines(exchanges(world).to_pylist()))
    run("import", log, "--out", dataset, "--hash-only").done()
    out = tmp_path / "out"
    replayed_to(dataset, out)
    (campaign,) = rows(out, "campaigns")
    assert campaign["flagged_at"] > campaign["first_seen"]
    assert not (out / "samples.parquet").exists()
    assert set(pq.read_table(out / "group_templates.parquet").column("skeleton").to_pylist()) == {None}
