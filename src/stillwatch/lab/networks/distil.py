"""Distils the shapes of real networks and programs into `shapes.json`. Run as
`python -m stillwatch.lab.networks.distil FOLDER`, where the folder holds the development tables
(asn_ipv4, hosting_asns, cloud_ranges_ipv4, datacenter_and_vpn_ipv4, tls_fingerprints, user_agents).

What it writes, for each kind of network (access, mobile, hosting, cloud, vpn):
    holders: addresses held by the largest holders, largest first, two significant digits.
    covered: share of the kind's addresses that these holders have.
    prefixes: for each size class of holders (floor of log2 of the addresses / 4), the addresses in blocks of
        each prefix length, as shares. Ranges are cut into CIDR blocks; blocks smaller than /24 are
        kept for vpn only.
And for programs:
    browsers: browser, operating system, share, and the shares of its versions, newest first; the sixth stands
        for all older ones.
    builds: number of different TLS fingerprints known of one client.
Numbers only: neither addresses nor names of holders are kept.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# Access networks are told by the names that such firms bear; a network that hosts is none.
_ACCESS = re.compile(
    r"tele[ckf]|telmex|broadband|cable|communicat|comunica|internet|fib(er|re|ra)|mobile?\b|wireless|cellular|"
    r"vodafone|orange|at&t|comcast|verizon|charter|isp\b|net\b|telstra|telia|virgin|claro|unicom|softbank|kddi",
    re.IGNORECASE,
)
_NO_ACCESS = re.compile(
    r"host|cloud|data ?cent|server|cdn|universit|school|government|ministry|bank|academi|research|college|"
    r"level 3|cogent|akamai|exchange|department|defen[cs]e",
    re.IGNORECASE,
)
_MOBILE = re.compile(r"mobil|wireless|cellular|\blte\b|\b5g\b|\bgsm\b", re.IGNORECASE)
_CLOUDS = ("amazon", "microsoft", "google", "oracle", "digitalocean", "linode", "vultr")
_KEPT = {"access": 400, "mobile": 40, "hosting": 150, "cloud": len(_CLOUDS), "vpn": 60}
# Whose fingerprints tell how many builds of a TLS stack are about: client as listed -> stack.
_STACKS = {
    "Chromium Browser": "chromium",
    "Mozilla Firefox": "firefox",
    "Safari": "safari",
    "Python": "python",
    "GoLang": "go",
    "java": "java",
    "node.js": "node",
    "curl SNI": "curl",
    "curl no-SNI": "curl",
}


def cidr_blocks(start: Ints, end: Ints, holder: Ints) -> tuple[Ints, Ints]:
    """Ranges (both ends included) cut into the fewest CIDR blocks: holder and prefix length of each."""
    holders, lengths = [], []
    while len(start):
        left = end - start + 1
        aligned = np.where(start == 0, 1 << 32, start & -start)
        bits = np.minimum(np.log2(aligned), np.floor(np.log2(left))).astype(np.int64)
        holders.append(holder)
        lengths.append(32 - bits)
        start = start + (np.int64(1) << bits)
        more = start <= end
        start, end, holder = start[more], end[more], holder[more]
    return np.concatenate(holders), np.concatenate(lengths)


def network_shape(holder: Ints, length: Ints, kept: int, longest: int = 24) -> dict[str, Any]:
    """The entry of one kind of network from its blocks."""
    size = np.int64(1) << (32 - length)
    _, place = np.unique(holder, return_inverse=True)
    total = np.bincount(place, size)
    largest = np.sort(total)[::-1][:kept]
    classes = size_class(total)[place]
    prefixes = {}
    for number in np.unique(classes).tolist():
        chosen = classes == number
        spread = np.bincount(np.minimum(length[chosen], longest), size[chosen], minlength=33)
        spread = spread / spread.sum()
        prefixes[str(number)] = {str(n): round(float(s), 4) for n, s in enumerate(spread) if s >= 0.0005}
    return {
        "holders": [int(float(f"{value:.1e}")) for value in largest.tolist()],
        "covered": round(float(largest.sum() / total.sum()), 3),
        "prefixes": prefixes,
    }


def size_class(addresses: NDArray[Any]) -> Ints:
    """Holders of like size have blocks of like sizes: one class for each factor of 16."""
    classes: Ints = (np.log2(np.maximum(addresses, 1)) / 4).astype(np.int64)
    return classes


def real_blocks(folder: Path) -> dict[str, tuple[Ints, Ints]]:
    """Holder and prefix length of the blocks of each kind of network in the development tables."""
    table = pq.read_table(folder / "asn_ipv4.parquet")
    start, end, asn = (table[name].to_numpy() for name in ("start", "end", "asn"))
    names = table["org"].combine_chunks().cast("string").to_pylist()
    hosting = np.isin(asn, pq.read_table(folder / "hosting_asns.parquet")["asn"].to_numpy())
    cloud = pq.read_table(folder / "cloud_ranges_ipv4.parquet")
    provider = cloud["provider"].to_pylist()
    theirs = np.array([_CLOUDS.index(p) if p in _CLOUDS else -1 for p in provider])
    cloud_start, cloud_end = cloud["start"].to_numpy(), cloud["end"].to_numpy()
    in_cloud = np.isin(asn, asn[_holding(start, cloud_start[theirs >= 0])])
    access = np.array([bool(_ACCESS.search(n or "") and not _NO_ACCESS.search(n or "")) for n in names])
    access &= ~hosting & ~in_cloud
    mobile = access & np.array([bool(_MOBILE.search(n or "")) for n in names])
    lists = pq.read_table(folder / "datacenter_and_vpn_ipv4.parquet")
    vpn = lists.filter(np.array(lists["kind"].to_pylist()) == "vpn")
    vpn_start, vpn_end = vpn["start"].to_numpy(), vpn["end"].to_numpy()
    ranges = {
        "access": (start[access & ~mobile], end[access & ~mobile], asn[access & ~mobile]),
        "mobile": (start[mobile], end[mobile], asn[mobile]),
        "hosting": tuple(column[hosting & ~in_cloud] for column in (start, end, asn)),
        "cloud": tuple(column[theirs >= 0] for column in (cloud_start, cloud_end, theirs)),
        "vpn": (vpn_start, vpn_end, asn[_holding(start, vpn_start)]),
    }
    return {kind: cidr_blocks(*columns) for kind, columns in ranges.items()}


def _holding(start: Ints, addresses: Ints) -> Ints:
    """The last range that starts at or before each address."""
    return np.maximum(np.searchsorted(start, addresses, side="right") - 1, 0)


def browser_shares(folder: Path) -> list[dict[str, Any]]:
    """Share of each browser on each system, and of its versions from the newest but one on."""
    groups: dict[tuple[str, str], Counter[tuple[int, ...]]] = {}
    for row in pq.read_table(folder / "user_agents.parquet").to_pylist():
        if row["weight"] and row["os"] in ("windows", "macos", "linux", "ios", "android"):
            browser, version = row["browser"].split("/")
            numbers = tuple(int(n) for n in re.findall(r"\d+", version)[: 2 if browser == "safari" else 1])
            groups.setdefault((browser, row["os"]), Counter())[numbers] += row["weight"]
    total = sum(sum(group.values()) for group in groups.values())
    shares = []
    for (browser, system), versions in groups.items():
        share = sum(versions.values())
        if share / total >= 0.001:
            ages = [versions[v] / share for v in sorted(versions, reverse=True)]
            ages = [*ages[:5], sum(ages[5:])] if len(ages) > 5 else ages
            entry = {"browser": browser, "os": system, "share": round(share / total, 4)}
            shares.append(entry | {"versions": [round(age, 3) for age in ages]})
    return sorted(shares, key=lambda entry: -entry["share"])


def build_counts(folder: Path) -> dict[str, int]:
    """Different fingerprints of each stack; the larger of the two kinds of fingerprint."""
    rows = pq.read_table(folder / "tls_fingerprints.parquet").to_pylist()
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        stack = _STACKS.get(row["client"])
        if stack:
            found.setdefault((stack, row["kind"]), set()).add(row["fingerprint"])
    stacks = dict.fromkeys(_STACKS.values(), 0)
    for (stack, _), prints in found.items():
        stacks[stack] = max(stacks[stack], len(prints))
    return stacks


def distil(folder: Path) -> dict[str, Any]:
    """All shapes."""
    networks = {
        kind: network_shape(*blocks, _KEPT[kind], 32 if kind == "vpn" else 24)
        for kind, blocks in real_blocks(folder).items()
    }
    return {"networks": networks, "browsers": browser_shares(folder), "builds": build_counts(folder)}


if __name__ == "__main__":
    made = json.dumps(distil(Path(sys.argv[1])), indent=1)
    # One line for a list of numbers.
    made = re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda m: "[" + " ".join(m[1].split()) + "]", made)
    Path(__file__).with_name("shapes.json").write_text(made + "\n", "utf-8")
