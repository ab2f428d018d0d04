import ipaddress

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.links.addresses import prefixes


def oracle(text: str | None) -> str | None:
    """The same by the standard library."""
    try:
        address = ipaddress.ip_address(text)  # type: ignore[arg-type]
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        address = ipaddress.IPv6Address(int(address))  # without its zone
        address = address.ipv4_mapped or address
    if address.is_loopback or address.is_unspecified:
        return None
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


near_misses = st.one_of(
    st.text("0123456789.", max_size=16),
    st.text("0123456789abcdefABCDEF:.%", max_size=42),
    st.from_regex(r"([0-9a-f]{0,5}:){1,9}([0-9a-f]{0,4}|[0-9]{1,3}(\.[0-9]{1,3}){3})", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"([0-9a-f]{1,4}:){0,4}:ffff:[0-9]{1,3}(\.[0-9]{1,3}){3}(%eth0)?", fullmatch=True),
    st.text(max_size=20),
)
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda a: a.exploded),
    st.ip_addresses(v=6).map(lambda a: str(a).upper() + "%zone"),
    near_misses,
    st.none(),
)


@given(st.lists(addresses, max_size=8), st.integers(0, 3))
def test_prefixes_are_those_of_the_standard_library(texts: list[str | None], cut: int) -> None:
    expected = [oracle(text) if text is not None else None for text in texts]
    assert prefixes(pa.array(texts, pa.string())).to_pylist() == expected
    sliced = pa.array(texts, pa.string()).slice(cut)
    assert prefixes(sliced).to_pylist() == expected[cut:]


def test_examples_from_logs() -> None:
    texts = [
        "198.51.100.7",
        "2001:DB8:7::1",
        "::ffff:203.0.113.9",
        "10.1.2.3",
        "10.1.2.3:443",
        "unknown",
        "[::1]",
        "127.0.0.1",
    ]
    expected = ["198.51.100.0/24", "2001:db8:7::/48", "203.0.113.0/24", "10.1.2.0/24", None, None, None, None]
    assert prefixes(pa.array(texts)).to_pylist() == expected


def test_nothing_and_nulls_alone() -> None:
    assert prefixes(pa.array([], pa.string())).to_pylist() == []
    assert prefixes(pa.array([None, None], pa.string())).to_pylist() == [None, None]
