"""Rows of LiteLLM's table `LiteLLM_SpendLogs`, exported as JSON.

Columns as in the Prisma schema of LiteLLM 1.80 to 1.106. JSON columns may come as objects or as strings.
Prompts and answers are only there where the proxy runs with `general_settings.store_prompts_in_spend_logs:
true`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stillwatch.sources.fields import (
    dig,
    first,
    first_name,
    header,
    items,
    mapping,
    name,
    unpacked,
    without_empty,
)
from stillwatch.sources.litellm_standard import (
    account,
    is_missing,
    operation,
    request_ids,
    seen_address,
    session,
    shown,
    status,
)
from stillwatch.sources.messages import answer, conversation, sampling, token_usage, tools
from stillwatch.sources.source import Item, ParsedExchange, Record
from stillwatch.sources.streams import assembled

_OWN = ("request_id", "api_key", "spend", "startTime", "endTime", "call_type", "total_tokens", "end_user")
_ZONE = re.compile(r"(Z|[+-]\d\d:?(\d\d)?)\s*$", re.IGNORECASE)


class LitellmSpendLogs:
    """One row a request, with `request_id`, `api_key` (a hash), `spend` and the texts as JSON."""

    name = "litellm-spend-logs"
    shape = "rows of LiteLLM_SpendLogs"

    def recognises(self, record: Record) -> float:
        """By the columns that only this table has together."""
        if not all(key in record for key in ("request_id", "spend", "startTime")):
            return 0.0
        return 0.5 + 0.5 * sum(key in record for key in _OWN) / len(_OWN)

    def parse(self, record: Record) -> Iterator[Item]:
        """One exchange."""
        metadata = mapping(record.get("metadata"))
        request = mapping(record.get("proxy_server_request"))
        request = mapping(request.get("body")) or request
        messages = _messages(record, request)
        body, streamed = assembled(record.get("response"))
        talk = conversation(messages, system=first(request, "system", "instructions"))
        reply = answer(body)
        offered = tools(request.get("tools"))
        headers = first(request, "metadata.headers", "litellm_metadata.headers") or first(metadata, "headers")
        values: dict[str, Any] = {
            "exchange_id": first_name(record, "request_id"),
            "ts": utc(record.get("startTime")),
            "account_id": account(
                first_name(record, "user", "metadata.user_api_key_user_id"), _team(record, metadata)
            ),
            "org_id": first_name(record, "organization_id")
            or first_name(metadata, "user_api_key_org_id")
            or _team(record, metadata),
            "key_id": first_name(record, "api_key") or first_name(metadata, "user_api_key"),
            "end_user_id": first_name(record, "end_user")
            or first_name(request, "safety_identifier", "user", "metadata.user_id"),
            "session_id": session({"trace_id": record.get("session_id")}, metadata, headers),
            "operation": operation(record.get("call_type")),
            "model": first_name(record, "model_group", "model"),
            "user_agent": first_name(metadata, "user_agent") or header(headers, "user-agent") or _tag(record),
            "system_prompt": shown(talk.system),
            "prompt": shown(talk.prompt),
            "response": shown(reply.text),
            "n_messages": talk.n_messages,
            "n_tools": offered if offered is not None or not request else 0,
            "input_tokens": record.get("prompt_tokens"),
            "output_tokens": record.get("completion_tokens"),
            "finish_reason": name(reply.finish_reason),
            "status": status(
                first(record, "status") or dig(metadata, "status"), mapping(metadata.get("error_information"))
            ),
            "latency_ms": record.get("request_duration_ms"),
            "stream": True if streamed else request.get("stream", False if request else None),
            **sampling(request),
            **_details(metadata, body),
        }
        yield ParsedExchange(
            without_empty(values),
            address=seen_address(
                first_name(record, "requester_ip_address", "metadata.requester_ip_address"), headers
            ),
            request_ids=request_ids(record, headers),
            fields={**record, "metadata": metadata, "proxy_server_request": request},
            images=talk.images,
            text_missing=is_missing(talk.prompt, messages),
        )


def _messages(record: Record, request: Mapping[str, Any]) -> Any:
    """The messages column, or what the proxy got where that column is empty."""
    stored = unpacked(record.get("messages"))
    if stored not in (None, "", {}, []):
        return stored
    return first(request, "messages", "input", "prompt")


def _team(record: Record, metadata: Mapping[str, Any]) -> str | None:
    return first_name(record, "team_id") or first_name(metadata, "user_api_key_team_id")


def _tag(record: Record) -> str | None:
    """The proxy writes the client's user agent as a tag: first its name, then with its version."""
    prefix = "User-Agent: "
    tags = [tag[len(prefix) :] for tag in items(record.get("request_tags")) if str(tag).startswith(prefix)]
    return max(tags, key=len, default=None)


def _details(metadata: Mapping[str, Any], body: object) -> dict[str, Any]:
    usage = token_usage(first(metadata, "usage_object", "additional_usage_values") or dig(body, "usage"))
    return {key: count for key, count in usage.items() if key in ("reasoning_tokens", "cached_tokens")}


def utc(value: object) -> object:
    """The table's timestamps have no zone and are UTC (Prisma writes them so)."""
    return f"{value.strip()}+00:00" if isinstance(value, str) and _needs_zone(value) else value


def _needs_zone(text: str) -> bool:
    return len(text) > 10 and not _ZONE.search(text[10:])
