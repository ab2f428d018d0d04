"""A world through the command line: every table and figure agrees, and the same exchanges give the same verdict."""

import gzip
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.campaigns.known import KNOWN_TABLES
from stillwatch.campaigns.tables import RESULTS, Rung
from tests.cli.command import run
from tests.end_to_end.worlds import VERDICTS, as_lines, exchanges, scan
from tests.evidence.page import Page

STEPS = [rung.value for rung in Rung]


@pytest.mark.parametrize("which", ["scanned", "null_scan"])
def test_every_table_is_there_with_its_schema(which, request):
    found = request.getfixturevalue(which)
    for schema in (*RESULTS, *KNOWN_TABLES):
        file = pq.ParquetFile(found.folder / f"{schema.name}.parquet")
        assert file.schema_arrow.names == schema.names
        for column in schema:
            field = file.schema_arrow.field(column.name)
            assert field.type == column.type, (schema.name, column.name)
            assert column.nullable or not file.read([column.name])[column.name].null_count
        if schema.key is not None:
            names = file.read([schema.key])[schema.key].to_pylist()
            assert len(set(names)) == len(names), schema.name
    left = {file.name for file in found.folder.iterdir()} - ({"steps"} if which == "null_scan" else set())
    tables = {f"{schema.name}.parquet" for schema in (*RESULTS, *KNOWN_TABLES)}
    assert left == tables | {"samples.parquet", "summary.json", "report.html"}


def test_the_campaign_is_found_and_the_tables_agree(scanned, world):
    campaigns, members, flagged = (scanned.table(name).to_pylist() for name in VERDICTS)
    counts = scanned.summary["counts"]
    assert len(campaigns) == counts["campaigns"] == 1
    assert STEPS.index(campaigns[0]["rung"]) >= STEPS.index("one_task_pool")
    assert counts["exchanges"] == world.n_exchanges
    assert counts["quarantined"] == 0
    assert counts["groups_tested"] >= scanned.table("groups").num_rows > 1
    all_exchanges = {row["exchange_id"]: row for row in exchanges(world).to_pylist()}
    assert counts["accounts"] == len({row["account_id"] for row in all_exchanges.values()})
    (campaign,) = campaigns
    assert campaign["n_accounts"] == len(members)
    assert campaign["n_exchanges"] == len(flagged)
    mine = [all_exchanges[row["exchange_id"]] for row in flagged]
    assert campaign["first_seen"] == min(row["ts"] for row in mine)
    assert campaign["last_seen"] == max(row["ts"] for row in mine)
    for member in members:
        its = sum(row["account_id"] == member["account_id"] for row in mine)
        total = sum(row["account_id"] == member["account_id"] for row in all_exchanges.values())
        assert member["n_exchanges"] == its
        assert member["share"] == pytest.approx(its / total)
    period = [
        min(row["ts"] for row in all_exchanges.values()),
        max(row["ts"] for row in all_exchanges.values()),
    ]
    assert scanned.summary["period"] == [moment.isoformat() for moment in period]


def test_json_is_the_summary_and_the_report_names_the_campaign(scanned):
    assert scanned.finished.json == scanned.summary
    # A machine under load may be told how far the scan is.
    assert [line for line in scanned.finished.err.splitlines() if not line.startswith("Scanning: ")] == []
    page = Page((scanned.folder / "report.html").read_text(encoding="utf-8"))
    name = scanned.table("campaigns")["campaign_id"][0].as_py()
    assert any(name in line for line in page.lines)
    explained = run("explain", name[:5], "--results", scanned.folder).done()
    assert name in explained.out
    as_json = run("explain", name, "--results", scanned.folder, "--json").done()
    assert as_json.json["group"]["group_id"] == name


def test_score_reads_the_results(scanned, world):
    score = run("lab", "score", scanned.folder, "--labels", world.labels, "--json").done().json
    (campaign,) = score["campaigns"]
    assert campaign["found"]
    assert campaign["reported"] == scanned.table("campaigns")["campaign_id"].to_pylist()
    assert score["false_campaigns"] == []
    assert score["exchanges"]["precision"]["share"] > 0.95
    assert score["exchanges"]["recall"]["share"] > 0.9
    run("lab", "score", scanned.folder, "--labels", world.labels).done()


def test_nothing_is_found_where_there_is_nothing(null_scan, null_world):
    for name in VERDICTS:
        assert null_scan.table(name).num_rows == 0
    counts = null_scan.summary["counts"]
    assert counts["campaigns"] == 0
    assert counts["exchanges"] == null_world.n_exchanges
    assert null_scan.table("groups").num_rows > 0  # they were looked at, and the report says so
    page = Page((null_scan.folder / "report.html").read_text(encoding="utf-8"))
    assert any("No campaign" in line for line in page.lines)
    score = run("lab", "score", null_scan.folder, "--labels", null_world.labels, "--json").done().json
    assert score["false_campaigns"] == score["campaigns"] == []


@pytest.fixture(scope="module")
def again(scanned, world):
    """The same command once more, into the same folder, for people this time."""
    before = {name: (scanned.folder / f"{name}.parquet").read_bytes() for name in VERDICTS}
    finished = run("scan", world.dataset, "--out", scanned.folder, "--fail-on", "campaign")
    after = {name: (scanned.folder / f"{name}.parquet").read_bytes() for name in VERDICTS}
    return before, after, finished


def test_a_second_scan_gives_the_same_bytes(again, scanned):
    before, after, finished = again
    assert before == after
    assert finished.code == 1  # as --fail-on asks
    assert f"Report: {scanned.folder / 'report.html'}" in finished.out
    assert scanned.table("campaigns")["campaign_id"][0].as_py() in finished.out


def test_neither_order_nor_files_change_the_verdict(scanned, world, tmp_path):
    table = exchanges(world)
    table = table.take(np.random.default_rng(5).permutation(table.num_rows))
    folder = tmp_path / "dataset"
    (folder / "exchanges" / "2026" / "03").mkdir(parents=True)
    cuts = [0, 1, 900, 901, 5_000, table.num_rows]
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        deep = folder / "exchanges" / ("2026/03" if number % 2 else "")
        pq.write_table(table.slice(start, stop - start), deep / f"z{9 - number}.parquet", row_group_size=700)
    for side in ("accounts", "releases"):
        rows = pq.read_table(world.dataset / f"{side}.parquet")
        pq.write_table(rows.take(np.arange(rows.num_rows)[::-1]), folder / f"{side}.parquet")
    assert scan(tmp_path / "out", folder).verdicts() == scanned.verdicts()


def test_json_lines_give_the_verdict_of_parquet(scanned, world, tmp_path):
    rows = exchanges(world).to_pylist()
    order = np.random.default_rng(6).permutation(len(rows))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(as_lines([rows[i] for i in order[::2]]), 1))
    (tmp_path / "a.log").write_bytes(as_lines([rows[i] for i in order[1::2]]))
    found = scan(tmp_path / "out", tmp_path / "*.*l*g*", world.dataset / "accounts.parquet")
    assert found.summary["counts"]["exchanges"] == len(rows)
    assert found.verdicts() == scanned.verdicts()


def test_kept_steps_are_tables_that_anybody_can_read(null_scan):
    # A table is a file, or a folder of files.
    steps = {file.stem: file for file in (null_scan.folder / "steps").glob("*.parquet")}
    steps |= {file.parent.name: file for file in (null_scan.folder / "steps").glob("*/part-*.parquet")}
    assert {"prompt_families", "account_profiles", "communities", "flagged"} <= steps.keys()
    assert {step["name"] for step in null_scan.summary["steps"]} - steps.keys() <= {"input", "tests"}
    for file in steps.values():
        assert isinstance(pq.read_table(file), pa.Table)
    assert not list((null_scan.folder / "steps").glob("*.partial"))
