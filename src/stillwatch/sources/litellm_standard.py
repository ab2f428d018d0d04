"""LiteLLM's `StandardLoggingPayload`, as its `generic_api` callback posts it.

Names as in LiteLLM 1.80 to 1.106 (`litellm.types.utils.StandardLoggingPayload`); what the proxy really
writes is checked by `make integration`.
"""

import uuid
from collections.abc import Iterator, Mapping
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
    without_empty,
)
from stillwatch.sources.messages import answer, conversation, sampling, token_usage, tools
from stillwatch.sources.source import Item, ParsedExchange, Record
from stillwatch.sources.streams import assembled

OPERATIONS = {
    "completion": "chat",
    "acompletion": "chat",
    "anthropic_messages": "chat",
    "responses": "chat",
    "aresponses": "chat",
    "generate_content": "chat",
    "agenerate_content": "chat",
    "agenerate_content_stream": "chat",
    "text_completion": "completion",
    "atext_completion": "completion",
    "embedding": "embedding",
    "aembedding": "embedding",
    "create_batch": "batch",
    "acreate_batch": "batch",
}
# What a key without a user is given: https://docs.litellm.ai/docs/proxy/virtual_keys
NO_USER = "default_user_id"
REDACTED = "redacted-by-litellm"


class LitellmStandard:
    """One record a request, with `messages`, `response` and `metadata.user_api_key_*`."""

    name = "litellm-standard"
    shape = "LiteLLM StandardLoggingPayload (generic_api callback)"

    def recognises(self, record: Record) -> float:
        """By the names that only this payload has together."""
        metadata = record.get("metadata")
        own = ("call_type", "startTime", "model_parameters", "hidden_params", "response_cost", "request_tags")
        if not isinstance(metadata, dict) or "call_type" not in record or "startTime" not in record:
            return 0.0
        if "user_api_key_hash" not in metadata and "hidden_params" not in record:
            return 0.0
        return 0.6 + 0.4 * sum(key in record for key in own) / len(own)

    def parse(self, record: Record) -> Iterator[Item]:
        """One exchange."""
        metadata, parameters = mapping(record.get("metadata")), mapping(record.get("model_parameters"))
        body, streamed = assembled(record.get("response"))
        system = first(parameters, "instructions", "system") or dig(body, "instructions")
        talk = conversation(record.get("messages"), system=system)
        reply = answer(body)
        headers = dig(metadata, "requester_metadata.headers")
        tokens = token_usage(first(metadata, "usage_object") or dig(body, "usage"))
        offered = tools(parameters.get("tools"))
        values: dict[str, Any] = {
            "exchange_id": first_name(record, "id", "litellm_call_id"),
            "ts": record.get("startTime"),
            "account_id": account(metadata.get("user_api_key_user_id"), metadata.get("user_api_key_team_id")),
            "org_id": first_name(metadata, "user_api_key_org_id", "user_api_key_team_id"),
            "key_id": name(metadata.get("user_api_key_hash")),
            "end_user_id": first_name(record, "end_user", "metadata.user_api_key_end_user_id")
            or first_name(parameters, "safety_identifier", "user", "metadata.user_id"),
            "session_id": session(record, metadata, headers),
            "operation": operation(record.get("call_type")),
            "model": first_name(record, "model_group", "model"),
            "user_agent": first_name(metadata, "user_agent") or header(headers, "user-agent"),
            "system_prompt": shown(talk.system),
            "prompt": shown(talk.prompt),
            "response": shown(reply.text),
            "n_messages": talk.n_messages,
            "n_tools": offered if offered is not None else 0,
            "input_tokens": record.get("prompt_tokens"),
            "output_tokens": record.get("completion_tokens"),
            "finish_reason": name(reply.finish_reason),
            "status": status(record.get("status"), mapping(record.get("error_information"))),
            "latency_ms": scaled(record.get("response_time"), 1000),
            "stream": bool(streamed or record.get("stream") or parameters.get("stream")),
            **sampling(parameters),
            **{key: count for key, count in tokens.items() if key in ("reasoning_tokens", "cached_tokens")},
        }
        yield ParsedExchange(
            without_empty(values),
            address=seen_address(
                first(record, "metadata.requester_ip_address", "requester_ip_address"), headers
            ),
            request_ids=request_ids(record, headers),
            fields=record,
            images=talk.images,
            text_missing=is_missing(talk.prompt, record.get("messages")),
        )


def account(user: object, team: object) -> str | None:
    """The user of the key, or its team; None (the key itself) where there is neither."""
    found = name(user)
    return found if found not in (None, NO_USER) else name(team)


def operation(call_type: object) -> str | None:
    """The kind of call in our words, or LiteLLM's word where it is another kind."""
    found = name(call_type)
    return None if found is None else OPERATIONS.get(found, found)


def session(record: Mapping[str, Any], metadata: Mapping[str, Any], headers: object) -> str | None:
    """The conversation, where the caller named one.

    LiteLLM fills `trace_id` with a random UUID for each request that names no session; such a name says
    nothing.
    """
    named = first_name(record, "session_id") or first_name(
        metadata, "requester_metadata.session_id", "session_id"
    )
    if named is not None:
        return named
    for wanted in ("x-litellm-session-id", "x-litellm-trace-id"):
        if (found := name(header(headers, wanted))) is not None:
            return found
    trace = name(record.get("trace_id"))
    return None if trace is None or is_random_uuid(trace) else trace


def is_random_uuid(text: str) -> bool:
    """Whether a name is a UUID of version 4."""
    try:
        return uuid.UUID(text).version == 4
    except ValueError:
        return False


def status(outcome: object, error: Mapping[str, Any]) -> int | None:
    """HTTP status of a success or of an error."""
    if outcome == "success":
        return 200
    code = number(error.get("error_code"))
    return int(code) if code is not None and 100 <= code < 600 else None


def seen_address(reported: object, headers: object) -> SeenAddress:
    """LiteLLM's own field may hold the socket's peer or what a header claimed, depending on its settings."""
    return SeenAddress(
        reported=reported,
        forwarded_for=header(headers, "x-forwarded-for"),
        forwarded=header(headers, "forwarded"),
    )


def request_ids(record: Mapping[str, Any], headers: object) -> tuple[str, ...]:
    """Names of the request, the edge's own first."""
    candidates = (
        name(header(headers, "x-request-id")),
        first_name(record, "litellm_call_id"),
        first_name(record, "id", "request_id"),
    )
    return tuple(dict.fromkeys(found for found in candidates if found))


def shown(text: str | None) -> str | None:
    """A text, unless LiteLLM took it out (`turn_off_message_logging`)."""
    return None if text is not None and text.strip() == REDACTED else text


def is_missing(prompt: str | None, messages: object) -> bool:
    """Whether the log holds no text although there was some."""
    return prompt == REDACTED or messages in (None, "", "{}", {}, [], "[]")
