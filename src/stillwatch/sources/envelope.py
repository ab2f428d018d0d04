"""What gateways write around a request and its answer: time, account, key, address, status.

There is no standard for it, so the common spellings are tried in a fixed order (docs/sources.md lists
them). The bodies themselves are read by the adapters of the APIs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stillwatch.sources.addresses import SeenAddress
from stillwatch.sources.fields import (
    dig,
    first,
    first_name,
    header,
    mapping,
    name,
    number,
    scaled,
    unpacked,
    without_empty,
)
from stillwatch.sources.messages import Answer, Conversation, sampling
from stillwatch.sources.source import ParsedExchange, Record

REQUESTS = ("request", "request_body", "requestBody", "req", "input", "body", "payload")
RESPONSES = ("response", "response_body", "responseBody", "resp", "output", "completion", "result")
_AROUND = ("metadata", "meta", "context", "attributes", "labels", "request", "req")

_NAMES: dict[str, tuple[str, ...]] = {
    "ts": (
        "ts",
        "timestamp",
        "@timestamp",
        "time",
        "datetime",
        "start_time",
        "startTime",
        "started_at",
        "request_time",
        "requestTime",
        "requested_at",
        "received_at",
        "created_at",
        "createdAt",
    ),
    "account_id": (
        "account_id",
        "accountId",
        "account",
        "billing_account",
        "customer_id",
        "customerId",
        "tenant_id",
        "tenantId",
        "project_id",
        "projectId",
        "team_id",
        "user_id",
        "userId",
        "consumer.id",
    ),
    "org_id": ("org_id", "orgId", "organization_id", "organizationId", "organization", "org"),
    "key_id": (
        "key_id",
        "keyId",
        "api_key_id",
        "apiKeyId",
        "api_key_hash",
        "key_hash",
        "api_key",
        "apiKey",
        "key",
    ),
    "session_id": ("session_id", "sessionId", "conversation_id", "conversationId", "thread_id", "threadId"),
    "user_agent": ("user_agent", "userAgent", "user_agent.original"),
    "ja4": ("ja4", "ja4_fingerprint", "tls_ja4", "tls.client.ja4", "tls_ja4_fingerprint"),
    "request_id": ("request_id", "requestId", "x_request_id", "x-request-id", "call_id", "id", "custom_id"),
    "status": ("status", "status_code", "statusCode", "http_status", "response_status", "response_code"),
}
_EDGE = (
    "remote_addr",
    "remoteAddr",
    "remote_address",
    "peer",
    "peer_address",
    "downstream_remote_address",
    "socket_ip",
)
_REPORTED = (
    "client_ip",
    "clientIp",
    "clientIP",
    "client.address",
    "ip",
    "ip_address",
    "source_ip",
    "sourceIp",
)
_FORWARDED_FOR = ("x_forwarded_for", "x-forwarded-for", "xff", "forwarded_for")
_MILLISECONDS = (
    "latency_ms",
    "latencyMs",
    "duration_ms",
    "durationMs",
    "response_time_ms",
    "elapsed_ms",
    "latencies.request",
)
_SECONDS = ("latency_s", "latency_seconds", "duration_s", "duration_seconds", "elapsed_seconds")


@dataclass(frozen=True)
class Bodies:
    """A record taken apart.

    Attributes:
        request: body of the request; empty where there is none.
        response: body of the answer as it was logged (object, text, list of events), or None.
        request_holder: what the request's body stands in (with method, path, headers), or an empty mapping.
        response_holder: likewise (with status and headers).
    """

    request: Mapping[str, Any]
    response: Any
    request_holder: Mapping[str, Any]
    response_holder: Mapping[str, Any]


def take_apart(record: Record) -> Bodies:
    """Find the bodies in a record under their common names; the record may be the request's body itself."""
    request, request_holder = _body(record, REQUESTS)
    response, response_holder = _body(record, RESPONSES)
    if not isinstance(request, dict) or not _is_request(request):
        outer = mapping(first(record, "request", "req"))
        if not isinstance(request, dict) or _is_request(record):
            request, request_holder = record, outer
    return Bodies(request, response, request_holder, response_holder)


def _is_request(body: Mapping[str, Any]) -> bool:
    return any(key in body for key in ("messages", "input", "prompt", "contents", "model"))


def _body(record: Record, names: Sequence[str]) -> tuple[Any, Mapping[str, Any]]:
    for key in names:
        if key not in record or record[key] in (None, ""):
            continue
        value = unpacked(record[key])
        if isinstance(value, dict):
            for inner in ("body", "json", "data"):
                if inner in value and isinstance(unpacked(value[inner]), (dict, list, str)):
                    return unpacked(value[inner]), value
        return value, {}
    return None, {}


def parsed(
    record: Record, bodies: Bodies, talk: Conversation, reply: Answer, values: Mapping[str, Any]
) -> ParsedExchange:
    """Put an exchange together.

    Args:
        record: the whole record.
        bodies: its bodies.
        talk: what the request's messages hold.
        reply: what the answer holds.
        values: what the adapter knows better; wins over the common spellings.
    """
    headers = first(
        record, "request.headers", "request_headers", "headers", "req.headers", "metadata.headers"
    )
    answer = bodies.response if isinstance(bodies.response, dict) else {}
    around = _places(record)
    found: dict[str, Any] = {column: _around(around, names) for column, names in _NAMES.items()}
    request_id = name(found.pop("request_id")) or name(header(headers, "x-request-id"))
    found |= {
        "exchange_id": request_id or name(answer.get("id")),
        "ts": found["ts"] if found["ts"] is not None else first(answer, "created", "created_at"),
        "account_id": _account(around, record, bodies),
        "key_id": _key(found["key_id"], headers),
        "user_agent": found["user_agent"] or header(headers, "user-agent"),
        "ja4": found["ja4"] or header(headers, "x-ja4") or header(headers, "x-ja4-fingerprint"),
        "status": _status(found["status"], bodies.response_holder),
        "latency_ms": _latency(around),
        "model": first(bodies.request, "model") or first(record, "model") or answer.get("model"),
        "stream": bodies.request.get("stream"),
        "system_prompt": talk.system,
        "prompt": talk.prompt,
        "response": reply.text,
        "n_messages": talk.n_messages,
        "finish_reason": name(reply.finish_reason),
        **sampling(bodies.request),
        **reply.usage,
    }
    return ParsedExchange(
        without_empty(found | without_empty(values)),
        address=_address(around, headers),
        request_ids=_request_ids(request_id, headers, bodies),
        fields=record,
        images=talk.images,
    )


def _places(record: Record) -> list[dict[str, Any]]:
    """The record itself, and what usually stands around bodies."""
    inner = (record.get(key) for key in _AROUND)
    return [record, *(place for place in inner if isinstance(place, dict))]


def _around(places: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Any:
    """The first of the names that has a plain value; an outer place goes before an inner one."""
    for place in places:
        for wanted in names:
            value = place.get(wanted)
            if value is None and "." in wanted:
                value = dig(place, wanted)
            if value is not None and not isinstance(value, (dict, list)) and value != "":
                return value
    return None


def _account(around: Sequence[Mapping[str, Any]], record: Record, bodies: Bodies) -> str | None:
    """The account; where the record is the request itself, its `metadata` is the caller's own word."""
    places = around
    if bodies.request is record:
        places = [place for place in around if place is not record.get("metadata")]
    return _first_name(places, _NAMES["account_id"])


def _first_name(places: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str | None:
    return next((found for place in places if (found := first_name(place, *names)) is not None), None)


def _key(value: object, headers: object) -> str | None:
    """An API key or its name; what a log has blacked out is no key."""
    bearer = header(headers, "authorization")
    token = (
        bearer.partition(" ")[2] if isinstance(bearer, str) and bearer.lower().startswith("bearer ") else None
    )
    for candidate in (value, header(headers, "x-api-key"), header(headers, "api-key"), token):
        key = name(candidate)
        if key and not is_redacted(key):
            return key
    return None


def is_redacted(text: str) -> bool:
    """Whether a value only says that something was taken out."""
    bare = text.strip().strip("[]<>()").lower()
    return "***" in bare or bare.startswith(("redacted", "hidden", "masked", "xxxx", "filtered"))


def _status(value: object, response_holder: Mapping[str, Any]) -> Any:
    inner = first(response_holder, "status_code", "statusCode", "status", "code")
    for candidate in (value, inner):
        if (code := number(candidate)) is not None:
            return int(code) if code == code // 1 and abs(code) < 1e9 else candidate
    # Words like "completed" or "success" are no HTTP status.
    return None


def _latency(around: Sequence[Mapping[str, Any]]) -> Any:
    if (value := _around(around, _MILLISECONDS)) is not None:
        return value
    value = _around(around, _SECONDS)
    return None if value is None else scaled(value, 1000)


def _address(around: Sequence[Mapping[str, Any]], headers: object) -> SeenAddress:
    return SeenAddress(
        edge=_around(around, _EDGE),
        reported=_around(around, _REPORTED),
        forwarded_for=_around(around, _FORWARDED_FOR) or header(headers, "x-forwarded-for"),
        forwarded=header(headers, "forwarded"),
    )


def _request_ids(request_id: str | None, headers: object, bodies: Bodies) -> tuple[str, ...]:
    answered = first(bodies.response_holder, "headers")
    candidates = (
        name(header(headers, "x-request-id")),
        request_id,
        name(header(answered, "x-request-id")),
        name(header(answered, "request-id")),
        name(first(bodies.response_holder, "request_id")),
    )
    return tuple(dict.fromkeys(found for found in candidates if found))
