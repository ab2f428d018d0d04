"""A real LiteLLM proxy on loopback, a model behind it that is ours, and a collector for what it logs."""

import json
import os
import secrets
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MOCK = "The mock says hello."
START_SECONDS = 120
FLUSH_SECONDS = 120

CONFIG = """
model_list:
  - model_name: house-model
    litellm_params: {{model: openai/house-model, api_key: none, mock_response: "{mock}"}}
  - model_name: broken-model
    litellm_params: {{model: openai/broken-model, api_key: none, mock_response: "litellm.RateLimitError"}}
  - model_name: house-tools
    litellm_params: {{model: openai/house-tools, api_key: none, api_base: "http://127.0.0.1:{port}/v1"}}
  - model_name: house-claude
    litellm_params: {{model: anthropic/house-claude, api_key: none, api_base: "http://127.0.0.1:{port}"}}
litellm_settings:
  callbacks: ["lines", "array", "spend_rows.handler"]
  num_retries: 0
callback_settings:
  lines:
    callback_type: generic_api
    endpoint: http://127.0.0.1:{port}/log/lines
    headers: {{X-Log-Source: litellm}}
    log_format: ndjson
  array:
    callback_type: generic_api
    endpoint: http://127.0.0.1:{port}/log/array
    headers: {{X-Log-Source: litellm}}
    log_format: json_array
general_settings:
  custom_auth: proxy_auth.user_api_key_auth
  store_prompts_in_spend_logs: true
"""

# Keys name their user and team ("sk-alice.red"), so that no database is needed to have several accounts.
AUTH = """
from fastapi import Request
from litellm.proxy._types import UserAPIKeyAuth


async def user_api_key_auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    user, _, team = api_key.removeprefix("sk-").partition(".")
    org = team and "org-" + team
    return UserAPIKeyAuth(api_key=api_key, user_id=user or None, team_id=team or None, org_id=org)
"""

# The rows that the proxy would put into its database (which needs a PostgreSQL), built by its own function.
SPEND_ROWS = """
import asyncio
import json
import urllib.request

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload


class SpendRows(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        row = get_logging_payload(kwargs, response_obj, start_time, end_time)
        body = json.dumps(row, default=str).encode()
        request = urllib.request.Request("http://127.0.0.1:{port}/log/spend", body)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
        await asyncio.to_thread(lambda: opener.open(request, timeout=10).close())


handler = SpendRows()
"""


@dataclass
class Collected:
    """Bodies that the proxy posted, by the last part of the path."""

    bodies: dict[str, list[bytes]] = field(default_factory=dict)

    def text(self, name: str) -> bytes:
        return b"\n".join(self.bodies.get(name, []))

    def count(self, name: str) -> int:
        total = 0
        for body in self.bodies.get(name, []):
            total += len(json.loads(body)) if name == "array" else body.count(b"\n") + 1
        return total


def _handler(collected: Collected) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if self.path.startswith("/log/"):
                collected.bodies.setdefault(self.path.rpartition("/")[2], []).append(body)
                self._send(b"{}")
                return
            asked = json.loads(body)
            if self.path.endswith("/messages"):
                self._send(*_claude(asked))
            else:
                self._send(json.dumps(_chat(asked)).encode())

        def _send(self, body: bytes, kind: str = "application/json") -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "lookup", "arguments": '{"place": "Ulm"}'},
    }
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": asked["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 61,
            "completion_tokens": 17,
            "total_tokens": 78,
            "prompt_tokens_details": {"cached_tokens": 32},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }


def _claude(asked: dict[str, Any]) -> tuple[bytes, str]:
    name = f"msg_{secrets.token_hex(12)}"
    usage = {
        "input_tokens": 21,
        "output_tokens": 9,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 0,
    }
    text = "The Danube."
    head = {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "stop_sequence": None,
    }
    if not asked.get("stream"):
        block = {"type": "text", "text": text}
        body = {**head, "content": [block], "stop_reason": "end_turn", "usage": usage}
        return json.dumps(body).encode(), "application/json"
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**head, "content": [], "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[:5]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[5:]}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ]
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return "".join(lines).encode(), "text/event-stream"


@dataclass
class Proxy:
    """A running proxy."""

    url: str
    collected: Collected

    def post(self, path: str, body: dict[str, Any], key: str, headers: dict[str, str] | None = None) -> int:
        """Send a request and read its answer to the end; the HTTP status."""
        head = {"Content-Type": "application/json", "Authorization": f"Bearer sk-{key}", **(headers or {})}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), head)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def wait_for(self, counts: dict[str, int]) -> None:
        """Wait until so many records were posted.

        Raises:
            RuntimeError: they were not, within `FLUSH_SECONDS`.
        """
        end = time.monotonic() + FLUSH_SECONDS
        while time.monotonic() < end:
            if all(self.collected.count(name) >= count for name, count in counts.items()):
                return
            time.sleep(0.2)
        posted = {name: self.collected.count(name) for name in counts}
        raise RuntimeError(f"the proxy was to post {counts}, and posted {posted}")


@contextmanager
def running(binary: str, folder: Path) -> Iterator[Proxy]:
    """Start collector, model and proxy, and stop them."""
    collected = Collected()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(collected))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "config.yaml").write_text(CONFIG.format(mock=MOCK, port=server.server_port))
    (folder / "proxy_auth.py").write_text(AUTH)
    (folder / "spend_rows.py").write_text(SPEND_ROWS.format(port=server.server_port))
    port = _free_port()
    output = folder / "proxy.log"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(24)}",
        "DEFAULT_FLUSH_INTERVAL_SECONDS": "1",
    }
    with output.open("wb") as log:
        process = subprocess.Popen(
            [binary, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_alive(url, process, output)
        yield Proxy(url, collected)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
        server.shutdown()
        server.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_alive(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with opener.open(f"{url}/health/liveliness", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the proxy did not start:\n{output.read_text(errors='replace')[-3000:]}")
