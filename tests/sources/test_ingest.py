"""The import as a whole: finding files and formats, accounts, names, errors."""

import gzip
import io
import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.errors import OutputError, UnreadableInputError, UsageError
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES
from stillwatch.sources.ingest import IngestOptions
from tests.sources.run import LOGS, Run, hashed, present

CHAT = LOGS / "openai_chat.ndjson"


def test_a_folder_of_everything(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    for place, file in enumerate(sorted(LOGS.iterdir())):
        target = folder / ("deep" if place % 2 else ".") / f"{place}.dat"  # names say nothing
        target.write_bytes(gzip.compress(file.read_bytes()) if place % 3 else file.read_bytes())
    (folder / "notes.txt").write_text("These are our logs.\nKeep them.\n")
    (folder / ".hidden").write_text("{}")
    (folder / "empty.log").write_text("")
    report, rows = run(folder)
    formats = {file.format for file in report.files}
    assert formats == {
        None,
        "anthropic-messages",
        "bedrock",
        "canonical-jsonl",
        "envoy",
        "litellm-spend-logs",
        "litellm-standard",
        "openai-chat",
        "openai-responses",
        "otlp-genai",
    }
    assert any("notes.txt" in advice for advice in report.advice())
    # The two LiteLLM files hold the same requests.
    duplicates = report.quality.reasons["exchange_id", "duplicate id"]
    assert duplicates >= 14
    assert len({row["exchange_id"] for row in rows}) == len(rows)
    assert open_dataset(run.out).rows == len(rows)


def test_globs_and_several_paths(run: Run, tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        shutil.copy(LOGS / "canonical.ndjson", tmp_path / name)
    report, _ = run(str(tmp_path / "*.log"), str(tmp_path / "a.log"))
    assert len(report.files) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    data = CHAT.read_bytes()
    stream = io.BytesIO(gzip.compress(data) if packed else data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    report, rows = run("-")
    assert (report.files[0].file, len(rows)) == ("standard input", 7)


def test_formats_may_change_from_record_to_record(run: Run, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    files = ("openai_chat.ndjson", "anthropic_messages.ndjson", "openai_responses.ndjson")
    rows = zip(*((LOGS / name).read_text().splitlines()[:4] for name in files), strict=True)
    mixed.write_text("\n".join(line for triple in rows for line in triple))
    report, _ = run(mixed)
    assert report.files[0].formats == {"openai-chat": 4, "anthropic-messages": 4, "openai-responses": 4}


def test_an_unknown_format_names_the_keys_and_what_is_known(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "odd.json"
    odd.write_text('{"colour": "red", "weight": 4}\n')
    with pytest.raises(UnreadableInputError) as error:
        run(odd)
    for word in ("odd.json", "colour, weight", "litellm-standard", "otlp-genai", "docs/sources.md"):
        assert word in str(error.value)
    assert not run.out.exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"hello\nthere\n", "not JSON"), (b'{"ts": 1, "acc', "cut off"), (b"\x1f\x8b\x08\x00", "gzip")],
)
def test_a_file_without_records_is_an_error_that_says_why(
    run: Run, tmp_path: Path, content: bytes, word: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(UnreadableInputError, match=word):
        run(file)


@pytest.mark.parametrize("path", ["missing.log", "no-*.log"])
def test_a_path_that_is_not_there(run: Run, tmp_path: Path, path: str) -> None:
    with pytest.raises(UnreadableInputError):
        run(tmp_path / path)


def test_bad_settings() -> None:
    for settings in ({"trusted_hops": -1}, {"account_field": " "}, {"max_record_bytes": 3}):
        with pytest.raises(UsageError):
            IngestOptions(**settings)


def test_a_finished_dataset_is_not_overwritten(run: Run) -> None:
    run(CHAT)
    run._count -= 1
    with pytest.raises(OutputError, match="finished"):
        run(CHAT)
    run._count -= 1
    _, rows = run(CHAT, overwrite=True)
    assert len(rows) == 7


def test_bad_records_are_counted_and_quarantined_with_their_lines(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log"
    good = CHAT.read_text().splitlines()
    bad = ["not json", '{"other": 1}', '{"a": 1, "a": 2}', "[1]"]
    file.write_text("\n".join([good[0], *bad, good[1], '{"ts": "2025']))
    report, rows = run(file)
    assert len(rows) == 2
    assert report.files[0].unreadable == {
        "not JSON": 1,
        "of no known format": 1,
        "one name with two values": 1,
        "not a JSON object": 1,
        "cut off before its end": 1,
    }
    quarantined = [json.loads(line) for line in (run.out / "quarantine.jsonl").read_text().splitlines()]
    assert [entry["row"] for entry in quarantined] == [2, 3, 4, 5, 7]
    assert report.files[0].share_read == pytest.approx(2 / 7)


@pytest.mark.parametrize(
    ("log", "field", "expected"),
    [
        ("litellm_standard.ndjson", "metadata.user_api_key_team_id", {"red", "blue"}),
        ("otlp_traces.ndjson", "service.name", {"gateway"}),
        ("bedrock.ndjson", "accountId", {"111122223333"}),
        ("openai_chat.ndjson", "request.body.safety_identifier", {"person-17"}),
    ],
)
def test_the_account_field_is_a_setting(run: Run, log: str, field: str, expected: set[str]) -> None:
    report, rows = run(LOGS / log, account_field=field)
    assert {row["account_id"] for row in rows} == expected
    lacking = report.quality.reasons["account_id", "missing"]
    assert report.fit + lacking >= report.files[0].exchanges - 2


def test_what_a_caller_writes_into_its_request_is_not_the_account(run: Run, tmp_path: Path) -> None:
    record = {
        "ts": "2025-06-02T08:00:00Z",
        "api_key": "key-9",
        "model": "m",
        "system": "s",
        "messages": [{"role": "user", "content": "hi"}],
        "metadata": {"user_id": "whoever"},
        "response": {
            "type": "message",
            "content": [{"type": "text", "text": "ho"}],
            "stop_reason": "end_turn",
        },
    }
    file = tmp_path / "log"
    file.write_text(json.dumps(record))
    _, [row] = run(file)
    assert (row["account_id"], row["end_user_id"]) == (hashed("key-9"), hashed("whoever"))


def test_a_litellm_key_without_user_and_team_is_its_own_account(run: Run, tmp_path: Path) -> None:
    record = json.loads((LOGS / "litellm_standard.ndjson").read_text().splitlines()[0])
    record["metadata"] |= {"user_api_key_user_id": "default_user_id", "user_api_key_team_id": None}
    file = tmp_path / "log"
    file.write_text(json.dumps(record))
    _, [row] = run(file)
    assert row["account_id"] == row["key_id"] == hashed(record["metadata"]["user_api_key_hash"])


def test_names_from_content_are_the_same_in_every_layout_and_tell_repeats_apart(
    run: Run, tmp_path: Path
) -> None:
    record = json.loads(CHAT.read_text().splitlines()[4])
    rows = [record, {**record, "ts": record["ts"] + 1}, record]
    lines, pretty = tmp_path / "lines", tmp_path / "pretty.gz"
    lines.write_text("\n".join(json.dumps(row) for row in rows))
    pretty.write_bytes(
        gzip.compress(json.dumps([dict(reversed(row.items())) for row in rows], indent=3).encode())
    )
    names = [[row["exchange_id"] for row in run(file)[1]] for file in (lines, pretty)]
    assert names[0] == names[1]
    assert len(set(names[0])) == 3
    assert names[0][2] == names[0][0] + "-1"


def test_hash_only_keeps_no_text(run: Run) -> None:
    _, rows = run(CHAT, hash_only=True)
    assert all(row["prompt"] is row["response"] is row["system_prompt"] is None for row in rows)
    texts = b"".join(file.read_bytes() for file in run.out.rglob("*") if file.is_file())
    assert b"heat pump" not in texts


def test_no_identifier_is_stored_in_the_clear(run: Run) -> None:
    for name in ("openai_chat.ndjson", "litellm_standard.ndjson", "anthropic_messages.ndjson"):
        _, rows = run(LOGS / name)
        stored = json.dumps([present(row) for row in rows], default=str)
        for secret in ("sk-north-1", "sk-west-3", "person-17", "end-user-7", "user_5", "key-1"):
            assert f'"{secret}"' not in stored


def test_a_dataset_is_read_back_with_its_accounts(run: Run, tmp_path: Path) -> None:
    _, rows = run(CHAT)
    dataset = run.out
    accounts = pa.table(
        {"account_id": ["acct-north", "acct-north", "acct-south"], "verified": [True, False, None]}
    )
    pq.write_table(accounts, dataset / "accounts.parquet")
    labels = {"exchange_id": ["req-1"], "account_id": ["acct-north"], "stratum": ["chat"]}
    pq.write_table(pa.table(labels), dataset / "labels.parquet")
    report, again = run(dataset)
    assert again == rows
    copied = pq.read_table(run.out / "accounts.parquet")
    assert copied.schema.equals(ACCOUNTS.arrow)
    assert copied.column("account_id").to_pylist() == ["acct-north", "acct-south"]
    assert {file.format for file in report.files} >= {"canonical-parquet"}
    assert not (run.out / "labels.parquet").exists()


def test_parquet_of_another_kind_and_cut_parquet(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": [1]}), other)
    with pytest.raises(UnreadableInputError, match="exchange_id"):
        run(other)
    _, rows = run(CHAT)
    cut = tmp_path / "cut.parquet"
    [part] = (run.out / "exchanges").glob("*.parquet")
    cut.write_bytes(part.read_bytes()[:-100])
    report, both = run(cut, part)
    assert both == rows
    assert report.files[0].unreadable == {"unreadable file or part": 1}


def test_the_report_is_plain_data(run: Run) -> None:
    report, _ = run(CHAT)
    told = json.loads(json.dumps(report.as_dict()))
    assert told["exchanges"] == 7
    assert told["quarantined"] == 2
    assert told["files"][0]["format"] == "openai-chat"


def test_progress_reaches_the_end(run: Run, tmp_path: Path) -> None:
    from stillwatch.sources.ingest import ingest

    told: list[tuple[int, int]] = []
    options = IngestOptions(key_file=run.key_file)
    ingest(
        [CHAT, LOGS / "bedrock.ndjson"],
        tmp_path / "o",
        options,
        lambda done, total: told.append((done, total)),
    )
    assert told[-1][0] == told[-1][1] > 0
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_every_column_of_the_schema_is_filled_by_some_format(run: Run) -> None:
    _, rows = run(LOGS, join=(LOGS / "envoy_access.ndjson",))
    filled = {key for row in rows for key in present(row)}
    assert filled == set(EXCHANGES.names)
