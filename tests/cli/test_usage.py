"""Wrong usage, settings and outputs: the documented exit code, and a message that helps."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.command import Finished, bytes_below, run, run_apart
from tests.sources.run import LOGS

LOG = LOGS / "bedrock.ndjson"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["scan"], "Missing argument"),
        (["scan", "x"], "--out"),
        (["scan", "x", "--out", "y", "--nonsense"], "--nonsense"),
        (["scan", "x", "--out", "y", "--fail-on", "foo"], "training_shaped"),
        (["nonsense"], "nonsense"),
        (["lab", "nonsense"], "nonsense"),
        (["demo", "--seed", "x"], "--seed"),
    ],
)
def test_wrong_usage(arguments, word):
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert word in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["scan", "import", "validate", "explain", "demo", "lab", "lab simulate"])
def test_help_tells_every_option(command):
    shown = run(*command.split(), "--help").done().out
    assert len(shown) > 300
    assert "Exit codes" in run("--help").done().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fdr = 2", ["'fdr'", "less than 1"]),
        ("fdr = [", ["TOML"]),
        ('fdr = "a lot"', ["'fdr'", "number"]),
        ("nonsense = 1", ["'nonsense'"]),
        ('memory_limit = "lots"', ["'memory_limit'"]),
        (b"\xff\xfe\x00", ["TOML"]),
    ],
)
def test_broken_settings(text, words, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    run("scan", LOG, "--out", tmp_path / "r", "--settings", file).refused(2, file, *words)
    assert not (tmp_path / "r").exists()


def test_settings_by_variable_and_option(tmp_path, monkeypatch):
    monkeypatch.setenv("STILLWATCH_FDR", "7")
    run("scan", LOG, "--out", tmp_path / "r").refused(2, "'fdr'", "STILLWATCH_")
    run("scan", LOG, "--out", tmp_path / "r", "--fdr", "0").refused(2, "'fdr'", "greater than 0")
    monkeypatch.delenv("STILLWATCH_FDR")
    missing = tmp_path / "none.toml"
    run("scan", LOG, "--out", tmp_path / "r", "--settings", missing).refused(2, missing)
    run("scan", LOG, "--out", tmp_path / "r", "--assume-timezone", "Mars/One").refused(2, "Mars/One")


def test_input_that_is_not_there(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    out = ["--out", tmp_path / "r"]
    run("scan", tmp_path / "none", *out).refused(3, tmp_path / "none")
    run("scan", here, *out).refused(3, here, "no file")
    run("scan", here / "*.gz", *out).refused(3, here / "*.gz", "pattern")
    run("scan", LOG, "--join", tmp_path / "none", *out).refused(3, tmp_path / "none")
    run("validate", here).refused(3, here)
    run("explain", "c", "--results", here).refused(3, here)
    run("explain", "c", "--results", tmp_path / "none").refused(3, tmp_path / "none")
    run("lab", "score", here, "--labels", here / "x").refused(3, here)
    run("lab", "simulate", "none", "--out", tmp_path / "w").refused(3, "first")
    run("lab", "simulate", "first", "--scale", "none", "--out", tmp_path / "w").refused(2, "tiny")


def test_output_that_cannot_be_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "below", Path("/dev/null/below")):
        for command in ("scan", "import"):
            run(command, LOG, "--out", out).refused(4, out, "--out")
    run("lab", "simulate", "first", "--scale", "tiny", "--out", file).refused(4, file)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["/dev/null", "folder"])
def test_a_quarantine_that_is_no_file_is_left_alone(name, tmp_path):
    (tmp_path / "folder").mkdir()
    run("import", LOG, "--out", tmp_path / "d").done()
    run("validate", tmp_path / "d", "--quarantine", tmp_path / name).refused(4, tmp_path / name)
    assert (tmp_path / name).exists()


def test_a_folder_of_others_is_not_cleared(tmp_path):
    run("import", LOG, "--out", tmp_path / "d").done()
    single = tmp_path / "single"
    single.mkdir()
    pq.write_table(pq.read_table(tmp_path / "d" / "exchanges"), single / "exchanges.parquet")
    work = tmp_path / "project"
    (work / "steps").mkdir(parents=True)
    (work / "steps" / "precious.txt").write_text("mine")
    before = bytes_below(tmp_path)
    run("scan", tmp_path / "d", "--out", tmp_path / "d").refused(2, tmp_path / "d", "dataset")
    run("scan", single, "--out", single).refused(2, single, "dataset")
    run("scan", LOG, "--out", work).refused(2, work / "steps")
    assert bytes_below(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device without room")
def test_a_full_disk_at_a_table(tmp_path):
    """A name that leads to a device without room, as a disk that fills up just then."""
    (tmp_path / "groups.parquet.partial").symlink_to("/dev/full")
    run("scan", LOG, "--out", tmp_path).refused(4, "No space left", "make room", "--resume")
    assert not (tmp_path / "summary.json").exists()
    assert not (tmp_path / "report.html").exists()
    (tmp_path / "groups.parquet.partial").unlink(missing_ok=True)
    run("scan", LOG, "--out", tmp_path, "--resume").done()
    assert (tmp_path / "summary.json").exists()
    assert not (tmp_path / "steps").exists()


@pytest.mark.parametrize(("blocks", "missing"), [(2, "summary.json"), (70, "report.html")])
def test_a_disk_that_fills_up_on_the_way(blocks, missing, tmp_path):
    """Blocks of 512 bytes, the most that any file may have: for the first tables, or for all but the report."""
    ended = run_apart("scan", LOG, "--out", tmp_path / "r", before=f"ulimit -f {blocks}")
    ended.refused(4, tmp_path / "r", "too large")
    left = {file.name for file in (tmp_path / "r").rglob("*")} if (tmp_path / "r").exists() else set()
    assert not left & {missing, "report.html"}
    if "summary.json" in left:  # then every table is whole
        run("explain", "none", "--results", tmp_path / "r").refused(2, "none")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    out = tmp_path_factory.mktemp("results") / "[1] *it's* [bold]ours[/bold]"
    return out, run("scan", LOG, "--out", out)


def test_odd_names_of_files_and_folders(results, tmp_path):
    out, finished = results
    assert f"Report: {out / 'report.html'}" in finished.done().out
    (tmp_path / "[").mkdir()
    hostile = "[/bold] \x1b[2J \u202e 'x' \udcff.jsonl"
    (tmp_path / hostile).write_bytes(LOG.read_bytes() + b"{")
    told = run("import", tmp_path / hostile, "--out", tmp_path / "d")
    assert "⟨U+202E⟩" in told.done().out
    assert json.loads(run("scan", tmp_path / hostile, "--out", tmp_path / "r", "--json").done().out)
    assert json.loads((tmp_path / "r" / "summary.json").read_text(encoding="utf-8"))
    missing = run("scan", tmp_path / f"{hostile}none", "--out", tmp_path / "r")
    missing.refused(3, "[/bold] ⟨U+001B⟩[2J")
    for ended in (told, missing):
        assert "\x1b[2J" not in ended.out + ended.err


def test_a_damaged_results_folder(results, tmp_path):
    out, _ = results
    run("explain", "none", "--results", out).refused(2, out, "'none'")
    (tmp_path / "summary.json").write_text("{")
    run("explain", "x", "--results", tmp_path).refused(3, tmp_path / "summary.json")
    for file in out.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "evidence.parquet").write_bytes(b"PAR1")
    run("explain", "x", "--results", tmp_path).refused(3, tmp_path / "evidence.parquet")
    (tmp_path / "evidence.parquet").unlink()
    run("explain", "x", "--results", tmp_path, "--json").refused(3, tmp_path / "evidence.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "evidence.parquet")
    run("explain", "x", "--results", tmp_path).refused(
        3, tmp_path / "evidence.parquet", "columns are missing"
    )


def test_an_error_of_our_own_has_a_code_and_no_trace(tmp_path, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("[red]something[/red] broke")

    monkeypatch.setattr("stillwatch.scan.prepare_input", fails)
    ended = run("scan", LOG, "--out", tmp_path / "r")
    assert ended.code == 70
    assert "RuntimeError: [red]something[/red] broke" in ended.err
    assert "STILLWATCH_DEBUG" in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    monkeypatch.setattr(
        "stillwatch.scan.prepare_input", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert run("scan", LOG, "--out", tmp_path / "r").code == 130
    assert not (tmp_path / "r" / "steps").exists()


def test_standard_output_is_data_alone(tmp_path):
    for command in (
        ["import", LOGS / "openai_chat.ndjson", "--out", tmp_path / "d"],
        ["validate", tmp_path / "d"],
        ["scan", tmp_path / "d", "--out", tmp_path / "r"],
    ):
        assert isinstance(json.loads(run(*command, "--json").done().out), dict)
