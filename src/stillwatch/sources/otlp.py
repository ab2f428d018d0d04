"""OpenTelemetry GenAI spans and events in OTLP JSON, as the collector's file exporter writes them.

Old and new names of the GenAI semantic conventions (1.27 to 1.38 and the development version since), and
the flattened messages of OpenLLMetry. A span and its events are joined by trace and span id, also across
records and files.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stillwatch.sources.addresses import SeenAddress
from stillwatch.sources.fields import (
    dig,
    first,
    first_name,
    items,
    mapping,
    name,
    number,
    pick,
    unpacked,
    without_empty,
)
from stillwatch.sources.messages import Answer, Conversation, answer, content, conversation, tools
from stillwatch.sources.otlp_values import any_value, attributes, key_of, lists, numbered, whole
from stillwatch.sources.source import Fragment, Item, ParsedExchange, Record, Skipped

NO_CALL = "span that is no call of a model"
NO_EVENT = "log record that is no GenAI event"
NO_KEY = "GenAI event without trace and span id"
EMPTY = "OTLP record without spans or log records"
DETAILS = "gen_ai.client.inference.operation.details"

_CALLS = {
    "chat": "chat",
    "generate_content": "chat",
    "text_completion": "completion",
    "completion": "completion",
    "embeddings": "embedding",
}
_ACCOUNT = ("account.id", "tenant.id", "customer.id", "project.id", "enduser.id", "user.id", "user.hash")
_END_USER = ("enduser.id", "enduser.pseudo.id", "user.id", "gen_ai.user", "llm.user")
_INPUT_EVENTS = (
    "gen_ai.system.message",
    "gen_ai.user.message",
    "gen_ai.assistant.message",
    "gen_ai.tool.message",
)
_COLUMNS: dict[str, tuple[str, ...]] = {
    "org_id": ("organization.id", "org.id"),
    "key_id": ("gen_ai.request.api_key_id", "api_key.id", "api_key.hash"),
    "session_id": ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id"),
    "model": ("gen_ai.request.model", "llm.request.model", "gen_ai.response.model"),
    "user_agent": ("user_agent.original", "http.user_agent"),
    "ja4": ("tls.client.ja4",),
    "temperature": ("gen_ai.request.temperature", "llm.temperature"),
    "max_output_tokens": ("gen_ai.request.max_tokens", "llm.request.max_tokens"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "status": ("http.response.status_code", "http.status_code"),
    "stream": ("gen_ai.request.stream", "llm.is_streaming"),
}
_CALLER = frozenset(
    (*_ACCOUNT, *_END_USER, *_COLUMNS["org_id"], *_COLUMNS["key_id"], *_COLUMNS["session_id"])
)


class Otlp:
    """One record an export request: `resourceSpans` or `resourceLogs`, many exchanges in each."""

    name = "otlp-genai"
    shape = "OTLP JSON with resourceSpans or resourceLogs that hold gen_ai.* attributes"

    def recognises(self, record: Record) -> float:
        """By the names of the export requests."""
        names = ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
        return 0.95 if any(isinstance(record.get(key), list) for key in names) else 0.0

    def parse(self, record: Record) -> Iterator[Item]:
        """The model calls among the spans, and the events with their texts."""
        found = False
        for item in (*_spans(record), *_logs(record)):
            found = True
            yield item
        if not found:
            yield Skipped(EMPTY)


def _spans(record: Record) -> Iterator[Item]:
    blocks = lists(record, "resourceSpans", "resource_spans")
    around = _around(blocks)
    for block in blocks:
        resource = _resource(block)
        for scope in lists(block, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            for span in lists(scope, "spans"):
                own = attributes(span.get("attributes"))
                yield _span(span, {**resource, **around.get(_trace(span), {}), **own}, own)


def _resource(block: Mapping[str, Any]) -> dict[str, Any]:
    """What the resource says, without what would name the instrumented service's owner as the caller."""
    found = attributes(dig(block, "resource.attributes"))
    return {key: value for key, value in found.items() if key not in _CALLER}


def _trace(span: Mapping[str, Any]) -> str:
    return str(first(span, "traceId", "trace_id"))


def _around(blocks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the server's span of the same trace knows about the client."""
    wanted = (
        "client.address",
        "network.peer.address",
        "user_agent.original",
        "http.user_agent",
        "enduser.id",
        "user.id",
    )
    found: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for scope in lists(block, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            for span in lists(scope, "spans"):
                if span.get("kind") not in (2, "SPAN_KIND_SERVER"):
                    continue
                own = attributes(span.get("attributes"))
                kept = {
                    key: own[key] for key in own if key in wanted or key.startswith("http.request.header.")
                }
                if kept:
                    found.setdefault(_trace(span), kept)
    return found


def _span(span: Mapping[str, Any], found: Mapping[str, Any], own: Mapping[str, Any]) -> Item:
    called = first_name(own, "gen_ai.operation.name", "llm.request.type")
    is_call = (
        called in _CALLS
        if called
        else any(key in own for key in ("gen_ai.request.model", "llm.request.model"))
    )
    if not is_call:
        return Skipped(NO_CALL)
    events = [
        (first_name(event, "name") or "", attributes(event.get("attributes")))
        for event in lists(span, "events")
    ]
    texts = dict(found)
    for title, inside in events:
        if title in ("gen_ai.content.prompt", "gen_ai.content.completion", DETAILS):
            texts.update(inside)
    talk, reply = _texts(texts)
    by_event = [_message(title, inside, None) for title, inside in events]
    values = _values(found, called, talk, reply)
    _add_messages(values, [part for part in by_event if part is not None])
    start, end = (
        whole(first(span, "startTimeUnixNano", "start_time_unix_nano")),
        whole(first(span, "endTimeUnixNano", "end_time_unix_nano")),
    )
    values |= {"ts": start, "latency_ms": _milliseconds(start, end)}
    key = key_of(span)
    exchange = _exchange(values, key, found, talk.images)
    # Texts that the span does not hold may stand in log records elsewhere.
    if key is not None and not ("prompt" in exchange.values and "response" in exchange.values):
        return Fragment(key, exchange, alone=True)
    return exchange


def _milliseconds(start: object, end: object) -> float | None:
    first_time, last_time = number(start), number(end)
    return None if first_time is None or not last_time else (last_time - first_time) / 1e6


def _logs(record: Record) -> Iterator[Item]:
    for block in lists(record, "resourceLogs", "resource_logs"):
        resource = _resource(block)
        for scope in lists(block, "scopeLogs", "scope_logs", "instrumentationLibraryLogs"):
            for log in lists(scope, "logRecords", "log_records", "logs"):
                yield _log(log, resource)


def _log(log: Mapping[str, Any], resource: Mapping[str, Any]) -> Item:
    own = attributes(log.get("attributes"))
    title = first_name(log, "eventName", "event_name") or first_name(own, "event.name") or ""
    body = any_value(log.get("body"))
    key = key_of(log)
    if title == DETAILS:
        found = {**resource, **mapping(body), **own}
        talk, reply = _texts(found)
        values = _values(found, first_name(found, "gen_ai.operation.name"), talk, reply)
        values["ts"] = whole(first(log, "timeUnixNano", "time_unix_nano", "observedTimeUnixNano"))
        exchange = _exchange(values, key, found, talk.images)
        return exchange if key is None else Fragment(key, exchange, alone=True)
    part = _message(title, {**mapping(body), **own}, body)
    if part is None:
        return Skipped(NO_EVENT)
    return Skipped(NO_KEY) if key is None else Fragment(key, part, alone=False)


def _message(title: str, inside: Mapping[str, Any], body: object) -> ParsedExchange | None:
    """One of the events that hold a message each (conventions before 1.37)."""
    if title == "gen_ai.choice":
        message = mapping(inside.get("message"))
        found = content(first(message, "content") or first(inside, "content"))
        values: dict[str, Any] = {
            "response": found.text,
            "finish_reason": first_name(inside, "finish_reason"),
        }
        return (
            ParsedExchange(without_empty(values))
            if inside.get("index", 0) in (0, "0")
            else ParsedExchange({})
        )
    if title not in _INPUT_EVENTS:
        return None
    role = title.split(".")[1]
    found = content(unpacked(first(inside, "content") or (body if isinstance(body, str) else None)))
    columns = {"system": "system_prompt", "user": "prompt"}
    values = {"n_messages": 1} | ({columns[role]: found.text} if role in columns else {})
    return ParsedExchange(without_empty(values), images=found.images)


def _add_messages(values: dict[str, Any], parts: list[ParsedExchange]) -> None:
    """Texts of a span's own message events, where its attributes have none."""
    systems = [part.values["system_prompt"] for part in parts if "system_prompt" in part.values]
    merged: dict[str, Any] = {"n_messages": sum(part.values.get("n_messages", 0) for part in parts) or None}
    for part in parts:
        merged.update({key: text for key, text in part.values.items() if key != "n_messages"})
    merged["system_prompt"] = "\n".join(systems) or None
    for column, value in merged.items():
        if values.get(column) is None and value is not None:
            values[column] = value


def _texts(found: Mapping[str, Any]) -> tuple[Conversation, Answer]:
    """What the attributes say of request and answer, new names first."""
    asked = unpacked(pick(found, "gen_ai.input.messages", "gen_ai.prompt")) or numbered(found, "prompt")
    talk = conversation(asked or None, system=unpacked(pick(found, "gen_ai.system_instructions")))
    answered = unpacked(pick(found, "gen_ai.output.messages", "gen_ai.completion")) or numbered(
        found, "completion"
    )
    reason = next(iter(items(found.get("gen_ai.response.finish_reasons"))), None)
    if isinstance(answered, list):
        answered = mapping(next(iter(answered), None))
        reason = reason or answered.get("finish_reason")
        return talk, Answer(content(first(answered, "parts", "content")).text, reason)
    reply = answer(answered)
    return talk, Answer(reply.text, reason or reply.finish_reason)


def _values(
    found: Mapping[str, Any], called: str | None, talk: Conversation, reply: Answer
) -> dict[str, Any]:
    account = first_name(found, *_ACCOUNT)
    values = {column: pick(found, *names) for column, names in _COLUMNS.items()}
    error = number(found.get("error.type"))
    return values | {
        "account_id": account,
        "end_user_id": next(
            (user for key in _END_USER if (user := name(found.get(key))) not in (None, account)), None
        ),
        "operation": _CALLS.get(called or "", called),
        "system_prompt": talk.system,
        "prompt": talk.prompt,
        "n_messages": talk.n_messages,
        "n_tools": tools(pick(found, "gen_ai.tool.definitions", "gen_ai.request.tools")),
        "response": reply.text,
        "finish_reason": name(reply.finish_reason),
        "status": values["status"] if values["status"] is not None else error,
    }


def _exchange(
    values: dict[str, Any], key: str | None, found: Mapping[str, Any], images: int
) -> ParsedExchange:
    values["exchange_id"] = key
    headers = "http.request.header."
    request_id = name(_single(found.get(headers + "x-request-id")))
    candidates = (request_id, first_name(found, "http.request_id", "request.id", "gen_ai.response.id"))
    return ParsedExchange(
        without_empty(values),
        address=SeenAddress(
            edge=found.get("network.peer.address"),
            reported=found.get("client.address"),
            forwarded_for=found.get(headers + "x-forwarded-for"),
            forwarded=found.get(headers + "forwarded"),
        ),
        request_ids=tuple(dict.fromkeys(filter(None, candidates))),
        fields=found,
        images=images,
        text_missing="prompt" not in without_empty(values),
    )


def _single(value: object) -> object:
    """Headers are lists in the conventions."""
    return value[0] if isinstance(value, list) and value else value
