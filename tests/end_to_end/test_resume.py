"""A scan that is stopped at any moment and resumed ends with the very bytes of one that was not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.progress import SCAN_SHARES
from tests.cli.command import run
from tests.end_to_end.worlds import scan

# Stops the process, as a loss of power does, right after (or in the middle of) the step of that number.
STOPPING = """
import os, signal, sys
from stillwatch.cli.main import main
from stillwatch.engines.journal import Journal

number, with_what = int(sys.argv[1]), int(sys.argv[2])
add, made = Journal.add, []

def stopping(self, *told):
    add(self, *told)
    made.append(told)
    if len(made) == number:
        os.kill(os.getpid(), with_what)

Journal.add = stopping
sys.argv = ["stillwatch", *sys.argv[3:]]
main()
"""


# Stops it while a file is being written: half of it is there, under the name that it has until it is whole.
TEARING = """
import os, signal, sys
from pathlib import Path
from stillwatch.cli.main import main

name, replace = sys.argv[1], Path.replace

def tearing(self, target):
    if Path(target).name == name:
        os.truncate(self, self.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

Path.replace = tearing
sys.argv = ["stillwatch", *sys.argv[2:]]
main()
"""


def torn(name: str, *arguments: str | Path) -> None:
    command = [sys.executable, "-c", TEARING, name, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def require_whole(folder: Path) -> None:
    """Every file that has the name of a result can be read to its end."""
    for file in folder.iterdir():
        if file.suffix == ".parquet":
            pq.read_table(file)
        elif file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".html":
            assert file.read_text().rstrip().endswith("</html>")
        else:
            assert file.name == "steps" or file.suffix == ".partial", file


def stopped(
    number: int, with_what: signal.Signals, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", STOPPING, str(number), str(int(with_what)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def tables(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.parquet"))}


def steps(folder: Path) -> list[str]:
    return [step["name"] for step in json.loads((folder / "steps" / "manifest.json").read_text())["steps"]]


def test_stopped_again_and_again_it_ends_the_same(world, scanned, tmp_path):
    out = tmp_path / "r"
    arguments = ["scan", world.dataset, "--out", out]
    done = 0
    for number, more in ((2, []), (7, ["--resume"]), (12, ["--resume"])):
        ended = stopped(number, signal.SIGKILL, *arguments, *more)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        if more:
            assert f"behind {done + 1} finished steps" in ended.stderr
        done += number
        assert len(steps(out)) == done
        assert not list(out.glob("*.parquet")) and not (out / "summary.json").exists()
    # A table that is no longer what it was, and all that came after it, is made again.
    names = steps(out)
    (out / "steps" / f"{names[-2]}.parquet").write_bytes(b"PAR1 torn")
    for name in ("flagged.parquet", "members.parquet", "summary.json", "report.html"):
        torn(name, *arguments, "--resume")
        assert not (out / name).exists()
        require_whole(out)
    again = scan(out, world.dataset, "--resume")
    assert not list(out.rglob("*.partial"))
    assert {step["name"].replace("_", " ") for step in again.summary["steps"]} >= (
        SCAN_SHARES.keys() - {"reading logs", "checking the dataset", "testing groups", "results"}
    )
    assert tables(out) == tables(scanned.folder)
    assert not (out / "steps").exists()
    assert [step["name"] for step in again.summary["steps"]] == [
        step["name"] for step in scanned.summary["steps"]
    ]
    assert again.summary["counts"] == scanned.summary["counts"]


def test_interrupted_by_hand_it_says_how_to_go_on(world, scanned, tmp_path):
    out = tmp_path / "r"
    ended = stopped(3, signal.SIGINT, "scan", world.dataset, "--out", out)
    assert ended.returncode == 130, ended.stderr
    assert (
        "Interrupted." in ended.stderr and "--resume" in ended.stderr and str(out / "steps") in ended.stderr
    )
    assert "Traceback" not in ended.stderr
    before = {file: file.read_bytes() for file in (out / "steps").rglob("*") if file.is_file()}

    # Whatever is not the same is named, and nothing is touched.
    run("scan", world.dataset, "--out", out, "--resume", "--fdr", "0.2").refused(
        2, "fdr", "0.01", "0.2", "--resume"
    )
    run("scan", world.dataset, "--out", out, "--resume", "--key-file", tmp_path / "key").refused(2, "key")
    (tmp_path / "other").symlink_to(world.dataset)
    run("scan", tmp_path / "other", "--out", out, "--resume").refused(2, "inputs", tmp_path / "other")
    file = sorted((world.dataset / "exchanges").glob("*.parquet"))[0]
    known = file.stat()
    os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    run("scan", world.dataset, "--out", out, "--resume").refused(2, file, "changed")
    os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert {file: file.read_bytes() for file in (out / "steps").rglob("*") if file.is_file()} == before

    # Memory and threads may differ: with too little of them it may have failed.
    ended_well = run("scan", world.dataset, "--out", out, "--resume", "--memory-limit", "2GB").done()
    assert "behind 4 finished steps" in ended_well.err
    assert tables(out) == tables(scanned.folder)


def test_where_there_is_nothing_to_go_on_with(world, tmp_path, monkeypatch):
    begun: list[object] = []

    def prepare_nothing(*_: object, **__: object) -> None:
        begun.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("stillwatch.scan.prepare_input", prepare_nothing)
    ended = run("scan", world.dataset, "--out", tmp_path / "r", "--resume")
    assert (ended.code, len(begun)) == (130, 1)
    assert "starts anew" in ended.err and "kept" not in ended.err
    assert not (tmp_path / "r" / "steps").exists()
    run("scan", world.dataset, "--out", tmp_path / "r", "--resume", "--hash-only").refused(2, "--hash-only")


LOG = Path(__file__).parents[1] / "fixtures" / "logs" / "openai_chat.ndjson"


def test_logs_are_not_read_twice(tmp_path):
    ended = stopped(2, signal.SIGINT, "scan", LOG, "--out", tmp_path)
    assert ended.returncode == 130, ended.stderr
    imported = {file: file.stat().st_mtime_ns for file in (tmp_path / "steps" / "input").rglob("*.parquet")}
    assert imported
    stopped(1, signal.SIGINT, "scan", LOG, "--out", tmp_path, "--resume")
    assert {file: file.stat().st_mtime_ns for file in imported} == imported
    run("scan", LOG, "--out", tmp_path, "--resume").done()
    assert not (tmp_path / "steps").exists()


@pytest.mark.parametrize("hash_only", [False, True])
def test_what_was_made_of_texts_stays_only_where_it_may(hash_only, tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        assert (tmp_path / "steps" / "input" / "dataset").is_dir()
        raise KeyboardInterrupt

    monkeypatch.setattr("stillwatch.scan._stages", stop)
    ended = run("scan", LOG, "--out", tmp_path, *(["--hash-only"] if hash_only else []))
    assert ended.code == 130
    assert (tmp_path / "steps").exists() != hash_only
    assert ("--resume" in ended.err) != hash_only
