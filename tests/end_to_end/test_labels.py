"""Two weeks of one world: the first is scanned and judged, the second takes in what is known of it."""

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.campaigns.known import KNOWN_TABLES
from stillwatch.lab.simulate import simulate
from tests.cli.command import bytes_below, run
from tests.end_to_end.worlds import SEED, Scanned, exchanges, scan

TWO_WEEKS = Path(__file__).with_name("two_weeks.toml")
CUT = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)
TRUTH = "c_found_last_week"


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[Path, Path]:
    """The exchanges of the first and of the second week, as two datasets."""
    world = simulate(TWO_WEEKS, SEED, tmp_path_factory.mktemp("world"))
    everything, folders = exchanges(world), []
    early = pc.less(everything["ts"], pa.scalar(CUT))
    for name, half in (("early", early), ("late", pc.invert(early))):
        folder = tmp_path_factory.mktemp(name)
        pq.write_table(everything.filter(half), folder / "exchanges.parquet")
        accounts = world.dataset / "accounts.parquet"
        (folder / "accounts.parquet").write_bytes(accounts.read_bytes())
        folders.append(folder)
    return folders[0], folders[1]


@pytest.fixture(scope="module")
def first(parts, tmp_path_factory, own_key_file) -> Scanned:
    return scan(tmp_path_factory.mktemp("first"), parts[0])


@pytest.fixture(scope="module")
def renamed(first: Scanned, tmp_path_factory) -> Path:
    """The first results, as if the campaign and every template had been named by somebody else."""
    folder: Path = tmp_path_factory.mktemp("renamed")
    campaign = the_campaign(first)
    for schema in KNOWN_TABLES:
        rows = first.table(schema.name).to_pylist()
        for row in rows:
            if row.get("group_id") == campaign:
                row["group_id"] = TRUTH
            if "template_id" in row:
                row["template_id"] = f"our {row['template_id']}"
            if row.get("part") == "template":
                row["name"] = f"our {row['name']}"
        pq.write_table(pa.Table.from_pylist(rows, schema=schema.arrow), folder / f"{schema.name}.parquet")
    (folder / "summary.json").write_text((first.folder / "summary.json").read_text())
    return folder


@pytest.fixture(scope="module")
def second(parts, renamed: Path, tmp_path_factory) -> Scanned:
    """The second week under a verdict on the campaign."""
    verdicts = renamed / "verdicts.csv"
    verdicts.write_text(f"campaign_id,verdict,by,at\n{TRUTH},confirmed,ann,{CUT:%Y-%m-%d}\n")
    return scan(tmp_path_factory.mktemp("second"), parts[1], "--known", renamed, "--verdicts", verdicts)


def the_campaign(scanned: Scanned) -> str:
    (name,) = scanned.table("campaigns")["campaign_id"].to_pylist()
    return str(name)


def test_the_campaign_keeps_its_name(second: Scanned):
    assert the_campaign(second) == TRUTH
    for name in ("members", "flagged"):
        assert set(second.table(name)["campaign_id"].to_pylist()) == {TRUTH}
    assert TRUTH in second.table("groups")["group_id"].to_pylist()


def test_templates_keep_their_names(second: Scanned, renamed: Path):
    """The campaign's own templates were all seen in the first week."""
    rows = [row for row in second.table("group_templates").to_pylist() if row["group_id"] == TRUTH]
    assert rows
    volume = sum(row["n_exchanges"] for row in rows)
    known = set(pq.read_table(renamed / "known_templates.parquet")["template_id"].to_pylist())
    assert all(name.startswith("our tpl_") for name in known)
    assert sum(row["n_exchanges"] for row in rows if row["template_id"] in known) >= 0.9 * volume


def test_the_report_says_how_a_verdict_moved_the_threshold(second: Scanned):
    (row,) = [row for row in second.table("groups").to_pylist() if row["group_id"] == TRUTH]
    said = "ann confirmed it on 2026-03-09; with all verdicts the e-value that it needs was lowered from 10^"
    assert said in row["words"]
    assert said in (second.folder / "report.html").read_text()
    explained = run("explain", TRUTH, "--results", second.folder).done()
    assert "ann confirmed it on 2026-03-09" in " ".join(explained.out.split())


def test_the_summary_counts_verdicts_and_checks_the_rates(second: Scanned):
    assert second.finished.json == json.loads((second.folder / "summary.json").read_text())
    taken, found = second.summary["analyst_verdicts"], second.summary["analyst_calibration"]
    assert (taken["confirmed"], taken["benign"], taken["rows_without_traffic"]) == (1, 0, [])
    assert (found["reported_before"]["of"], found["reported_before"]["over"]) == (1, 0)
    assert found["warnings"] == []
    assert "1 confirmed, 0 benign, 0 unsure" in second.finished.err


def test_a_campaign_called_benign_is_reported_and_warned_of(parts, renamed, second, tmp_path):
    """A wrong verdict, of a third run that knows the results of the second: names stay through the chain."""
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text(f"group_id,verdict,by\n{TRUTH},benign,bob\n")
    third = scan(tmp_path / "out", parts[1], "--known", second.folder, "--verdicts", verdicts)
    assert the_campaign(third) == TRUTH
    assert third.table("members").equals(second.table("members"))
    rows = third.table("explanations").to_pylist()
    (benign,) = [row for row in rows if row["group_id"] == TRUTH and "analyst" in row["explanation"]]
    assert not benign["fits"]
    assert "look at it again" in benign["words"]
    assert "Warning: 1 of 1 campaigns with an analyst's verdict were found benign" in " ".join(
        third.finished.err.split()
    )


def test_known_results_are_only_read(parts, first, renamed, second):
    before = bytes_below(renamed)
    refused = run("scan", parts[1], "--out", renamed, "--known", renamed)
    refused.refused(2, renamed, "choose another folder with --out")
    assert bytes_below(renamed) == before


def test_a_replay_refuses_what_it_would_not_take_in(parts, renamed, tmp_path, monkeypatch):
    monkeypatch.setenv("STILLWATCH_KNOWN", str(renamed))
    run("replay", parts[1], "--out", tmp_path / "out").refused(
        2, "takes in no earlier results", "STILLWATCH_*"
    )


def test_a_bad_table_of_verdicts_ends_the_run_before_it_begins(parts, renamed, tmp_path):
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text(f"group_id,verdict\n{TRUTH},benign\n{TRUTH}x,benign\n")
    ended = run("scan", parts[1], "--out", tmp_path / "out", "--known", renamed, "--verdicts", verdicts)
    ended.refused(3, verdicts, "row 3", f"there is no group '{TRUTH}x'")
    assert not (tmp_path / "out").exists()
    verdicts.write_text("group_id,verdict\nc_1,perhaps\n")
    run("scan", parts[1], "--out", tmp_path / "out", "--verdicts", verdicts).refused(3, "row 2", "'perhaps'")
    verdicts.write_text("group_id,verdict\nc_1,benign\n")
    run("scan", parts[1], "--out", tmp_path / "out", "--verdicts", verdicts).refused(2, "--known")
    run("scan", parts[1], "--out", tmp_path / "out", "--known", tmp_path).refused(3, tmp_path)
