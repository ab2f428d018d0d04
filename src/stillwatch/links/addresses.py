"""Network prefixes of textual addresses, straight from Arrow string buffers.

IPv4 gives its /24, IPv6 its /48 (RFC 6177 names /48 as the usual size of one site). What the standard
library's `ipaddress` refuses is refused here too: leading zeros, ports, brackets, host names. A refused
address has a null prefix, never an error.
"""

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

PREFIX_SCHEMA = pa.schema([pa.field("client_ip", pa.string()), pa.field("prefix", pa.string())])

_IPV4 = 4
_IPV6 = 6
_DOT, _COLON, _ZERO, _PERCENT = ord("."), ord(":"), ord("0"), ord("%")


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _read_ipv4(data: NDArray[np.uint8], start: int, stop: int) -> int:
    """The 32-bit address, or -1."""
    address = 0
    octet = -1
    digits = 0
    octets = 0
    for at in range(start, stop):
        byte = data[at]
        if byte == _DOT:
            if octet < 0 or octets == 3:
                return -1
            address = address * 256 + octet
            octets += 1
            octet = -1
            digits = 0
            continue
        if byte < _ZERO or byte > _ZERO + 9 or octet == 0 or digits == 3:
            return -1
        octet = max(octet, 0) * 10 + (byte - _ZERO)
        digits += 1
        if octet > 255:
            return -1
    if octet < 0 or octets != 3:
        return -1
    return address * 256 + octet


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _hexadecimal(byte: int) -> int:
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 102:
        return byte - 87
    if 65 <= byte <= 70:
        return byte - 55
    return -1


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _read_groups(data: NDArray[np.uint8], start: int, stop: int, groups: NDArray[np.int64]) -> int:
    """Number of 16-bit groups between single colons, the last two perhaps in dotted form; -1 for garbage."""
    n = 0
    at = start
    while True:
        end = at
        dotted = False
        while end < stop and data[end] != _COLON:
            dotted = dotted or data[end] == _DOT
            end += 1
        if n == 8 or (dotted and (end != stop or n == 7)):
            return -1
        if dotted:
            tail = _read_ipv4(data, at, end)
            groups[n], groups[n + 1] = tail >> 16, tail & 0xFFFF
            return n + 2 if tail >= 0 else -1
        if end == at or end - at > 4:
            return -1
        group = 0
        for i in range(at, end):
            digit = _hexadecimal(data[i])
            if digit < 0:
                return -1
            group = group * 16 + digit
        groups[n] = group
        n += 1
        if end == stop:
            return n
        at = end + 1


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _read_ipv6(data: NDArray[np.uint8], start: int, stop: int, groups: NDArray[np.int64]) -> bool:
    """Fill the eight 16-bit groups (RFC 4291, section 2.2); whether the text is an address."""
    gap = start
    while gap + 1 < stop and not (data[gap] == _COLON and data[gap + 1] == _COLON):
        gap += 1
    if gap + 1 >= stop:
        return _read_groups(data, start, stop, groups) == 8
    tail = np.zeros(8, np.int64)
    n_tail = _read_groups(data, gap + 2, stop, tail) if gap + 2 < stop else 0
    n_head = _read_groups(data, start, gap, groups) if gap > start else 0
    dotted_head = False
    for i in range(start, gap):
        dotted_head = dotted_head or data[i] == _DOT
    if n_head < 0 or n_tail < 0 or n_head + n_tail > 7 or dotted_head:
        return False
    for i in range(n_head, 8):
        groups[i] = tail[i - 8 + n_tail] if i >= 8 - n_tail else 0
    return True


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _read_all(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], version: NDArray[np.int8], site: NDArray[np.int64]
) -> None:
    """Per text its version (0 = names no site) and its top 24 (IPv4) or 48 (IPv6) bits."""
    groups = np.zeros(8, np.int64)
    for row in range(offsets.size - 1):
        start, stop = offsets[row], offsets[row + 1]
        zone = stop
        colon = False
        for at in range(start, stop):
            colon = colon or data[at] == _COLON
            if data[at] == _PERCENT and zone == stop:
                zone = at
        address = _read_ipv4(data, start, stop)  # -1 where there are colons
        if colon and zone != stop - 1 and _read_ipv6(data, start, zone, groups):
            leading = groups[0] | groups[1] | groups[2] | groups[3] | groups[4]
            if leading == 0 and groups[5] == 0xFFFF:  # IPv4-mapped, RFC 4291 section 2.5.5.2
                address = int((groups[6] << 16) | groups[7])
            elif leading | groups[5] | groups[6] | (groups[7] >> 1):  # not :: and not ::1
                version[row] = _IPV6
                site[row] = (groups[0] << 32) | (groups[1] << 16) | groups[2]
        if address > 0 and address >> 24 != 127:
            version[row] = _IPV4
            site[row] = address >> 8


def prefixes(addresses: pa.Array) -> pa.Array:
    """Network prefix of each address.

    Args:
        addresses: strings (n,), nulls and garbage allowed.

    Returns:
        Strings (n,): "198.51.100.0/24" or "2001:db8:7::/48"; null where the text is no address, or names no
        client (loopback and the unspecified address). IPv4-mapped IPv6 counts as IPv4. Zone ids are ignored.
    """
    texts = addresses.cast(pa.large_string())
    rows = len(texts)
    offsets = (
        np.frombuffer(texts.buffers()[1], np.int64, rows + 1, 8 * texts.offset) if rows else np.zeros(1, int)
    )
    body = texts.buffers()[2] if rows else None
    data = np.frombuffer(body, np.uint8) if body is not None and body.size else np.zeros(1, np.uint8)
    version = np.zeros(rows, np.int8)
    site = np.zeros(rows, np.int64)
    _read_all(data, offsets, version, site)
    if rows and texts.null_count:
        absent = ~texts.is_valid().to_numpy(zero_copy_only=False)
        version[absent], site[absent] = 0, 0
    sites, where = np.unique(version.astype(np.int64) << 48 | site, return_inverse=True)
    site_names = pa.array([_name(s >> 48, s & (1 << 48) - 1) for s in sites.tolist()], pa.string())
    return site_names.take(pa.array(where.reshape(-1)))


def prefix_kernel(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Batch with a column `client_ip` -> batch of `PREFIX_SCHEMA`, row by row."""
    addresses = batch.column("client_ip").cast(pa.string())
    return pa.RecordBatch.from_arrays([addresses, prefixes(addresses)], schema=PREFIX_SCHEMA)


def _name(version: int, site: int) -> str | None:
    if version == _IPV4:
        return f"{site >> 16}.{site >> 8 & 255}.{site & 255}.0/24"
    if version == _IPV6:
        groups = [site >> 32, site >> 16 & 0xFFFF, site & 0xFFFF]
        while groups and groups[-1] == 0:
            groups.pop()
        return ":".join(f"{group:x}" for group in groups) + "::/48"
    return None
