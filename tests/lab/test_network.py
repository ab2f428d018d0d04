import ipaddress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.lab.behaviour.address_space import allocate
from stillwatch.lab.behaviour.clocks import DAY, HOUR
from stillwatch.lab.behaviour.network import Internet, dotted
from stillwatch.lab.networks import shapes
from stillwatch.lab.networks.distil import cidr_blocks, distil, real_blocks

NETWORK = Path(__file__).parents[3] / "shared" / "data" / "network"
needs_tables = pytest.mark.skipif(
    not NETWORK.exists(), reason="the development tables (../shared/data/network) are not here"
)
KINDS = ("home", "mobile", "cloud", "hosting", "vpn", "residential_proxy")


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def tables():
    return real_blocks(NETWORK)


@pytest.fixture(scope="module")
def internet():
    return Internet(rng(7))


def shared(numbers: np.ndarray) -> float:
    """Share of the entries that another entry equals."""
    _, place, count = np.unique(numbers, return_inverse=True, return_counts=True)
    return float((count[place] > 1).mean())


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_blocks_are_aligned_public_and_nobody_elses(seed):
    blocks = allocate(rng(seed))
    base = np.concatenate([b.base for b in blocks.values()])
    size = np.concatenate([b.size for b in blocks.values()])
    assert (base % size == 0).all()
    order = np.argsort(base)
    assert (base[order][1:] >= base[order][:-1] + size[order][:-1]).all()
    assert set(blocks) == set(shapes()["networks"])
    for kind, held in blocks.items():
        # Every holder of the shape has at least a block, and the holders are in order.
        assert np.array_equal(np.unique(held.holder), np.arange(len(shapes()["networks"][kind]["holders"])))
        assert (np.diff(held.holder) >= 0).all()


def test_no_address_is_private_reserved_or_multicast(internet):
    for kind in KINDS:
        for address in internet.addresses(kind, 3_000, rng(3)):
            assert ipaddress.IPv4Address(address).is_global, (kind, address)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_numbers_are_written_as_addresses(numbers):
    assert dotted(np.array(numbers, np.int64)) == [str(ipaddress.IPv4Address(n)) for n in numbers]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**20)), min_size=1, max_size=20))
def test_ranges_are_cut_as_the_standard_library_cuts_them(ranges):
    ends = [min(start + more, 2**32 - 1) for start, more in ranges]
    starts = np.array([start for start, _ in ranges], np.int64)
    holder, length = cidr_blocks(starts, np.array(ends, np.int64), np.arange(len(ranges)))
    for number, (start, _) in enumerate(ranges):
        first, last = ipaddress.IPv4Address(start), ipaddress.IPv4Address(ends[number])
        expected = sorted(net.prefixlen for net in ipaddress.summarize_address_range(first, last))
        assert sorted(length[holder == number].tolist()) == expected


def test_homes_share_a_prefix_only_as_often_as_the_blocks_make_them(internet):
    """Pairs of homes in one /24 against what the shares of the operators and the sizes of blocks give."""
    count = 60_000
    numbers = np.concatenate([internet.numbers("home", count, rng(seed)) for seed in range(3)]).reshape(3, -1)
    observed = sum(float((n * (n - 1) / 2).sum()) for n in (_counts(row >> 8) for row in numbers))
    pool = internet._pools["home"]
    held = np.add.reduceat(pool.size, pool.first[:-1])
    expected = 3 * count * (count - 1) / 2 * float((pool.share**2 * 256 / held).sum())
    assert observed == pytest.approx(expected, abs=6 * np.sqrt(expected))
    assert shared(numbers[0]) < 0.002


def _counts(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_counts=True)[1]


def test_kinds_differ_in_how_many_strangers_share_an_address(internet):
    """Carriers and VPN providers crowd, homes and clouds do not; lent homes are in between."""
    share = {kind: shared(internet.numbers(kind, 20_000, rng(5))) for kind in KINDS}
    assert max(share["home"], share["cloud"]) < 0.02
    assert share["home"] < share["residential_proxy"] < 0.3
    assert 0.4 < share["mobile"] < share["vpn"]
    prefixes = {kind: shared(internet.numbers(kind, 20_000, rng(6)) >> 8) for kind in KINDS}
    assert prefixes["home"] < 0.05 < prefixes["hosting"] < prefixes["mobile"]


@given(st.sampled_from(KINDS), st.lists(st.integers(1, 9), max_size=30), st.integers(0, 99))
def test_an_account_has_as_many_addresses_as_asked(internet, kind, counts, seed):
    several = internet.several(kind, np.array(counts, np.int64), rng(seed))
    assert [len(own) for own in several] == counts
    if kind in ("home", "mobile"):
        # New leases and other exits come from one block.
        blocks = internet._pools[kind]
        for own in several:
            numbers = np.array([int(ipaddress.IPv4Address(a)) for a in own])
            order = np.argsort(blocks.base)
            assert len(set(np.searchsorted(blocks.base[order], numbers, side="right").tolist())) == 1


def test_proxied_accounts_have_many_exits_in_unrelated_places(internet):
    exits, kept = internet.proxied(400, rng(2))
    sizes = np.array([len(own) for own in exits])
    assert (sizes.min(), sizes.max()) == (8, 64)
    assert HOUR <= kept.min() < 3 * HOUR
    assert 12 * HOUR < kept.max() <= DAY
    prefixes = [len({a.rsplit(".", 1)[0] for a in own}) / len(own) for own in exits]
    assert np.mean(prefixes) > 0.95


def test_neighbours_are_in_as_many_networks_as_asked(internet):
    for kind, wanted in (("cloud", 3), ("hosting", 5)):
        own = internet.neighbours(kind, 200, rng(4), wanted)
        assert 1 <= len({a.rsplit(".", 1)[0] for a in own}) <= wanted
    assert len({a.rsplit(".", 1)[0] for a in internet.office(rng(4), 8)}) == 1


def test_unknown_kinds_and_empty_accounts_are_refused(internet):
    with pytest.raises(ValueError, match="there are home"):
        internet.addresses("satellite", 3, rng())
    with pytest.raises(ValueError, match="1 or more"):
        internet.several("home", np.array([1, 0]), rng())


def test_worlds_have_their_own_addresses_and_the_same_chance_the_same():
    one, again, other = Internet(rng(1)), Internet(rng(1)), Internet(rng(2))
    for kind in KINDS:
        assert one.addresses(kind, 50, rng(3)) == again.addresses(kind, 50, rng(3))
        assert one.addresses(kind, 50, rng(3)) != other.addresses(kind, 50, rng(3))


@needs_tables
def test_the_package_data_are_what_the_script_makes_of_the_tables():
    assert distil(NETWORK) == shapes()


@needs_tables
def test_blocks_are_as_large_as_the_real_ones(tables):
    """Prefix length of the block that holds a random address (for VPN: of a random range), in 16 worlds
    together (in a single one the largest carrier decides), against the real table: Kolmogorov-Smirnov
    distance. Holders too small for the package are missing, which is most of what differs."""
    worlds = [allocate(rng(seed)) for seed in range(16)]
    for kind, (_, length) in tables.items():
        ours = np.concatenate([world[kind].length for world in worlds])
        weigh = kind != "vpn"
        distance = np.abs(
            _spread(length if kind == "vpn" else np.minimum(length, 24), weigh) - _spread(ours, weigh)
        ).max()
        assert distance < 0.1, kind


def _spread(length: np.ndarray, by_addresses: bool) -> Any:
    weight = 2.0 ** (32 - length) if by_addresses else np.ones(len(length))
    spread = np.cumsum(np.bincount(length, weight, minlength=33))
    return spread / spread[-1]


@needs_tables
def test_addresses_are_held_as_unequally_as_the_real_ones(tables):
    """Share of the largest holders among those that are kept, against the real table."""
    for kind, (holder, length) in tables.items():
        _, place = np.unique(holder, return_inverse=True)
        real = np.sort(np.bincount(place, 2.0 ** (32 - np.minimum(length, 32))))[::-1]
        blocks = allocate(rng(5))[kind]
        ours = np.bincount(blocks.holder, blocks.size)
        kept = real[: len(ours)]
        distance = np.abs(np.cumsum(kept) / kept.sum() - np.cumsum(ours) / ours.sum()).max()
        assert distance < 0.08, kind
