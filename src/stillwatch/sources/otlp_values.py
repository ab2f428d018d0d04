"""OTLP's JSON encoding -> plain values, and the span tree around a model call.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: 64-bit numbers are strings, names are in
lowerCamelCase (older exporters wrote them with underscores).
"""

import re
from collections.abc import Mapping
from typing import Any

from stillwatch.sources.fields import first, mapping

_MAX_DEPTH = 16
_NUMBERED = re.compile(r"^(?:gen_ai|llm)\.(prompt|completion)s?\.(\d{1,6})\.(.+)$")


def any_value(value: object, depth: int = 0) -> Any:
    """The value of an AnyValue; None for what is none, and below a depth that no telemetry reaches."""
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return None if isinstance(value, dict) else value
    for kind, inner in value.items():
        match kind.replace("_", "").lower():
            case "stringvalue" | "boolvalue" | "doublevalue" | "bytesvalue":
                return inner
            case "intvalue":
                return whole(inner)
            case "arrayvalue":
                return [any_value(entry, depth + 1) for entry in _values(inner)]
            case "kvlistvalue":
                return attributes(_values(inner), depth + 1)
    return None


def _values(inner: object) -> list[Any]:
    values = inner.get("values") if isinstance(inner, dict) else None
    return values if isinstance(values, list) else []


def attributes(pairs: object, depth: int = 0) -> dict[str, Any]:
    """Attributes as a mapping."""
    found = {}
    for pair in pairs if isinstance(pairs, list) else []:
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            found[pair["key"]] = any_value(pair.get("value"), depth)
    return found


def whole(value: object) -> Any:
    """A whole number that may be written as text; what is none is handed on."""
    if (
        isinstance(value, str)
        and len(value) <= 20
        and value.lstrip("-").isascii()
        and value.lstrip("-").isdigit()
    ):
        return int(value)
    return value


def numbered(found: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    """Messages that were flattened to `gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`, ...
    (OpenLLMetry)."""
    messages: dict[int, dict[str, Any]] = {}
    for key, value in found.items():
        match = _NUMBERED.match(key)
        if match and match[1] == part:
            messages.setdefault(int(match[2]), {})[match[3]] = value
    return [messages[place] for place in sorted(messages)]


def key_of(record: Mapping[str, Any]) -> str | None:
    """Trace and span of a span or log record as one name; None where it has none."""
    trace, span = first(record, "traceId", "trace_id"), first(record, "spanId", "span_id")
    if isinstance(trace, str) and isinstance(span, str) and trace.strip("0") and span.strip("0"):
        return f"{trace.lower()}-{span.lower()}"
    return None


def lists(record: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """The objects in a list that has one of these names."""
    value = first(record, *names)
    return [mapping(entry) for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
