"""Access logs joined by request id."""

import gzip
import json
from pathlib import Path

import pytest

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.sources.report import JoinReport
from tests.sources.run import LOGS, Run


def test_the_edge_knows_address_and_fingerprint(run: Run) -> None:
    report, rows = run(LOGS / "openai_chat.ndjson", join=(LOGS / "envoy_access.ndjson",))
    found = {row["exchange_id"]: row for row in rows}
    assert found["req-1"]["client_ip"] == "198.51.100.7"
    assert found["req-1"]["ja4"] == "t13d1516h2_8daaf6152771_b186095e22b6"
    assert found["req-1"]["latency_ms"] == 812.5  # the log's own value stays
    three = found["req-3"]
    assert (three["client_ip"], three["user_agent"], three["latency_ms"]) == (
        "2001:db8::17",
        "curl/8.6",
        450.0,
    )
    assert three["status"] == 200
    assert found["req-2"]["ja4"] is None
    assert report.join == JoinReport(
        lines=5, without_id=1, repeated=1, unreadable=0, matched=2, unmatched=7, unused=1
    )
    assert (report.files[0].joined, report.files[0].not_joined) == (2, 7)
    assert report.addresses["edge"] == 2


def test_hops_count_on_the_chain_of_the_edge(run: Run) -> None:
    _, rows = run(LOGS / "openai_chat.ndjson", join=(LOGS / "envoy_access.ndjson",), trusted_hops=2)
    [first] = [row for row in rows if row["exchange_id"] == "req-1"]
    assert first["client_ip"] == "192.0.2.99"


def test_litellm_is_joined_by_the_edge_s_request_id(run: Run, tmp_path: Path) -> None:
    line = {
        "start_time": "2025-06-02T05:00:00Z",
        "response_code": "200",
        "bytes_sent": 1,
        "protocol": "HTTP/2",
        "X-REQUEST-ID": "edge-5",
        "DOWNSTREAM_REMOTE_ADDRESS": "[2001:db8::5]:9",
        "JA4": "t13d_x",
    }
    access = tmp_path / "access.log.gz"
    access.write_bytes(gzip.compress(json.dumps(line).encode()))
    report, rows = run(LOGS / "litellm_standard.ndjson", join=(access,))
    [joined] = [row for row in rows if row["ja4"]]
    assert (joined["prompt"], joined["client_ip"]) == ("in a session", "2001:db8::5")
    assert report.join is not None
    assert report.join.matched == 1


def test_an_access_log_alone_says_what_to_do(run: Run) -> None:
    report, rows = run(LOGS / "envoy_access.ndjson")
    assert rows == []
    assert report.files[0].format == "envoy"
    assert report.files[0].skipped == {"line of an access log; give its file with --join": 5}


def test_joining_what_is_no_access_log_is_an_error(run: Run) -> None:
    with pytest.raises(UnreadableInputError, match="no line of an access log"):
        run(LOGS / "openai_chat.ndjson", join=(LOGS / "bedrock.ndjson",))
    assert not (run.out / "exchanges").exists()


def test_many_lines_and_many_batches_against_a_plain_dictionary(run: Run, tmp_path: Path) -> None:
    count = 3000
    log, access = tmp_path / "log", tmp_path / "access"
    wanted = {}
    with log.open("w") as asked, access.open("w") as seen:
        for n in range(count):
            name = f"id-{n}"
            row = {"exchange_id": name, "ts": 1748865600 + n, "account_id": "a", "model": "m"}
            asked.write(json.dumps(row) + "\n")
            if n % 3:
                wanted[name] = f"10.{n % 251}.{n % 7}.1"
                line = {
                    "response_code": 200,
                    "bytes_sent": 1,
                    "method": "POST",
                    "request_id": name,
                    "downstream_remote_address": wanted[name] + ":1",
                }
                seen.write(json.dumps(line) + "\n")
    report, rows = run(log, join=(access,))
    assert {row["exchange_id"]: row["client_ip"] for row in rows if row["client_ip"]} == wanted
    assert report.join is not None
    assert (report.join.matched, report.join.unmatched) == (len(wanted), count - len(wanted))
