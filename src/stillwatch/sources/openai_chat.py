"""Request/response logs in the shape of OpenAI Chat Completions (and the older Completions)."""

from collections.abc import Iterator, Mapping
from typing import Any

from stillwatch.sources.envelope import Bodies, parsed, take_apart
from stillwatch.sources.fields import first_name
from stillwatch.sources.messages import Answer, answer, conversation, tools
from stillwatch.sources.source import Item, ParsedExchange, Record
from stillwatch.sources.streams import assembled

_ENDPOINTS = ("/chat/completions", "/completions")
_OTHERS_ONLY = ("anthropic_version", "inferenceConfig", "thinking", "stop_sequences", "top_k")


class OpenaiChat:
    """One record a request: `{"request": {"model", "messages", ...}, "response": {"choices", ...}, ...}`."""

    name = "openai-chat"
    shape = "request with `messages` (or `prompt`), answer with `choices`, time and account around"

    def recognises(self, record: Record) -> float:
        """By the messages of the request and the choices of the answer."""
        bodies = take_apart(record)
        asks = isinstance(bodies.request.get("messages"), list)
        if _answers(bodies.response):
            return 0.8 if asks or "prompt" in bodies.request else 0.3
        if not (asks or isinstance(bodies.request.get("prompt"), str)):
            return 0.0
        if path_ends(record, _ENDPOINTS):
            return 0.7
        return 0.4 if asks and not any(key in bodies.request for key in _OTHERS_ONLY) else 0.0

    def parse(self, record: Record) -> Iterator[Item]:
        """One exchange."""
        bodies = take_apart(record)
        body, streamed = assembled(bodies.response)
        yield read_chat(record, bodies, answer(body), streamed=streamed)


def read_chat(record: Record, bodies: Bodies, reply: Answer, *, streamed: bool) -> ParsedExchange:
    """The exchange of a request in Chat Completions shape."""
    request = bodies.request
    talk = conversation(request.get("messages") if "messages" in request else _prompt(request.get("prompt")))
    offered = tools(request.get("tools"))
    values: dict[str, Any] = {
        "operation": "chat" if "messages" in request else "completion",
        "end_user_id": end_user(request),
        "n_tools": offered if offered is not None else tools(request.get("functions")) or 0,
        "stream": True if streamed else request.get("stream", False),
    }
    return parsed(record, bodies, talk, reply, values)


def end_user(request: Mapping[str, Any]) -> str | None:
    """The end user as OpenAI's callers name it."""
    return first_name(request, "safety_identifier", "user")


def path_ends(record: Record, endpoints: tuple[str, ...]) -> bool:
    """Whether the record names one of these endpoints."""
    path = first_name(
        record, "url", "path", "endpoint", "request.url", "request.path", "request.uri", "req.url"
    )
    return path is not None and path.partition("?")[0].endswith(endpoints)


def _prompt(prompt: object) -> object:
    """Completions takes a text or a list of texts (one answer each); the first one is read."""
    if isinstance(prompt, list):
        texts = [text for text in prompt if isinstance(text, str)]
        return texts[0] if texts else None
    return prompt


def _answers(body: object) -> bool:
    if isinstance(body, dict):
        return isinstance(body.get("choices"), list)
    if isinstance(body, list):
        return any(isinstance(event, dict) and "choices" in event for event in body[:20])
    return isinstance(body, str) and '"chat.completion.chunk"' in body[:4096]
