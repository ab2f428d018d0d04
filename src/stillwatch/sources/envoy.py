"""Envoy access logs in JSON (`json_format`), also as Istio sets them up.

Operators name the fields themselves; the names of Istio's default and of Envoy's own examples are known,
in any case and with dashes or underscores. A line is no exchange: it says who connected and how, not what
was asked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stillwatch.sources.addresses import SeenAddress
from stillwatch.sources.fields import dig, name
from stillwatch.sources.source import Item, Record, Skipped

ALONE = "line of an access log; give its file with --join"

_NAMES: dict[str, tuple[str, ...]] = {
    "request_id": ("request_id", "x_request_id", "requestid", "req_id"),
    "edge": (
        "downstream_direct_remote_address",
        "downstream_remote_address",
        "downstream_remote_address_without_port",
        "downstream_remote",
        "remote_address",
        "remote_addr",
        "client_address",
    ),
    "forwarded_for": ("x_forwarded_for", "xff", "forwarded_for"),
    "forwarded": ("forwarded",),
    "user_agent": ("user_agent", "useragent", "http_user_agent"),
    "ja4": ("ja4", "tls_ja4_fingerprint", "ja4_fingerprint", "downstream_tls_ja4", "tls_ja4", "client_ja4"),
    "status": ("response_code", "status", "status_code", "code"),
    "latency_ms": ("duration", "duration_ms", "request_duration"),
    "start": ("start_time", "timestamp", "time", "ts"),
}
_OWN = (
    "response_flags",
    "bytes_received",
    "bytes_sent",
    "upstream_host",
    "upstream_cluster",
    "authority",
    "protocol",
    "method",
    "path",
    "upstream_service_time",
    "response_code_details",
    "downstream_local_address",
    "requested_server_name",
    "route_name",
    "ja3",
)


@dataclass(frozen=True)
class Access:
    """One line of an access log.

    Attributes:
        request_id: name of the request; None where the line has none.
        values: user_agent, ja4, status and latency_ms, where the line has them.
        address: what it says about the client's address.
    """

    request_id: str | None
    values: Mapping[str, Any]
    address: SeenAddress


class Envoy:
    """One record a request: `start_time`, `response_code`, `downstream_remote_address`, ..."""

    name = "envoy"
    shape = "Envoy access log in JSON; no exchanges by itself, see --join"

    def recognises(self, record: Record) -> float:
        """By a status, a client and several of the names that only proxies write."""
        found = _normalised(record)
        if _pick(found, "status") is None or "messages" in found or "model" in found:
            return 0.0
        if _pick(found, "edge") is None and _pick(found, "forwarded_for") is None:
            return 0.0
        own = sum(key in found for key in _OWN)
        return min(0.3 + 0.15 * own, 0.95) if own >= 2 else 0.0

    def parse(self, record: Record) -> Iterator[Item]:
        """Nothing by itself."""
        yield Skipped(ALONE)


def access(record: Record) -> Access:
    """Read a line."""
    found = _normalised(record)
    values = {column: _pick(found, column) for column in ("user_agent", "ja4", "status", "latency_ms")}
    return Access(
        name(_pick(found, "request_id")),
        {column: value for column, value in values.items() if value is not None},
        SeenAddress(
            edge=_pick(found, "edge"),
            forwarded_for=_pick(found, "forwarded_for"),
            forwarded=_pick(found, "forwarded"),
        ),
    )


def _normalised(record: Record) -> dict[str, Any]:
    """Names in lower case with underscores; some pipelines put the line below another name."""
    for inner in ("json", "access_log", "accessLog", "log", "message"):
        nested = dig(record, inner)
        if isinstance(nested, dict) and len(nested) >= 4:
            record = nested
            break
    return {key.lower().replace("-", "_").replace(":", ""): value for key, value in record.items()}


def _pick(found: Mapping[str, Any], wanted: str) -> Any:
    """A value; Envoy writes "-" where it has none."""
    for key in _NAMES[wanted]:
        value = found.get(key)
        if value not in (None, "", "-") and not isinstance(value, (dict, list)):
            return value
    return None
