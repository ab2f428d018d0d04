"""The Internet of one world: access networks, carriers, clouds, hosters, VPN and proxy providers, and offices
behind one address.

How many addresses the holders have and in which blocks comes from real tables; where the blocks lie is drawn
for each world and has nothing to do with who really holds them (behaviour/address_space.py).

Who calls from where:
    home: an address of its own in an access network, in proportion to the addresses it has, with a log-normal
        factor for how popular the service is there. Two homes share a /24 only as often as blocks allow.
    mobile: carriers translate thousands of subscribers to few addresses (carrier-grade NAT, RFC 6888). One
        carrier has a few /24 of exits, in proportion to its addresses.
    cloud, hosting: customers get addresses of blocks that fill unevenly (log-normal), so some are crowded.
    vpn: twelve providers, the first far ahead (1/rank), each with a few exits in some rented ranges.
    residential_proxy: exits are homes of strangers all over the world, lent to many and changed every hour to
        day.
The sizes of pools of exits and the spread of popularity are ours: no table tells them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stillwatch.lab.behaviour.address_space import Blocks, allocate
from stillwatch.lab.behaviour.clocks import DAY, HOUR, Floats, Ints

_CARRIER_PREFIXES = 64  # /24 of exits of all carriers together, at least one each
_PROVIDERS = 12  # VPN providers of a world
_RANGES = 30  # ranges that a VPN provider rents
_PROXY_POOL = 1 << 18  # homes whose connection a proxy network lends
_ONE_PLACE = ("home", "mobile")  # whose further addresses come from the block of the first


@dataclass(frozen=True)
class _Pool:
    """Blocks from which addresses of one kind are drawn, ordered by operator.

    Attributes:
        base: int64, first address of each block.
        size: int64, addresses in use in each block.
        share: float64, share of each operator's customers, summing to 1.
        first: int64, number of each operator's first block, and the number of blocks at the end.
        filled: float64, running sum of the weights of the blocks, one entry more than blocks.
    """

    base: Ints
    size: Ints
    share: Floats
    first: Ints
    filled: Floats

    def operators(self, rng: np.random.Generator, count: int) -> Ints:
        """The operator of each of `count` customers."""
        return rng.choice(len(self.share), count, p=self.share)

    def blocks(self, rng: np.random.Generator, operator: Ints) -> Ints:
        """A block of each operator."""
        low, high = self.filled[self.first[operator]], self.filled[self.first[operator + 1]]
        block = np.searchsorted(self.filled, low + rng.random(len(operator)) * (high - low), side="right") - 1
        # Rounding must not carry a draw into a neighbour's blocks.
        return np.minimum(np.maximum(block, self.first[operator]), self.first[operator + 1] - 1)

    def hosts(self, rng: np.random.Generator, block: Ints) -> Ints:
        """An address in each block; not the first or last of those that have room."""
        size = self.size[block]
        edge = np.where(size >= 256, 1, 0)
        found: Ints = self.base[block] + edge + (rng.random(len(block)) * (size - 2 * edge)).astype(np.int64)
        return found


class Internet:
    """Operators of each kind, drawn from `rng`; addresses are then asked for by kind.

    Kinds are home, mobile, cloud, hosting, vpn and residential_proxy.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        space = allocate(rng)
        access = space["access"]
        self._pools = {
            "home": _roomy(access, rng, popularity=1.0, filling=0.0),
            "cloud": _roomy(space["cloud"], rng, popularity=0.3, filling=1.5),
            "hosting": _roomy(space["hosting"], rng, popularity=1.0, filling=1.5),
            "mobile": _carriers(space["mobile"], rng),
            "vpn": _vpn_providers(space["vpn"], rng),
        }
        # Lent connections are elsewhere than customers' homes: other countries, hence another popularity.
        lent = _roomy(access, rng, popularity=1.5, filling=0.5)
        exits = np.sort(lent.hosts(rng, lent.blocks(rng, lent.operators(rng, _PROXY_POOL))))
        self._pools["residential_proxy"] = _pool(exits, np.ones_like(exits), np.zeros_like(exits))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of networks."""
        return tuple(self._pools)

    def numbers(self, kind: str, count: int, rng: np.random.Generator) -> Ints:
        """`count` addresses of a kind as numbers, int64, each of another customer.

        Raises:
            ValueError: for a kind that is not known.
        """
        pool = self._pool_of(kind)
        return pool.hosts(rng, pool.blocks(rng, pool.operators(rng, count)))

    def addresses(self, kind: str, count: int, rng: np.random.Generator) -> list[str]:
        """`count` addresses of a kind, each of another customer, most of large operators.

        Raises:
            ValueError: for a kind that is not known.
        """
        return dotted(self.numbers(kind, count, rng))

    def several(self, kind: str, counts: Ints, rng: np.random.Generator) -> list[list[str]]:
        """For each customer as many addresses as `counts` says, all of his one operator.

        A home gets new leases, and a phone other exits, in the same block; a VPN user moves among the
        provider's exits, a cloud customer all over the cloud. Some may come twice.

        Raises:
            ValueError: for a kind that is not known, or a count below 1.
        """
        if len(counts) and counts.min() < 1:
            raise ValueError("every account needs an address: counts must be 1 or more")
        pool = self._pool_of(kind)
        operator = pool.operators(rng, len(counts))
        if kind in _ONE_PLACE:
            block = np.repeat(pool.blocks(rng, operator), counts)
        else:
            block = pool.blocks(rng, np.repeat(operator, counts))
        return _dealt(dotted(pool.hosts(rng, block)), counts)

    def proxied(self, count: int, rng: np.random.Generator) -> tuple[list[list[str]], Ints]:
        """Exits of a residential proxy network for each of `count` accounts, and how long each exit is kept.

        Returns:
            8 to 64 addresses for each account, to be used one after another, and int64 microseconds, an hour
            to a day, log-uniform (`Accounts.rotates_every`).
        """
        counts = rng.integers(8, 65, count)
        kept = HOUR * (DAY / HOUR) ** rng.random(count)
        exits = self.addresses("residential_proxy", int(counts.sum()), rng)
        return _dealt(exits, counts), kept.astype(np.int64)

    def neighbours(self, kind: str, count: int, rng: np.random.Generator, prefixes: int) -> list[str]:
        """`count` addresses in only `prefixes` networks of 256, as one tenant of a provider gets them.

        Raises:
            ValueError: for a kind that is not known.
        """
        bases = self.numbers(kind, prefixes, rng) & ~np.int64(255)
        return dotted(bases[rng.integers(0, prefixes, count)] + rng.integers(2, 250, count))

    def office(self, rng: np.random.Generator, addresses: int = 1) -> list[str]:
        """The few addresses of one building behind a translating gateway."""
        return self.neighbours("home", addresses, rng, 1)

    def _pool_of(self, kind: str) -> _Pool:
        if kind not in self._pools:
            raise ValueError(f"no kind of network {kind!r}; there are {', '.join(self.kinds)}")
        return self._pools[kind]


def dotted(numbers: Ints) -> list[str]:
    """IPv4 addresses in dotted notation."""
    high, low = _halves()
    return [high[n >> 16] + low[n & 65535] for n in numbers.tolist()]


@lru_cache(maxsize=1)
def _halves() -> tuple[list[str], list[str]]:
    low = [f"{n >> 8}.{n & 255}" for n in range(1 << 16)]
    return [f"{text}." for text in low], low


def _dealt(flat: list[str], counts: Ints) -> list[list[str]]:
    ends = np.cumsum(counts).tolist()
    return [flat[end - size : end] for size, end in zip(counts.tolist(), ends, strict=True)]


def _pool(base: Ints, size: Ints, holder: Ints, weight: Floats | None = None) -> _Pool:
    """A pool of blocks ordered by holder; shares and filling follow the weights, by default the sizes."""
    weight = size.astype(np.float64) if weight is None else weight
    share = np.bincount(holder, weight)
    first = np.concatenate([[0], np.cumsum(np.bincount(holder))])
    return _Pool(base, size, share / share.sum(), first, np.concatenate([[0.0], np.cumsum(weight)]))


def _roomy(blocks: Blocks, rng: np.random.Generator, popularity: float, filling: float) -> _Pool:
    """Customers in proportion to addresses, with log-normal factors for operators and for their blocks."""
    operators = int(blocks.holder.max()) + 1
    factor = rng.lognormal(0, popularity, operators)[blocks.holder]
    weight = blocks.size * factor * rng.lognormal(0, filling, len(blocks.holder))
    return _pool(blocks.base, blocks.size, blocks.holder, weight)


def _carriers(blocks: Blocks, rng: np.random.Generator) -> _Pool:
    """Exits of carriers: whole /24 of their own blocks."""
    held = np.bincount(blocks.holder, blocks.size)
    prefixes = np.maximum(1, np.round(_CARRIER_PREFIXES * held / held.sum())).astype(np.int64)
    whole = _pool(blocks.base, blocks.size, blocks.holder)
    holder = np.repeat(np.arange(len(held)), prefixes)
    base = whole.hosts(rng, whole.blocks(rng, holder)) & ~np.int64(255)
    return _pool(base, np.full(len(base), 256), holder)


def _vpn_providers(blocks: Blocks, rng: np.random.Generator) -> _Pool:
    """Exits of VPN providers: a few addresses in ranges that they rent."""
    rented = rng.choice(len(blocks.base), _PROVIDERS * _RANGES, replace=False)
    provider = np.repeat(np.arange(_PROVIDERS), _RANGES)
    size = np.minimum(blocks.size[rented], rng.geometric(0.25, len(rented)))
    # Exits near large cities are busier than others.
    weight = size * rng.lognormal(0, 1.0, len(rented))
    customers = 1 / (1 + np.arange(_PROVIDERS)) / np.bincount(provider, weight)
    inside = np.maximum(0, np.minimum(blocks.size[rented] - size, 254))
    base = blocks.base[rented] + (rng.random(len(rented)) * inside).astype(np.int64)
    return _pool(base, size, provider, weight * customers[provider])
