"""Where a client's address comes from, and whether it is believed.

The edge's own view (the peer of the socket) cannot be forged by the client. A forwarded-for chain can:
everything to the left of what the operator's own proxies wrote is the client's word. So the chain counts
only as far as the operator says how many proxies of his own stand in front (`trusted_hops`), and then the
n-th entry from the right is taken: the n-th trusted proxy, seen from inside, wrote it. Header formats:
X-Forwarded-For as proxies write it, and RFC 7239.
"""

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass

EDGE = "edge"
FORWARDED = "forwarded"
UNKNOWN = "unknown"
NONE = "none"
NOT_BELIEVED = "forwarded, not believed"
SHORT_CHAIN = "fewer hops than trusted"
GARBAGE = "not an address"

MAX_CHAIN_CHARACTERS = 8_192
_FOR = re.compile(r'(?:^|[;,\s])for\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,\s]*))', re.IGNORECASE)
_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+")
_BRACKETS = re.compile(r"\[([^\]]*)\](?::\d+)?")


@dataclass(frozen=True)
class SeenAddress:
    """What a record says about the client's address, unchecked.

    Attributes:
        edge: peer of the socket at the edge.
        reported: an address of which the log does not say where it comes from.
        forwarded_for: value of X-Forwarded-For (a list is a chain of several header lines).
        forwarded: value of Forwarded (RFC 7239).
    """

    edge: object = None
    reported: object = None
    forwarded_for: object = None
    forwarded: object = None


def choose(seen: SeenAddress, trusted_hops: int, counts: Counter[str]) -> str | None:
    """The client's address, or None; what was found is added to `counts`.

    Args:
        seen: what the record says.
        trusted_hops: proxies of the operator between the client and the place where the log is written
            that each append to the forwarded-for chain; 0 = the chain is never believed.
        counts: one of EDGE, FORWARDED, UNKNOWN, NONE goes up by one, and the remarks NOT_BELIEVED,
            SHORT_CHAIN, GARBAGE where they hold.
    """
    chain = _chain(seen)
    if trusted_hops > 0 and chain:
        if len(chain) >= trusted_hops:
            return _count(_parse_counted(chain[-trusted_hops], counts), FORWARDED, counts)
        counts[SHORT_CHAIN] += 1
    edge = _parse_counted(seen.edge, counts)
    if edge is not None:
        return _count(edge, EDGE, counts)
    reported = _parse_counted(seen.reported, counts)
    if chain and trusted_hops == 0 and (reported is None or reported in {parse(entry) for entry in chain}):
        # The gateway took the address from a header that anybody can send.
        counts[NOT_BELIEVED] += 1
        return _count(None, NONE, counts)
    return _count(reported, UNKNOWN, counts)


def parse(value: object) -> str | None:
    """One address in its shortest spelling; None where it is none.

    Ports, brackets and zone ids are taken off, IPv4 addresses mapped into IPv6 are given as IPv4.
    """
    if not isinstance(value, str) or len(value) > 128:
        return None
    text = value.strip().strip('"')
    if match := _BRACKETS.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = match[1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _count(address: str | None, provenance: str, counts: Counter[str]) -> str | None:
    counts[NONE if address is None else provenance] += 1
    return address


def _parse_counted(value: object, counts: Counter[str]) -> str | None:
    if value is None or value in ("", "-"):
        return None
    address = parse(value)
    if address is None:
        counts[GARBAGE] += 1
    return address


def _chain(seen: SeenAddress) -> list[str]:
    """The entries of the chain, client first; Forwarded counts only where X-Forwarded-For is missing."""
    if text := _joined(seen.forwarded_for):
        return [entry.strip() for entry in text.split(",") if entry.strip()]
    return [quoted or token for quoted, token in _FOR.findall(_joined(seen.forwarded))]


def _joined(value: object) -> str:
    parts = value if isinstance(value, list) else [value]
    text = ",".join(part for part in parts if isinstance(part, str) and part.strip() != "-")
    # A chain grows to the right, so the entries that count stand at the end.
    return text[-MAX_CHAIN_CHARACTERS:]
