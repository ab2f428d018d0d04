"""Suites: runs of real commands on a tiny world, what is kept of them, and what is said of two of them."""

import copy
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import PROGRAM, run

from benchmarks import quality as gate
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab.score import Score
from stillwatch.lab.suite import SuiteRequest, run_suite
from stillwatch.lab.suites.against import compare
from stillwatch.lab.suites.detectors import Detector, built_in, chosen
from stillwatch.lab.suites.readme import BEGIN, END, readme_block, write_block
from stillwatch.lab.suites.records import fingerprint, kept_score, read_quality
from stillwatch.lab.suites.settings import Cell, Tolerance, read_suite, shipped_suites
from stillwatch.lab.suites.table import ALL_WORLDS

# A detector that looks at the labels (only here are they within its reach), and some that are not so good.
DETECTOR = """
import sys, time
from pathlib import Path
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
kind, calls, dataset, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
with calls.open("a") as file:
    file.write(f"{kind} {out.parent.name}\\n")
if kind == "broken":
    sys.exit(f"no such column in {dataset}")
if kind == "idle":
    sys.exit()
if kind == "slow" and not calls.with_name("quick").exists():
    calls.with_name("slow.pid").write_text(str(__import__("os").getpid()))
    time.sleep(300)
ballast = b"x" * (300 << 20) if kind == "heavy" else b""
labels = pq.read_table(dataset.parent / "labels.parquet")
known = labels.filter(pc.is_valid(labels["campaign_id"]))
if kind != "truth":
    known = known.slice(0, 0)
if kind == "rash":
    known = labels.filter(pc.is_null(labels["campaign_id"])).slice(0, 50)
    known = known.set_column(known.schema.get_field_index("campaign_id"), "campaign_id", pa.array(["r"] * 50))
out.mkdir(parents=True)
names = pc.unique(known["campaign_id"])
pq.write_table(pa.table({"campaign_id": names, "rung": pa.array(["coordinated"] * len(names), pa.string())}),
               out / "campaigns.parquet")
pairs = known.group_by(["campaign_id", "account_id"]).aggregate([])
pq.write_table(pairs.append_column("probability", pa.array([1.0] * len(pairs), pa.float64())), out / "members.parquet")
pq.write_table(known.select(["exchange_id", "campaign_id"]), out / "flagged.parquet")
"""
KINDS = ("truth", "blind", "rash", "heavy", "broken", "idle")


def suite_file(folder: Path, *kinds: str, seeds: str = "[1]", null_seeds: str = "[]") -> Path:
    """A suite on the tiny world whose detectors are `DETECTOR` in some of its kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "detector.py").write_text(DETECTOR)
    lines = [
        f"[suite]\nscale = 'tiny'\nseeds = {seeds}\nnull_seeds = {null_seeds}",
        f"detectors = {json.dumps(kinds)}",
    ]
    lines += ["[[world]]\nname = 'first'", "[detector]"]
    for kind in kinds:
        words = [sys.executable, str(folder / "detector.py"), kind, str(folder / "calls")]
        lines.append(f"{kind} = {json.dumps(shlex.join(words) + ' {dataset} {out}')}")
    path = folder / "tried.toml"
    path.write_text("\n".join(lines))
    return path


def calls(file: Path) -> list[str]:
    path = file.parent / "calls"
    return sorted(path.read_text().splitlines()) if path.exists() else []


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """(suite file, its folder, how the command ended)"""
    folder = tmp_path_factory.mktemp("suite")
    file = suite_file(folder, *KINDS, null_seeds="[2]")
    return file, folder / "out", run("lab", "suite", file, "--out", folder / "out")


@pytest.fixture(scope="module")
def quality(suite):
    return read_quality(suite[1] / "quality.json")


def rows(quality: dict[str, Any], world: str = "first") -> dict[str, dict[str, Any]]:
    return {row["detector"]: row for row in quality["table"] if row["world"] == world}


def test_each_detector_gets_the_score_that_it_deserves(quality):
    found = rows(quality)
    assert list(found) == list(KINDS)
    truth, blind, rash = found["truth"], found["blind"], found["rash"]
    assert truth["campaigns"]["share"] == truth["accounts_recall"]["share"] == 1
    assert truth["exchanges_recall"]["share"] == truth["exchanges_precision"]["share"] == 1
    assert (truth["benign"]["hits"], truth["false_campaigns"], truth["null_reports"]) == (0, 0, 0)
    assert blind["campaigns"]["hits"] == blind["accounts_recall"]["hits"] == 0
    assert blind["campaigns"]["total"] == truth["campaigns"]["total"] > 0
    assert blind["exchanges_precision"]["share"] is None
    assert rash["benign"]["hits"] > 0
    assert (rash["false_campaigns"], rash["null_reports"]) == (1, 1)
    assert rash["null_benign"]["hits"] > 0
    assert [row["world"] for row in quality["table"]] == ["first"] * 6 + [ALL_WORLDS] * 6


def test_a_detector_that_fails_is_a_row_with_its_error(suite, quality):
    _, out, ended = suite
    errors = {(run["detector"], run["null"]): run["error"] for run in quality["runs"] if run["error"]}
    assert set(errors) == {(name, null) for name in ("broken", "idle") for null in (False, True)}
    assert errors["broken", False] == "exit code 1: no such column in DIR/worlds/first-1/dataset"
    assert "wrote no results" in errors["idle", True]
    assert rows(quality)["broken"]["failed"] == 2
    assert ended.code == 1
    assert re.search(r"broken +│( +- │)+ +2 │", ended.out)
    assert "Failed: first-1, broken: exit code 1" in ended.err
    assert "no such column" in (out / "results" / "first-1" / "broken.log").read_text()


def test_nothing_of_the_world_stays_and_the_results_do(suite):
    _, out, _ = suite
    assert not (out / "worlds").exists()
    assert {p.name for p in (out / "results" / "first-2-null" / "truth").iterdir()} == {
        "campaigns.parquet",
        "members.parquet",
        "flagged.parquet",
        "run.json",
    }
    assert not list(out.rglob("*.partial")) + list(out.rglob("*.key")) + list(out.rglob("*.cost.json"))


def test_kept_scores_can_be_read_as_scores_again(quality):
    for one in quality["runs"]:
        if one["score"] is not None:
            again = kept_score(Score.from_dict(one["score"]))
            assert again == one["score"]


def test_times_stand_apart_and_a_peak_is_the_detectors_own(suite):
    times = json.loads((suite[1] / "times.json").read_text())
    cost = {(run["detector"], run["null"]): run for run in times["runs"]}
    assert len(cost) == 12
    assert all(cost[kind, False]["cpu_s"] > 0 for kind in ("truth", "blind", "heavy"))
    assert cost["heavy", False]["peak_bytes"] - cost["blind", False]["peak_bytes"] > 250 << 20
    assert cost["broken", False]["wall_s"] is None
    assert not re.search(r"(wall_s|cpu_s|peak_bytes)\W+\d", (suite[1] / "quality.json").read_text())


def test_a_second_run_repeats_only_what_failed_and_writes_the_same_bytes(suite):
    file, out, _ = suite
    before, done = (out / "quality.json").read_bytes(), calls(file)
    assert len(done) == 12
    again = run("lab", "suite", file, "--out", out, "--json")
    assert again.json == json.loads(before)
    assert (out / "quality.json").read_bytes() == before
    new = calls(file)
    for call in done:
        new.remove(call)
    assert {call.split()[0] for call in new} == {"broken", "idle"}
    assert len(new) == 4


def test_a_run_holds_for_the_settings_of_its_world_and_its_detector(tmp_path):
    world = tmp_path / "own.toml"
    world.write_text("[[population]]\nkind = 'chat_users'\naccounts = 100\n")
    cell, detector = Cell(str(world), 1, False, "tiny"), Detector("mine", ("x", "{dataset}", "{out}"))
    seen = {fingerprint(cell, detector)}
    assert fingerprint(cell, detector) in seen
    world.write_text("# a remark\n" + world.read_text())
    assert fingerprint(cell, detector) in seen
    world.write_text(world.read_text().replace("100", "101"))
    for changed, by in (
        (cell, detector),
        (replace(cell, seed=2), detector),
        (replace(cell, null=True), detector),
        (replace(cell, scale="small"), detector),
        (cell, replace(detector, command=("y", "{dataset}", "{out}"))),
        (cell, Detector("mine", folder=str(tmp_path))),
    ):
        assert fingerprint(changed, by) not in seen
        seen.add(fingerprint(changed, by))


def test_finished_results_in_a_folder_are_scored_alike(suite, quality, tmp_path):
    _, out, _ = suite
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "first-1").symlink_to(out / "results" / "first-1" / "truth")
    file = suite_file(tmp_path / "s", "blind", null_seeds="[2]")
    ended = run("lab", "suite", file, "--out", tmp_path / "out", "--detector", f"mine={theirs}", "--json")
    scores = {(r["detector"], r["null"]): r for r in quality["runs"]}
    with_, without = ended.json["runs"]
    assert with_["score"] == scores["truth", False]["score"]
    assert without["error"] == "there is no folder first-2-null among the finished results"
    assert ended.code == 1


def test_a_killed_suite_stops_its_detector_and_goes_on_where_it_stood(tmp_path):
    file, out = suite_file(tmp_path, "truth", "slow"), tmp_path / "out"
    command = [PROGRAM, "lab", "suite", str(file), "--out", str(out)]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    pid = tmp_path / "slow.pid"
    until(lambda: pid.exists() and pid.read_text())
    started.send_signal(signal.SIGKILL)
    started.wait()
    until(lambda: not alive(int(pid.read_text())))
    kept = read_quality(out / "quality.json")
    assert [run["detector"] for run in kept["runs"]] == ["truth"]
    (tmp_path / "quick").touch()
    ended = run("lab", "suite", file, "--out", out, "--json").done()
    assert [run["detector"] for run in ended.json["runs"]] == ["truth", "slow"]
    assert calls(file) == ["slow first-1", "slow first-1", "truth first-1"]
    assert not (out / "worlds").exists()


def until(condition: Any) -> None:
    """Waits for something that comes; gives up after two minutes."""
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_detector_that_never_ends_has_failed(tmp_path):
    settings = replace(read_suite(suite_file(tmp_path, "slow")), timeout_s=1.5)
    found = run_suite(SuiteRequest(settings, chosen(settings)), tmp_path / "out")
    assert [failed.error for failed in found.failed] == ["it took longer than 1.5 s"]
    pid = tmp_path / "slow.pid"
    assert not pid.exists() or not alive(int(pid.read_text()))


def test_one_suite_at_a_time_works_in_a_folder(tmp_path):
    import fcntl

    file = suite_file(tmp_path, "blind")
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("lab", "suite", file, "--out", tmp_path / "out").refused(2, "another suite is at work")


# Comparing two files.


def renamed(quality: dict[str, Any], detector: str, *, baseline: bool = False) -> dict[str, Any]:
    """The runs of one detector as if they were `ours`."""
    runs = [
        r | {"detector": "ours", "baseline": baseline} for r in quality["runs"] if r["detector"] == detector
    ]
    return copy.deepcopy({"runs": runs})


def test_what_is_lost_is_a_regression_and_what_is_won_is_none(quality):
    truth, blind = renamed(quality, "truth"), renamed(quality, "blind")
    names = [c["campaign_id"] for c in truth["runs"][0]["score"]["campaigns"]]
    worse = compare(truth, blind, Tolerance())
    assert len(worse.regressions) == 3
    assert all(name in worse.regressions[0] for name in names)
    assert "accounts found: 100.00% -> 0.00%" in worse.regressions[1]
    assert worse.improvements == worse.remarks == []
    better = compare(blind, truth, Tolerance())
    assert len(better.improvements) == 3
    assert better.regressions == better.remarks == []
    same = compare(truth, truth, Tolerance())
    assert same.regressions == same.improvements == same.remarks == []


def test_accused_innocents_and_false_campaigns_are_regressions(quality):
    blind, rash = renamed(quality, "blind"), renamed(quality, "rash")
    found = compare(blind, rash, Tolerance()).regressions
    assert [line.split(": ")[1] for line in found] == ["benign accounts reported", "false campaigns"]
    # One false campaign in each of the two worlds, with and without campaigns.
    assert "false campaigns: 0 -> 2" in found[1]
    assert compare(rash, blind, Tolerance()).regressions == []
    enough = Tolerance(benign_accounts=1_000, false_campaigns=2)
    assert compare(blind, rash, enough).regressions == []
    assert len(compare(blind, rash, enough).remarks) == 2
    assert len(compare(blind, rash, replace(enough, false_campaigns=1)).regressions) == 1


def test_a_run_that_fails_now_is_a_regression(quality):
    blind, broken = renamed(quality, "blind"), renamed(quality, "broken")
    assert len(compare(blind, broken, Tolerance()).regressions) == 2
    assert len(compare(broken, blind, Tolerance()).improvements) == 2
    assert compare(broken, broken, Tolerance()).regressions == []


def test_changes_of_baselines_and_of_the_suite_are_remarks(quality):
    found = compare(renamed(quality, "truth"), renamed(quality, "blind", baseline=True), Tolerance())
    assert found.regressions == []
    assert len(found.remarks) == 3
    fewer = renamed(quality, "truth")
    fewer["runs"].pop()
    assert compare(renamed(quality, "truth"), fewer, Tolerance()).remarks == [
        "ours was run before and is not run now on first seed 2 without campaigns"
    ]


def test_the_command_ends_with_1_where_something_became_worse(suite, tmp_path):
    file, out, _ = suite
    before = json.loads((out / "quality.json").read_text())
    for one in before["runs"]:
        if one["detector"] == "blind" and not one["null"]:
            for campaign in one["score"]["campaigns"]:
                campaign["found"] = True
    path = tmp_path / "before.json"
    path.write_text(json.dumps(before))
    only = ("--detector", "blind")
    ended = run("lab", "suite", file, "--out", out, *only, "--against", path, "--markdown")
    assert ended.code == 1
    assert "Regressions:\n  first, blind: found before and missed now: " in ended.err
    assert ended.out.startswith("World `first`: 1 simulation with campaigns, 1 without")
    run("lab", "suite", file, "--out", out, *only, "--against", out / "quality.json").done()
    run("lab", "suite", file, "--out", out, "--against", file).refused(3, file)


# The gate of the repository.


def test_the_gate_replaces_the_committed_file_only_if_nothing_became_worse(tmp_path, capsys):
    file = suite_file(tmp_path, "truth")
    committed, readme = tmp_path / "quality.json", tmp_path / "README.md"
    readme.write_text(f"Before\n{BEGIN}{END}\nAfter\n")

    def make(*, accept: bool = False) -> None:
        gate.main(file, committed, tmp_path / "out", readme, accept=accept)

    make()
    good = committed.read_bytes()
    assert readme.read_text() == f"Before\n{readme_block(json.loads(good))}\nAfter\n"
    better = json.loads(good)
    better["runs"][0]["score"]["benign"]["hits"] = -1
    committed.write_text(json.dumps(better))
    with pytest.raises(SystemExit, match="ACCEPT=1"):
        make()
    assert json.loads(committed.read_text()) == better
    make(accept=True)
    assert committed.read_bytes() == good
    assert calls(file) == ["truth first-1"]
    assert "benign accounts reported: -1 -> 0" in capsys.readouterr().err


def test_the_table_of_a_page_is_replaced_and_nothing_else(tmp_path, quality):
    page = tmp_path / "page.md"
    page.write_bytes(f"a\r\n{BEGIN}\nold\n{END} b\n".encode())
    assert write_block(page, readme_block(quality))
    assert page.read_bytes() == f"a\r\n{readme_block(quality)} b\n".encode()
    assert not write_block(page, readme_block(quality))


@pytest.mark.parametrize("text", ["", BEGIN, END, END + BEGIN, BEGIN + END + END, BEGIN + BEGIN + END])
def test_a_page_without_its_place_is_refused(tmp_path, quality, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(UnreadableInputError, match=r"page\.md: the place of the table is not marked"):
        write_block(page, readme_block(quality))
    assert page.read_text() == text


# Settings.


def test_shipped_suites_can_be_read_and_hold_every_detector():
    assert "quality" in shipped_suites()
    for name in shipped_suites():
        settings = read_suite(name)
        assert [d.name for d in chosen(settings)] == list(settings.detectors or built_in())
        assert any(cell.null for cell in settings.cells)
    assert {c.seed for c in read_suite("quality", (8,)).cells if not c.null} == {8}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"no \[\[world\]\]"),
        ("[[world]]\nname = 'first'", "no seed is given"),
        (
            "[suite]\nsedes = [1]\n[[world]]\nname = 'first'",
            r"unknown key sedes\n.*null_seeds, only, scale, seeds",
        ),
        ("[suite]\nseeds = [1]\n[[world]]\nname = 'frist'", "frist: cannot read the world"),
        ("[suite]\nseeds = [-1]\n[[world]]\nname = 'first'", r"seeds = \[-1\] .*\n.*whole numbers from 0"),
        ("[suite]\nseeds = 1\n[[world]]\nname = 'first'", "seeds = 1 is not allowed"),
        ("[suite]\nscale = 'vast'\nseeds = [1]\n[[world]]\nname = 'first'", "scale = 'vast' .*\n.*small"),
        ("[suite]\nseeds = [1, 1]\n[[world]]\nname = 'first'", "first-1 stands twice"),
        ("[suite]\ntimeout_minutes = 0", r"no \[\[world\]\]"),
        (
            "[suite]\nseeds=[1]\ntimeout_minutes = 0\n[[world]]\nname = 'first'",
            "timeout_minutes = 0 .*\n.*1 to 1440",
        ),
        (
            "[tolerance]\nlost = 1\n[suite]\nseeds=[1]\n[[world]]\nname='first'",
            r"\[tolerance\]: unknown key lost",
        ),
        (
            "[detector]\n'a/b' = 'x'\n[suite]\nseeds=[1]\n[[world]]\nname='first'",
            "name = 'a/b' is not allowed",
        ),
        ("[detector]\na = 1\n[suite]\nseeds=[1]\n[[world]]\nname='first'", "a = 1 is not allowed"),
        ("world = 3", r"no \[\[world\]\]"),
    ],
)
def test_settings_that_are_not_allowed(tmp_path, text, words):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises((UsageError, UnreadableInputError)) as caught:
        read_suite(path)
    assert re.search(words, str(caught.value)), caught.value


def test_detectors_that_cannot_be_run_are_refused_before_any_work(tmp_path):
    settings = read_suite(suite_file(tmp_path, "blind"))
    for word, words in (
        ("nobody", "there is no detector 'nobody'"),
        ("mine=python x.py {dataset}", "neither a command with {dataset} and {out} nor a folder"),
        ("mine='python {dataset} {out}", "cannot be read: No closing quotation"),
        ("a/b=x {dataset} {out}", "name = 'a/b' is not allowed"),
    ):
        with pytest.raises(UsageError) as caught:
            chosen(settings, [word])
        assert words in str(caught.value)
    assert chosen(settings, ["mine=x '{dataset}/a b' {out}"])[0].words(Path("d"), Path("o")) == [
        "x",
        "d/a b",
        "o",
    ]
    assert [d.name for d in chosen(settings, ["stillwatch", "stillwatch"])] == ["stillwatch"]


def test_a_world_that_cannot_be_simulated_fails_every_detector(tmp_path, monkeypatch):
    """Its settings change under the suite's hands, after they were checked."""
    world = tmp_path / "own.toml"
    world.write_text("[[population]]\nkind = 'chat_users'\naccounts = 100\n")
    file = suite_file(tmp_path, "blind", "truth")
    file.write_text(file.read_text().replace("'first'", "'own.toml'"))
    settings = read_suite(file)
    world.write_text("[[population]]\nkind = 'nobody'\n")
    found = run_suite(SuiteRequest(settings, chosen(settings)), tmp_path / "out")
    assert [(f.detector, f.cell.name) for f in found.failed] == [("blind", "own-1"), ("truth", "own-1")]
    assert all("simulation: " in str(f.error) and "kind = 'nobody'" in str(f.error) for f in found.failed)
