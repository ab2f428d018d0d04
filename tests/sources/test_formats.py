"""Each format's fixture through the whole import: the values that come out are the ones that were logged."""

from typing import Any

import pytest

from tests.sources.run import LOGS, Run, hashed, present, utc

TITAN = {
    "account_id": "arn:aws:iam::111122223333:user/batch",
    "operation": "chat",
    "model": "amazon.titan-house",
    "prompt": "Finish this: once",
    "response": " upon a time",
    "n_messages": 1,
    "n_tools": 0,
    "temperature": 0.0,
    "max_output_tokens": 30,
    "input_tokens": 5,
    "output_tokens": 3,
    "finish_reason": "FINISH",
    "status": 200,
    "stream": False,
}

EXPECTED: dict[str, dict[str, dict[str, Any]]] = {
    "openai_chat.ndjson": {
        "req-1": {
            "ts": utc(2025, 6, 2, 8, 0, 0, 250_000),
            "account_id": "acct-north",
            "org_id": "org-north",
            "key_id": hashed("sk-north-1"),
            "end_user_id": hashed("person-17"),
            "operation": "chat",
            "model": "gpt-house",
            "client_ip": "198.51.100.7",
            "user_agent": "openai-python/1.82",
            "system_prompt": "Reply in one sentence.",
            "prompt": "What does a heat pump do?",
            "response": "It moves heat from a cold place to a warm one.",
            "n_messages": 2,
            "n_tools": 0,
            "temperature": 0.5,
            "max_output_tokens": 400,
            "input_tokens": 31,
            "output_tokens": 12,
            "reasoning_tokens": 3,
            "cached_tokens": 16,
            "finish_reason": "stop",
            "status": 200,
            "latency_ms": 812.5,
            "stream": False,
        },
        "req-2": {
            "ts": utc(2025, 6, 2, 8, 0, 10, 500_000),
            "account_id": "acct-south",
            "key_id": hashed("sk-south-9"),
            "operation": "chat",
            "model": "gpt-house",
            "system_prompt": "You sell tea.",
            "prompt": "Which tea is this?",
            "response": "An oolong.",
            "n_messages": 4,
            "n_tools": 2,
            "input_tokens": 90,
            "output_tokens": 4,
            "finish_reason": "stop",
            "stream": False,
        },
        "req-3": {
            "ts": utc(2025, 6, 2, 8, 0, 20),
            "account_id": "acct-south",
            "operation": "chat",
            "model": "gpt-house",
            "prompt": "Count to three.",
            "response": "One, two, three.",
            "n_messages": 1,
            "n_tools": 0,
            "input_tokens": 9,
            "output_tokens": 6,
            "finish_reason": "length",
            "status": 200,
            "stream": True,
        },
        "req-4": {
            "ts": utc(2025, 6, 2, 8, 0, 30),
            "account_id": "acct-south",
            "operation": "chat",
            "model": "gpt-house",
            "prompt": "Greet me in Greek.",
            "response": "Γειά σου!",
            "n_messages": 1,
            "n_tools": 0,
            "finish_reason": "stop",
            "stream": True,
        },
        "req-6": {
            "ts": utc(2025, 6, 2, 6, 0, 50),
            "account_id": "acct-east",
            "operation": "completion",
            "model": "old-house",
            "prompt": "Roses are",
            "response": " red",
            "n_messages": 1,
            "n_tools": 0,
            "max_output_tokens": 5,
            "finish_reason": "length",
            "stream": False,
        },
        "req-7": {
            "ts": utc(2025, 6, 2, 8, 1),
            "account_id": hashed("sk-west-3"),
            "key_id": hashed("sk-west-3"),
            "operation": "chat",
            "model": "gpt-house",
            "prompt": "Who am I?",
            "response": "A key.",
            "n_messages": 1,
            "n_tools": 0,
            "finish_reason": "stop",
            "stream": False,
        },
    },
    "openai_responses.ndjson": {
        "r-1": {
            "ts": utc(2025, 6, 2, 9),
            "account_id": "acct-north",
            "end_user_id": hashed("person-3"),
            "session_id": "conv_77",
            "operation": "chat",
            "model": "gpt-house-r",
            "system_prompt": "Answer as a gardener.",
            "prompt": "When do I cut roses?",
            "response": "In early spring.",
            "n_messages": 2,
            "n_tools": 0,
            "max_output_tokens": 200,
            "input_tokens": 20,
            "output_tokens": 40,
            "reasoning_tokens": 31,
            "cached_tokens": 0,
            "finish_reason": "completed",
            "stream": False,
        },
        "r-2": {
            "ts": utc(2025, 6, 2, 9, 0, 10),
            "account_id": "acct-north",
            "operation": "chat",
            "model": "gpt-house-r",
            "system_prompt": "Be exact.",
            "prompt": "What is on it?",
            "response": "A boat",
            "n_messages": 4,
            "n_tools": 1,
            "finish_reason": "max_output_tokens",
            "stream": False,
        },
        "r-3": {
            "ts": utc(2025, 6, 2, 9, 0, 20),
            "account_id": "acct-south",
            "operation": "chat",
            "model": "gpt-house-r",
            "prompt": "Say hi.",
            "response": "Hi.",
            "n_messages": 1,
            "n_tools": 0,
            "input_tokens": 5,
            "output_tokens": 2,
            "finish_reason": "completed",
            "stream": True,
        },
        "r-4": {
            "ts": utc(2025, 6, 2, 9, 0, 30),
            "account_id": "acct-south",
            "operation": "chat",
            "model": "gpt-house-r",
            "prompt": "Cut me off.",
            "response": "I was",
            "n_messages": 1,
            "n_tools": 0,
            "stream": True,
        },
    },
    "anthropic_messages.ndjson": {
        "a-1": {
            "ts": utc(2025, 6, 2, 10),
            "account_id": "acct-claude-1",
            "key_id": hashed("key-1"),
            "end_user_id": hashed("user_5"),
            "operation": "chat",
            "model": "claude-house",
            "client_ip": "198.51.100.20",
            "user_agent": "claude-cli/2.0",
            "system_prompt": "You are a coding agent.\nWork in /src.",
            "prompt": "Fix the failing test.",
            "response": "I will edit main.py.",
            "n_messages": 4,
            "n_tools": 3,
            "temperature": 1.0,
            "max_output_tokens": 1024,
            "input_tokens": 1050,
            "output_tokens": 33,
            "cached_tokens": 900,
            "finish_reason": "tool_use",
            "status": 200,
            "stream": False,
        },
        "a-2": {
            "ts": utc(2025, 6, 2, 10, 0, 10),
            "account_id": "acct-claude-1",
            "operation": "chat",
            "model": "claude-house",
            "system_prompt": "Be brief.",
            "prompt": "Name a sea.",
            "response": "The Aral Sea.",
            "n_messages": 2,
            "n_tools": 0,
            "max_output_tokens": 64,
            "input_tokens": 14,
            "output_tokens": 8,
            "finish_reason": "end_turn",
            "stream": True,
        },
        "a-3": {
            "ts": utc(2025, 6, 2, 10, 0, 20),
            "account_id": "acct-claude-2",
            "operation": "chat",
            "model": "claude-house",
            "prompt": "Name a lake.",
            "response": "Baikal.",
            "n_messages": 1,
            "n_tools": 0,
            "max_output_tokens": 64,
            "input_tokens": 7,
            "output_tokens": 3,
            "finish_reason": "end_turn",
            "stream": True,
        },
        "a-4": {
            "ts": utc(2025, 6, 2, 10, 0, 30),
            "account_id": "acct-claude-2",
            "operation": "chat",
            "model": "claude-house",
            "prompt": "Are you there?",
            "n_messages": 1,
            "n_tools": 0,
            "max_output_tokens": 64,
            "status": 529,
            "stream": False,
        },
    },
    "bedrock.ndjson": {
        "b-1": {
            "ts": utc(2025, 6, 2, 11),
            "account_id": "arn:aws:sts::111122223333:assumed-role/app/session-1",
            "session_id": "talk-9",
            "operation": "chat",
            "model": "anthropic.claude-house-v1:0",
            "system_prompt": "Translate to French.",
            "prompt": "Good morning.",
            "response": "Bonjour.",
            "n_messages": 2,
            "n_tools": 1,
            "temperature": 0.25,
            "max_output_tokens": 100,
            "input_tokens": 25,
            "output_tokens": 4,
            "cached_tokens": 5,
            "finish_reason": "end_turn",
            "status": 200,
            "latency_ms": 640.0,
            "stream": False,
        },
        "b-2": {
            "ts": utc(2025, 6, 2, 11, 0, 10),
            "account_id": "arn:aws:iam::111122223333:user/batch",
            "operation": "chat",
            "model": "anthropic.claude-house-v1:0",
            "system_prompt": "Grade from 1 to 5.",
            "prompt": "An essay.",
            "response": "4",
            "n_messages": 2,
            "n_tools": 0,
            "max_output_tokens": 50,
            "input_tokens": 12,
            "output_tokens": 2,
            "finish_reason": "end_turn",
            "status": 200,
            "stream": True,
        },
        "b-3": {"ts": utc(2025, 6, 2, 11, 0, 20), **TITAN},
        "b-4": {
            "ts": utc(2025, 6, 2, 11, 0, 30),
            "account_id": "arn:aws:iam::111122223333:user/batch",
            "operation": "chat",
            "model": "anthropic.claude-house-v1:0",
            "response": "A long document.",
            "input_tokens": 90000,
            "output_tokens": 5,
            "finish_reason": "end_turn",
            "status": 200,
            "stream": False,
        },
        "b-5": {
            "ts": utc(2025, 6, 2, 11, 0, 40),
            "account_id": "arn:aws:iam::111122223333:user/batch",
            "operation": "chat",
            "model": "meta.llama-house",
            "prompt": "Hurry.",
            "n_messages": 1,
            "n_tools": 0,
            "input_tokens": 0,
            "status": 429,
            "stream": True,
        },
        "b-6": {"ts": utc(2025, 6, 2, 11, 0, 50), **TITAN},
    },
    "canonical.ndjson": {
        "c-1": {
            "ts": utc(2025, 6, 2, 12),
            "account_id": "acct-c",
            "org_id": "org-c",
            "key_id": hashed("key-c"),
            "end_user_id": hashed("person-c"),
            "session_id": "s",
            "operation": "chat",
            "model": "m",
            "client_ip": "198.51.100.3",
            "user_agent": "ua",
            "ja4": "t13d",
            "system_prompt": "sys",
            "prompt": "Hello",
            "response": "World",
            "n_messages": 2,
            "n_tools": 0,
            "temperature": 0.5,
            "max_output_tokens": 10,
            "input_tokens": 1,
            "output_tokens": 2,
            "reasoning_tokens": 0,
            "cached_tokens": 0,
            "finish_reason": "stop",
            "status": 200,
            "latency_ms": 1.5,
            "stream": False,
        },
        "c-2": {"ts": utc(2025, 6, 2, 12, 0, 1), "account_id": "acct-c", "model": "m"},
    },
}
FORMATS = {
    "openai_chat.ndjson": "openai-chat",
    "openai_responses.ndjson": "openai-responses",
    "anthropic_messages.ndjson": "anthropic-messages",
    "bedrock.ndjson": "bedrock",
    "canonical.ndjson": "canonical-jsonl",
}
IMAGES = {
    "openai_chat.ndjson": 1,
    "openai_responses.ndjson": 1,
    "anthropic_messages.ndjson": 2,
    "bedrock.ndjson": 1,
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_value_of_a_log(run: Run, name: str) -> None:
    report, rows = run(LOGS / name)
    found = {row["exchange_id"]: present(row) for row in rows}
    for exchange_id, wanted in EXPECTED[name].items():
        assert found[exchange_id] == {"exchange_id": exchange_id, **wanted}
    [file] = report.files
    assert dict(file.formats) == {FORMATS[name]: file.records}
    assert file.images == IMAGES.get(name, 0)


def test_a_record_without_a_name_gets_one_from_its_content(run: Run) -> None:
    _, rows = run(LOGS / "openai_chat.ndjson")
    [nameless] = [row for row in rows if row["exchange_id"].startswith("sw_")]
    assert (nameless["prompt"], nameless["status"]) == ("Too many of me.", 429)
    assert nameless["ts"] == utc(2025, 6, 2, 8, 0, 40, 123_000)


def test_unfit_rows_are_in_quarantine_with_their_lines(run: Run) -> None:
    report, _ = run(LOGS / "openai_chat.ndjson")
    assert report.quality.reasons == {("ts", "missing"): 1, ("input_tokens", "negative number"): 1}
    lines = (run.out / "quarantine.jsonl").read_text().splitlines()
    assert '"row": 8' in lines[0]
    assert '"row": 9' in lines[1]
    assert report.files[0].share_read == pytest.approx(7 / 9)


def test_a_body_that_is_stored_elsewhere_is_a_missing_text(run: Run) -> None:
    report, _ = run(LOGS / "bedrock.ndjson")
    assert report.files[0].texts_missing == 1
    assert any("without texts" in advice for advice in report.advice())


def test_spans_and_their_events_become_one_exchange(run: Run) -> None:
    report, rows = run(LOGS / "otlp_traces.ndjson", LOGS / "otlp_logs.ndjson")
    traces, logs = report.files
    assert (traces.exchanges, traces.skipped.total(), logs.merged) == (6, 3, 4)
    assert logs.skipped["texts of a model call whose span is missing"] == 1
    found = {row["model"]: present(row) for row in rows}
    assert found["gpt-house"] == {
        "exchange_id": "5b8efff798038103d269b633813fc601-eee19b7ec3c1b101",
        "ts": utc(2025, 6, 2, 12),
        "account_id": "acct-otel-1",
        "end_user_id": hashed("person-4"),
        "session_id": "conv-1",
        "operation": "chat",
        "model": "gpt-house",
        "client_ip": "198.51.100.31",
        "user_agent": "trip-app/3",
        "system_prompt": "You plan trips.",
        "prompt": "Two days in Ghent?",
        "response": "Day one: the castle.",
        "n_messages": 4,
        "temperature": 0.5,
        "max_output_tokens": 300,
        "input_tokens": 40,
        "output_tokens": 20,
        "reasoning_tokens": 6,
        "cached_tokens": 8,
        "finish_reason": "stop",
        "latency_ms": 1500.0,
    }
    texts = {
        model: (row.get("system_prompt"), row["prompt"], row["response"]) for model, row in found.items()
    }
    assert texts == {
        "gpt-house": ("You plan trips.", "Two days in Ghent?", "Day one: the castle."),
        "claude-house": ("Be kind.", "Cheer me up.", "You did well."),
        "gpt-old": ("You are old.", "How old?", "Very."),
        "gpt-flat": (None, "Flat?", "Flat."),
        "gpt-events": ("You keep time.", "What time is it?", "Noon."),
        "gpt-details": (None, "In detail?", "In detail."),
    }
    assert (found["gpt-old"]["input_tokens"], found["gpt-old"]["output_tokens"]) == (11, 7)
    assert found["gpt-flat"]["stream"] is True
    assert found["gpt-events"]["n_messages"] == 2
    assert found["claude-house"]["client_ip"] == "203.0.113.44"


def test_spans_without_their_events_are_counted_as_texts_missing(run: Run) -> None:
    report, rows = run(LOGS / "otlp_traces.ndjson")
    assert len(rows) == 6
    assert report.files[0].texts_missing == 2


@pytest.mark.parametrize("name", ["litellm_standard.ndjson", "litellm_standard_batches.json"])
def test_what_a_real_litellm_proxy_posted(run: Run, name: str) -> None:
    report, rows = run(LOGS / name)
    assert report.files[0].format == "litellm-standard"
    assert (len(rows), report.files[0].images) == (14, 1)
    found = {row["prompt"]: present(row) for row in rows}
    pirate = found["Where is the map?"]
    assert pirate["account_id"] == "bob"
    assert pirate["org_id"] == "org-red"
    assert pirate["end_user_id"] == hashed("end-user-7")
    assert pirate["system_prompt"] == "Answer like a pirate."
    assert (pirate["temperature"], pirate["max_output_tokens"], pirate["n_messages"]) == (0.25, 50, 2)
    assert "client_ip" not in pirate  # the proxy believed a header; we do not
    river = found["Name a river."]
    assert river["system_prompt"] == "Be short."
    assert (river["input_tokens"], river["cached_tokens"], river["end_user_id"]) == (25, 4, hashed("u-9"))
    assert found["too fast"]["status"] == 429
    assert found["in a session"]["session_id"] == "session-2"
    assert sum("session_id" in row for row in found.values()) == 1
    assert found["embed me"]["operation"] == "embedding"
    assert found["Where is Ulm?"]["n_tools"] == 1
    assert all(row["ts"].date() == utc(2025, 6, 2).date() for row in rows)


def test_rows_of_the_spend_table(run: Run) -> None:
    report, rows = run(LOGS / "litellm_spend_logs.ndjson")
    assert report.files[0].format == "litellm-spend-logs"
    found = {row["prompt"]: present(row) for row in rows}
    assert len(found) == len(rows) == 13
    assert found["Name another river."]["system_prompt"] == "Be brief."
    assert found["Name another river."]["stream"] is True
    assert found["Where is the map?"]["temperature"] == 0.25
    assert "client_ip" not in found["Where is the map?"]
    assert found["Why is the sky blue?"]["client_ip"] == "127.0.0.1"
    assert found["How is the weather?"]["n_tools"] == 1
    assert found["Where is Ulm?"]["reasoning_tokens"] == 5
