"""Every recorded log, by the commands that the README shows."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stillwatch.campaigns.tables import RESULTS
from tests.cli.command import PROGRAM, Finished, run, run_apart
from tests.sources.run import LOGS

WITHOUT_EXCHANGES = {"envoy_access.ndjson"}
# Its one exchange names no account.
UNFIT = {"otlp_logs.ndjson"}
ALL = sorted(LOGS.iterdir())


def imported(out: Path, *arguments: str | Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    told = run("import", *arguments, "--out", out, "--json").done().json
    return told, pq.read_table(out / "exchanges").to_pylist()


@pytest.mark.parametrize("log", ALL, ids=lambda log: log.name)
def test_import_then_validate(log, tmp_path):
    told, rows = imported(tmp_path / "d", log)
    assert told["exchanges"] == len(rows) == told["files"][0]["fit"]
    assert (len(rows) == 0) == (log.name in WITHOUT_EXCHANGES | UNFIT)
    checked = run("validate", tmp_path / "d", "--json", "--strict").done().json
    assert checked["clean"]
    assert checked["tables"]["exchanges"] == {"read": len(rows), "used": len(rows), "quarantined": 0}
    shown = run("import", log, "--out", tmp_path / "d", "--overwrite").done()
    assert f"({len(rows)} exchanges)" in shown.out
    assert "Every row can be used." in run("validate", tmp_path / "d").done().out


@pytest.mark.parametrize("log", sorted(set(ALL) - {LOGS / name for name in UNFIT}), ids=lambda log: log.name)
def test_scan(log, tmp_path):
    counts = run("scan", log, "--out", tmp_path / "r", "--json").done().json["counts"]
    _, rows = imported(tmp_path / "d", log)
    assert counts["exchanges"] == len(rows)
    assert counts["accounts"] == len({row["account_id"] for row in rows})
    assert counts["campaigns"] == counts["groups_tested"] == 0
    for schema in RESULTS:
        assert (tmp_path / "r" / f"{schema.name}.parquet").exists()
    assert "No campaign" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(UNFIT))
def test_a_log_of_which_nothing_can_be_used_makes_no_verdict(name, tmp_path):
    ended = run("scan", LOGS / name, "--out", tmp_path / "r")
    ended.refused(3, LOGS / name, "account_id: missing", tmp_path / "r" / "quarantine.jsonl")
    (line,) = (tmp_path / "r" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["column"] == "account_id"
    assert [file.name for file in (tmp_path / "r").iterdir()] == ["quarantine.jsonl"]


@pytest.fixture(scope="module")
def all_at_once(tmp_path_factory) -> tuple[Finished, Path]:
    """A process of its own, files and a glob and a packed file on standard input, with an access log."""
    out = tmp_path_factory.mktemp("all")
    packed = gzip.compress((LOGS / "openai_chat.ndjson").read_bytes())
    join: list[str | Path] = ["--join", LOGS / "envoy_access.ndjson"]
    named: list[str | Path] = ["-", LOGS / "bedrock.ndjson", LOGS / "otlp_*.ndjson"]
    return run_apart(
        "scan", *named, *join, "--out", out / "r", "--keep-steps", "--json", input=packed
    ), out / "r"


def test_several_inputs_of_every_kind(all_at_once):
    finished, out = all_at_once
    summary = finished.done().json
    rows = pq.read_table(out / "steps" / "input" / "dataset" / "exchanges").to_pylist()
    assert summary["counts"]["exchanges"] == len(rows) == 7 + 6 + 6
    assert set(summary["generated_from"]["formats"]) == {"openai-chat", "bedrock", "otlp-genai"}
    assert summary["generated_from"]["inputs"][0] == "-"
    assert summary["generated_from"]["command"].startswith("stillwatch scan - ")
    assert PROGRAM not in summary["generated_from"]["command"]
    places = {json.loads(line)["file"] for line in (out / "quarantine.jsonl").read_text().splitlines()}
    assert "standard input" in places


def test_the_access_log_is_joined(all_at_once, tmp_path):
    _, out = all_at_once
    rows = pq.read_table(out / "steps" / "input" / "dataset" / "exchanges").to_pylist()
    fingerprints = {row["exchange_id"]: row["ja4"] for row in rows}
    assert fingerprints["req-1"] == "t13d1516h2_8daaf6152771_b186095e22b6"  # by the header's id, edge-1
    told, rows = imported(tmp_path / "d", LOGS / "openai_chat.ndjson", "--join", LOGS / "envoy_access.ndjson")
    assert told["join"]["matched"] == sum(row["ja4"] is not None for row in rows) > 0
    _, bare = imported(tmp_path / "bare", LOGS / "openai_chat.ndjson")
    assert sum(row["ja4"] is not None for row in bare) < told["join"]["matched"]


def test_a_folder_of_logs(tmp_path):
    told, rows = imported(tmp_path / "d", LOGS)
    assert {Path(file["file"]).name for file in told["files"]} == {log.name for log in ALL}
    parts = [imported(tmp_path / log.name, log)[1] for log in ALL]
    # The same LiteLLM exchanges stand in three recordings: ids count once, and the rest is in quarantine.
    assert {row["exchange_id"] for row in rows} >= {row["exchange_id"] for part in parts for row in part}
    assert len(rows) == len({row["exchange_id"] for row in rows})


def test_a_dataset_is_not_overwritten_unasked(tmp_path):
    _, rows = imported(tmp_path, LOGS / "bedrock.ndjson")
    refused = run("import", LOGS / "openai_chat.ndjson", "--out", tmp_path)
    refused.refused(4, tmp_path, "finished table", "--overwrite")
    assert pq.read_table(tmp_path / "exchanges").to_pylist() == rows
    _, others = imported(tmp_path, LOGS / "openai_chat.ndjson", "--overwrite")
    assert len(others) == 7
