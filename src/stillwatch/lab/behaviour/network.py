"""The Internet of one world: access networks, carriers, clouds, hosters, VPN providers, and offices behind
one address.

Address blocks are drawn at random for each world; who really holds them has nothing to do with what happens
here.
Shapes: home users have an address of a large block and keep it for weeks; mobile carriers put thousands
    behind a few dozen (carrier-grade NAT); a cloud customer gets an address of a block that everybody shares;
    VPN exits are shared by many strangers.
"""

from dataclasses import dataclass

import numpy as np

_PRIVATE_FIRST_OCTETS = {0, 10, 100, 127, 169, 172, 192, 198, 203, 224}
_CROWDED = {
    "mobile": (8, 5, 48),
    "vpn": (10, 4, 24),
    "hosting": (12, 6, 200),
}  # operators, /24 each, hosts a /24
_ROOMY = {"home": (36, 14), "cloud": (7, 15)}  # operators, prefix length


@dataclass(frozen=True)
class _Operator:
    bases: tuple[int, ...]
    size: int


class Internet:
    """Operators of each kind, drawn from `rng`; addresses are then asked for by kind."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._operators: dict[str, list[_Operator]] = {}
        self._weights: dict[str, np.ndarray] = {}
        for kind, (count, prefixes, hosts) in _CROWDED.items():
            self._add(kind, [_Operator(_blocks(rng, prefixes, 24), hosts) for _ in range(count)])
        for kind, (count, length) in _ROOMY.items():
            self._add(kind, [_Operator(_blocks(rng, 2, length), 1 << (32 - length)) for _ in range(count)])

    def _add(self, kind: str, operators: list[_Operator]) -> None:
        rank = np.arange(1, len(operators) + 1)
        self._operators[kind] = operators
        self._weights[kind] = (1 / rank) / (1 / rank).sum()

    def addresses(self, kind: str, count: int, rng: np.random.Generator) -> list[str]:
        """`count` addresses of a kind (home, mobile, cloud, hosting, vpn), most of large operators."""
        operators = self._operators[kind]
        chosen = rng.choice(len(operators), count, p=self._weights[kind])
        block = rng.random(count)
        host = rng.random(count)
        found = []
        for place, number in enumerate(chosen.tolist()):
            operator = operators[number]
            base = operator.bases[int(block[place] * len(operator.bases))]
            found.append(_dotted(base + 1 + int(host[place] * (operator.size - 2))))
        return found

    def neighbours(self, kind: str, count: int, rng: np.random.Generator, prefixes: int) -> list[str]:
        """`count` addresses in only `prefixes` networks of 256, as one tenant of a provider gets them."""
        bases = [address.rsplit(".", 1)[0] for address in self.addresses(kind, prefixes, rng)]
        where = rng.integers(0, prefixes, count)
        host = rng.integers(2, 250, count)
        return [f"{bases[w]}.{h}" for w, h in zip(where.tolist(), host.tolist(), strict=True)]

    def office(self, rng: np.random.Generator, addresses: int = 1) -> list[str]:
        """The few addresses of one building behind a translating gateway."""
        return self.neighbours("home", addresses, rng, 1)


def _blocks(rng: np.random.Generator, count: int, length: int) -> tuple[int, ...]:
    blocks: list[int] = []
    while len(blocks) < count:
        base = int(rng.integers(1 << 24, 223 << 24)) >> (32 - length) << (32 - length)
        if base >> 24 not in _PRIVATE_FIRST_OCTETS:
            blocks.append(base)
    return tuple(blocks)


def _dotted(number: int) -> str:
    return f"{number >> 24}.{(number >> 16) & 255}.{(number >> 8) & 255}.{number & 255}"
