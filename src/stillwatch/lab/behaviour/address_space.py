"""The address space of one world: blocks with the sizes that real networks have, in places that nobody has.

How many addresses the holders of each kind have, and in blocks of which prefix lengths, follows the real
tables (lab/networks). Where a block lies is drawn anew for each world, so no real holder is pointed at. No
two blocks overlap.
"""

from dataclasses import dataclass

import numpy as np

from stillwatch.lab.behaviour.clocks import Floats, Ints
from stillwatch.lab.networks import shapes

# First octets that are private, reserved, or hold well-known special ranges.
_UNUSED_OCTETS = (0, 10, 100, 127, 169, 172, 192, 198, 203)
_OCTETS = np.array([octet for octet in range(224) if octet not in _UNUSED_OCTETS])
_CAPACITY = len(_OCTETS) << 24
_NOBODY = "nobody"


@dataclass(frozen=True)
class Blocks:
    """Address blocks of one kind of network, ordered by holder.

    Attributes:
        base: int64, first address.
        length: int64, prefix length.
        holder: int64, number of the holder; the holder with number 0 has the most addresses.
    """

    base: Ints
    length: Ints
    holder: Ints

    @property
    def size(self) -> Ints:
        """int64, addresses of each block."""
        return np.int64(1) << (32 - self.length)


def allocate(rng: np.random.Generator) -> dict[str, Blocks]:
    """Blocks of each kind: access, mobile, hosting, cloud and vpn networks."""
    drawn = {kind: _lengths(rng, shape) for kind, shape in shapes()["networks"].items()}
    # The rest of the Internet lies in between; it takes no part.
    drawn[_NOBODY] = _filler(rng, _CAPACITY - sum(_addresses(length) for _, length in drawn.values()))
    holder = np.concatenate([h for h, _ in drawn.values()])
    length = np.concatenate([n for _, n in drawn.values()])
    base = _places(rng, length)
    found, first = {}, 0
    for kind, (holders, lengths) in drawn.items():
        here = slice(first, first + len(holders))
        found[kind] = Blocks(base[here], lengths, holder[here])
        first += len(holders)
    del found[_NOBODY]
    return found


def _lengths(rng: np.random.Generator, shape: dict[str, dict[str, dict[str, float]]]) -> tuple[Ints, Ints]:
    """Holder and prefix length of each block: the holders' sizes, cut as holders of that size have them cut."""
    held = np.array(shape["holders"], np.float64)
    wanted: Floats = np.zeros((len(held), 33))  # addresses in blocks of each length
    classes = (np.log2(held) / 4).astype(np.int64)
    for name, spread in shape["prefixes"].items():
        share = np.zeros(33)
        share[[int(length) for length in spread]] = list(spread.values())
        chosen = classes == int(name)
        wanted[chosen] = held[chosen, None] * share / share.sum()
    count = _whole_blocks(rng, held, wanted)
    # Whoever got nothing has one block, of the length that he has most of.
    empty = count.sum(1) == 0
    count[empty, wanted[empty].argmax(1)] = 1
    holder, length = np.nonzero(count)
    return np.repeat(holder, count[holder, length]), np.repeat(length, count[holder, length])


def _whole_blocks(rng: np.random.Generator, held: Floats, wanted: Floats) -> Ints:
    """Wanted addresses rounded at random to blocks, large ones first; the smaller ones make up for the rounding."""
    count = np.zeros(wanted.shape, np.int64)
    left = held.copy()
    rest = np.cumsum(wanted[:, ::-1], axis=1)[:, ::-1]
    for length in range(33):
        scale = np.divide(
            np.maximum(left, 0), rest[:, length], out=np.zeros(len(held)), where=rest[:, length] > 0
        )
        blocks = wanted[:, length] * scale / 2.0 ** (32 - length)
        count[:, length] = np.floor(blocks + rng.random(len(held)))
        left -= count[:, length] * 2.0 ** (32 - length)
    return count


def _filler(rng: np.random.Generator, room: int) -> tuple[Ints, Ints]:
    holder, length = _lengths(rng, shapes()["networks"]["access"])
    order = np.tile(rng.permutation(len(length)), 4)
    fits = np.cumsum(np.int64(1) << (32 - length[order])) <= room
    return holder[order[fits]], length[order[fits]]


def _addresses(length: Ints) -> int:
    return int((np.int64(1) << (32 - length)).sum())


def _places(rng: np.random.Generator, length: Ints) -> Ints:
    """First address of each block: packed from the largest to the smallest, so each is aligned to its size.

    The first octets are shuffled, and blocks of one size lie in random order.
    """
    order = rng.permutation(len(length))
    order = order[np.argsort(length[order], kind="stable")]
    size = np.int64(1) << (32 - length[order])
    packed = np.cumsum(size) - size
    octets = rng.permutation(_OCTETS)
    base = np.empty(len(length), np.int64)
    base[order] = (octets[packed >> 24] << 24) | (packed & 0xFFFFFF)
    return base
