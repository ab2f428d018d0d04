"""Which address counts."""

import ipaddress
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.sources import addresses
from stillwatch.sources.addresses import (
    EDGE,
    FORWARDED,
    GARBAGE,
    NONE,
    NOT_BELIEVED,
    SHORT_CHAIN,
    UNKNOWN,
    SeenAddress,
)

CASES = [
    # Nothing but the edge's own view counts without trusted hops.
    (SeenAddress(edge="198.51.100.1:443", forwarded_for="203.0.113.9"), 0, "198.51.100.1", {EDGE: 1}),
    (SeenAddress(forwarded_for="203.0.113.9"), 0, None, {NONE: 1, NOT_BELIEVED: 1}),
    # An address that the gateway took from the header is no better than the header.
    (SeenAddress(reported="203.0.113.9", forwarded_for="203.0.113.9"), 0, None, {NONE: 1, NOT_BELIEVED: 1}),
    (SeenAddress(reported="198.51.100.1", forwarded_for="203.0.113.9"), 0, "198.51.100.1", {UNKNOWN: 1}),
    (SeenAddress(reported="198.51.100.1"), 0, "198.51.100.1", {UNKNOWN: 1}),
    # The n-th entry from the right was written by the n-th trusted proxy.
    (
        SeenAddress(edge="10.0.0.1", forwarded_for="6.6.6.6, 203.0.113.9, 10.0.0.2"),
        1,
        "10.0.0.2",
        {FORWARDED: 1},
    ),
    (
        SeenAddress(edge="10.0.0.1", forwarded_for="6.6.6.6, 203.0.113.9, 10.0.0.2"),
        2,
        "203.0.113.9",
        {FORWARDED: 1},
    ),
    (
        SeenAddress(edge="10.0.0.1", forwarded_for=["6.6.6.6", "203.0.113.9,10.0.0.2"]),
        2,
        "203.0.113.9",
        {FORWARDED: 1},
    ),
    (SeenAddress(edge="10.0.0.1", forwarded_for="203.0.113.9"), 2, "10.0.0.1", {EDGE: 1, SHORT_CHAIN: 1}),
    # RFC 7239, examples of its section 4 and 7.
    (
        SeenAddress(forwarded='for=192.0.2.43, for="[2001:db8:cafe::17]:4711"'),
        1,
        "2001:db8:cafe::17",
        {FORWARDED: 1},
    ),
    (SeenAddress(forwarded="for=192.0.2.60;proto=http;by=203.0.113.43"), 1, "192.0.2.60", {FORWARDED: 1}),
    (SeenAddress(forwarded="For=_hidden"), 1, None, {NONE: 1, GARBAGE: 1}),
    (SeenAddress(edge="unix:/run/x.sock"), 0, None, {NONE: 1, GARBAGE: 1}),
    (SeenAddress(edge="-", forwarded_for="-"), 0, None, {NONE: 1}),
    (SeenAddress(), 3, None, {NONE: 1}),
]


@pytest.mark.parametrize(("seen", "hops", "address", "counts"), CASES)
def test_the_address_that_counts(
    seen: SeenAddress, hops: int, address: str | None, counts: dict[str, Any]
) -> None:
    found: Counter[str] = Counter()
    assert addresses.choose(seen, hops, found) == address
    assert dict(found) == counts


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9:8080 ", "203.0.113.9"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("2001:db8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("203.0.113.300", None),
        ("", None),
        (17, None),
        ("1" * 10_000, None),
    ],
)
def test_spellings(text: object, address: str | None) -> None:
    assert addresses.parse(text) == address


@given(st.ip_addresses(), st.integers(1, 65535))
def test_ports_and_brackets_change_nothing(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    plain = addresses.parse(str(address))
    assert plain is not None
    bracketed = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    assert addresses.parse(bracketed) == plain
    assert addresses.parse(plain) == plain


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=6), st.text(max_size=30), st.integers(0, 4))
def test_what_a_client_writes_on_the_left_never_counts(proxies: list[str], forged: str, hops: int) -> None:
    """Entries left of the trusted ones can be anything without changing the result."""
    edge = "198.51.100.1"
    if len(proxies) < hops:
        proxies = proxies + ["192.0.2.1"] * (hops - len(proxies))
    honest = addresses.choose(SeenAddress(edge=edge, forwarded_for=", ".join(proxies)), hops, Counter())
    chain = ", ".join([forged, *proxies])
    assert addresses.choose(SeenAddress(edge=edge, forwarded_for=chain), hops, Counter()) == honest


@given(st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text())), st.integers(0, 3))
def test_nothing_raises(value: object, hops: int) -> None:
    counts: Counter[str] = Counter()
    addresses.choose(SeenAddress(value, value, value, value), hops, counts)
    assert sum(counts[name] for name in (EDGE, FORWARDED, UNKNOWN, NONE)) == 1
