"""Request/response logs in the shape of Anthropic Messages."""

from collections.abc import Iterator
from typing import Any

from stillwatch.sources.envelope import parsed, take_apart
from stillwatch.sources.fields import first, first_name, header
from stillwatch.sources.messages import answer, conversation, tools
from stillwatch.sources.openai_chat import path_ends
from stillwatch.sources.source import Item, Record
from stillwatch.sources.streams import assembled

_EVENTS = (
    "message_start",
    "content_block_start",
    "content_block_delta",
    "message_delta",
    "message_stop",
    "ping",
)


class AnthropicMessages:
    """One record a request: `{"request": {"model", "system", "messages", ...}, "response": {"content",
    ...}, ...}`."""

    name = "anthropic-messages"
    shape = "request with `messages` (and `system`), answer with `content` and `stop_reason`"

    def recognises(self, record: Record) -> float:
        """By the content blocks of the answer, or by what only this API's requests have."""
        bodies = take_apart(record)
        asks = isinstance(bodies.request.get("messages"), list)
        if _answers(bodies.response):
            return 0.9 if asks else 0.3
        if not asks or (isinstance(bodies.response, dict) and "choices" in bodies.response):
            return 0.0
        headers = first(record, "request.headers", "request_headers", "headers", "req.headers")
        named = path_ends(record, ("/v1/messages",)) or header(headers, "anthropic-version") is not None
        own = any(key in bodies.request for key in ("system", "anthropic_version", "thinking"))
        return 0.75 if named else 0.5 if own else 0.0

    def parse(self, record: Record) -> Iterator[Item]:
        """One exchange."""
        bodies = take_apart(record)
        request = bodies.request
        body, streamed = assembled(bodies.response)
        talk = conversation(request.get("messages"), system=request.get("system"))
        values: dict[str, Any] = {
            "operation": "chat",
            "end_user_id": first_name(request, "metadata.user_id"),
            "n_tools": tools(request.get("tools")) or 0,
            "stream": True if streamed else request.get("stream", False),
        }
        yield parsed(record, bodies, talk, answer(body), values)


def _answers(body: object) -> bool:
    if isinstance(body, dict):
        return body.get("type") == "message" or (
            "stop_reason" in body and isinstance(body.get("content"), list)
        )
    if isinstance(body, list):
        return any(isinstance(event, dict) and event.get("type") in _EVENTS for event in body[:20])
    return isinstance(body, str) and '"message_start"' in body[:4096]
