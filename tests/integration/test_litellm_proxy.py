"""The LiteLLM adapter against what a real proxy writes (`make integration`)."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.sources.ingest import IngestOptions, IngestReport, ingest
from tests.integration.litellm_proxy import MOCK, Proxy, running

pytestmark = pytest.mark.integration

TOOLS = [
    {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}}}
]
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


def chat(messages: list[Any], **more: object) -> dict[str, Any]:
    return {"model": "house-model", "messages": messages, **more}


CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"

# (path, body, key, headers) -> what must stand in the row of that prompt.
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any], dict[str, Any]]] = [
    (
        CHAT,
        chat([user("Why is the sky blue?")]),
        "alice.red",
        {},
        {
            "account_id": "alice",
            "org_id": "org-red",
            "model": "house-model",
            "operation": "chat",
            "prompt": "Why is the sky blue?",
            "response": MOCK,
            "n_messages": 1,
            "n_tools": 0,
            "status": 200,
            "stream": False,
            "finish_reason": "stop",
        },
    ),
    (
        CHAT,
        chat(
            [{"role": "system", "content": "Answer like a pirate."}, user("Where is the map?")],
            temperature=0.25,
            max_tokens=50,
            user="end-user-7",
        ),
        "bob.red",
        {"User-Agent": "probe/1.0", "X-Forwarded-For": "203.0.113.9"},
        {
            "account_id": "bob",
            "system_prompt": "Answer like a pirate.",
            "prompt": "Where is the map?",
            "n_messages": 2,
            "temperature": 0.25,
            "max_output_tokens": 50,
            "end_user_id": "end-user-7",
            "user_agent": "probe/1.0",
            "client_ip": None,
        },
    ),
    (
        CHAT,
        chat([user("first"), {"role": "assistant", "content": "one"}, user("and second?")], stream=True),
        "bob.red",
        {},
        {
            "prompt": "and second?",
            "response": MOCK,
            "stream": True,
            "n_messages": 3,
            "client_ip": "127.0.0.1",
        },
    ),
    (
        CHAT,
        chat(
            [user([{"type": "text", "text": "What is"}, PIXEL, {"type": "text", "text": "in this picture?"}])]
        ),
        "alice.red",
        {},
        {"prompt": "What is\nin this picture?", "n_messages": 1},
    ),
    (
        CHAT,
        chat(
            [
                user("How is the weather?"),
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            ],
            tools=TOOLS,
        ),
        "alice.red",
        {},
        {"prompt": "How is the weather?", "n_messages": 3, "n_tools": 1},
    ),
    (
        CHAT,
        {"model": "house-tools", "messages": [user("Where is Ulm?")], "tools": TOOLS},
        "carol",
        {},
        {
            "account_id": "carol",
            "org_id": None,
            "model": "house-tools",
            "response": None,
            "finish_reason": "tool_calls",
            "input_tokens": 61,
            "output_tokens": 17,
            "reasoning_tokens": 5,
            "cached_tokens": 32,
        },
    ),
    (
        MESSAGES,
        {
            "model": "house-claude",
            "max_tokens": 30,
            "system": "Be short.",
            "messages": [user("Name a river.")],
            "metadata": {"user_id": "u-9"},
        },
        "carol",
        {"anthropic-version": "2023-06-01"},
        {
            "account_id": "carol",
            "model": "house-claude",
            "prompt": "Name a river.",
            "response": "The Danube.",
            "system_prompt": "Be short.",
            "max_output_tokens": 30,
            "end_user_id": "u-9",
            "stream": False,
        },
    ),
    (
        MESSAGES,
        {
            "model": "house-claude",
            "max_tokens": 31,
            "stream": True,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [user([{"type": "text", "text": "Name another river."}])],
        },
        "carol",
        {},
        {
            "prompt": "Name another river.",
            "response": "The Danube.",
            "stream": True,
        },
    ),
    (
        RESPONSES,
        {"model": "house-model", "input": "Say one word.", "max_output_tokens": 40},
        "dave.blue",
        {},
        {"account_id": "dave", "org_id": "org-blue", "prompt": "Say one word.", "operation": "chat"},
    ),
    (
        RESPONSES,
        {"model": "house-model", "input": [user([{"type": "input_text", "text": "Say two words."}])]},
        "dave.blue",
        {},
        {"prompt": "Say two words.", "response": MOCK},
    ),
    (
        "/v1/completions",
        {"model": "house-model", "prompt": "Once upon a time"},
        "dave.blue",
        {},
        {"prompt": "Once upon a time", "operation": "completion", "response": MOCK},
    ),
    (
        "/v1/embeddings",
        {"model": "house-model", "input": "embed me"},
        "dave.blue",
        {},
        {"prompt": "embed me", "operation": "embedding"},
    ),
    (
        CHAT,
        {"model": "broken-model", "messages": [user("too fast")]},
        "erin",
        {},
        {"account_id": "erin", "status": 429, "prompt": "too fast", "response": None},
    ),
    (
        CHAT,
        chat([user("in a session")], litellm_session_id="session-2"),
        "erin",
        {"x-request-id": "edge-5"},
        {"session_id": "session-2", "prompt": "in a session"},
    ),
]
STATUS_OF = {"too fast": 429}


def prompt_of(body: dict[str, Any]) -> str:
    asked: Any = body.get("messages") or body.get("input") or body.get("prompt")
    if isinstance(asked, str):
        return asked
    content = [message for message in asked if message["role"] == "user"][-1]["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if "text" in part)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    binary = os.environ.get("STILLWATCH_LITELLM", "")
    if not binary or shutil.which(binary) is None:
        pytest.skip("set STILLWATCH_LITELLM to the litellm command; `make integration` does")
    with running(binary, tmp_path_factory.mktemp("proxy")) as started:
        for path, body, key, headers, _ in CASES:
            status = started.post(path, body, key, headers)
            assert status == STATUS_OF.get(prompt_of(body), 200), (path, body)
        started.wait_for({"lines": len(CASES), "array": len(CASES), "spend": len(CASES) - len(STATUS_OF)})
        yield started


@pytest.mark.parametrize("name", ["lines", "array"])
def test_what_the_proxy_logs_becomes_what_was_sent(proxy: Proxy, name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(proxy.collected.text(name))
    key_file = tmp_path / "key"
    report: IngestReport = ingest([log], tmp_path / "out", IngestOptions(key_file=key_file))
    rows = {row["prompt"]: row for row in pq.read_table(tmp_path / "out" / "exchanges").to_pylist()}
    assert report.fit == len(CASES) == len(rows)
    assert report.files[0].format == "litellm-standard"
    assert report.files[0].share_read == 1.0
    assert report.files[0].images == 1
    hasher = IdentifierHasher.from_key_file(key_file)
    for _, body, _, _, wanted in CASES:
        row = rows[prompt_of(body)]
        for column, value in wanted.items():
            expected = hasher.hash_one(value) if column == "end_user_id" else value
            assert row[column] == expected, (column, body)
        assert row["key_id"].startswith("hk_")
        assert row["latency_ms"] > 0


def test_rows_of_the_spend_table_hold_the_same(proxy: Proxy, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(proxy.collected.text("spend"))
    report = ingest([log], tmp_path / "out", IngestOptions(key_file=tmp_path / "key"))
    rows = {row["prompt"]: row for row in pq.read_table(tmp_path / "out" / "exchanges").to_pylist()}
    assert report.files[0].format == "litellm-spend-logs"
    assert report.fit == len(rows) == len(CASES) - len(STATUS_OF)
    hasher = IdentifierHasher.from_key_file(tmp_path / "key")
    for _, body, _, _, wanted in CASES:
        if prompt_of(body) in STATUS_OF:
            continue
        row = rows[prompt_of(body)]
        for column, value in wanted.items():
            expected = hasher.hash_one(value) if column == "end_user_id" else value
            if column != "user_agent":
                assert row[column] == expected, (column, body)
    # Only here: the payload of the callback leaves out system prompts that are given as a list of blocks.
    assert rows["Name another river."]["system_prompt"] == "Be brief."


def test_a_trusted_proxy_in_front_is_believed(proxy: Proxy, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(proxy.collected.text("lines"))
    ingest([log], tmp_path / "out", IngestOptions(trusted_hops=1, key_file=tmp_path / "key"))
    rows = {row["prompt"]: row for row in pq.read_table(tmp_path / "out" / "exchanges").to_pylist()}
    assert rows["Where is the map?"]["client_ip"] == "203.0.113.9"
