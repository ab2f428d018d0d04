"""A run that is killed in the middle: nothing looks whole that is not, and the next run ends as if it was the first."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stillwatch.evidence.results import load_results
from stillwatch.exchange.errors import UnreadableInputError
from tests.cli.command import PROGRAM, run
from tests.end_to_end.worlds import as_lines, exchanges, scan


def kill_when(command: list[str | Path], there: Path, pattern: str) -> None:
    """Start a command and kill it as soon as a file of that name stands below a folder."""
    started = subprocess.Popen(
        [PROGRAM, *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not any(there.rglob(pattern)):
            assert started.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def test_a_killed_scan(world, scanned, tmp_path):
    shutil.copytree(scanned.folder, tmp_path, dirs_exist_ok=True)
    kill_when(["scan", world.dataset, "--out", tmp_path], tmp_path, "signatures.partial")
    # Results of the earlier scan are gone, so nobody takes them for those of the one that was killed.
    assert not list(tmp_path.glob("*.parquet")) and not (tmp_path / "summary.json").exists()
    assert not (tmp_path / "report.html").exists()
    with pytest.raises(UnreadableInputError):
        load_results(tmp_path)
    run("explain", "c", "--results", tmp_path).refused(3, tmp_path)
    again = scan(tmp_path, world.dataset)
    assert again.verdicts() == scanned.verdicts()
    assert not list(tmp_path.rglob("*.partial")) and not (tmp_path / "steps").exists()


def test_a_killed_import(world, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_bytes(as_lines(exchanges(world).to_pylist()))
    out = tmp_path / "dataset"
    kill_when(["import", log, "--out", out, "--hash-only"], out, "signatures.p*")
    run("scan", out, "--out", tmp_path / "r").refused(3, out)
    run("validate", out).refused(3, out)
    told = run("import", log, "--out", out, "--hash-only", "--json").done().json
    assert told["exchanges"] == world.n_exchanges
    assert sorted(file.name for file in out.iterdir()) == ["exchanges", "signatures"]
    assert run("validate", out, "--strict", "--json").done().json["unfinished"] is False
