"""64-bit hashes that are the same on every machine, engine and version: Python's and Arrow's own are not.

A token is hashed by FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv) taken over its code points, one 64-bit step
per code point instead of per byte, and closed by the finaliser of MurmurHash3 (Appleby, public domain),
because the high bits of FNV-1a of a short word are poor. Sequences of hashes are combined by a multiply and
the same finaliser. None of this withstands an adversary who wants collisions; a collision here costs one
wrong feature.
"""

from typing import Any

from numba import njit, uint64

FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x00000100000001B3
_MURMUR_1 = 0xFF51AFD7ED558CCD
_MURMUR_2 = 0xC4CEB9FE1A85EC53
# Odd constants from the fractional parts of the golden ratio and of the square root of three.
_GOLDEN = 0x9E3779B97F4A7C15
_ROOT_3 = 0xBB67AE8584CAA73B


@njit(nogil=True, cache=True)
def mix(h: Any) -> Any:
    """Finaliser of MurmurHash3: a bijection of uint64 in which every input bit reaches every output bit."""
    h = uint64(h)
    h ^= h >> uint64(33)
    h *= uint64(_MURMUR_1)
    h ^= h >> uint64(33)
    h *= uint64(_MURMUR_2)
    h ^= h >> uint64(33)
    return h


@njit(nogil=True, cache=True)
def combine(left: Any, right: Any) -> Any:
    """Hash of an ordered pair of uint64 hashes (not commutative)."""
    return mix(uint64(left) * uint64(_GOLDEN) + (uint64(right) ^ uint64(_ROOT_3)))


@njit(nogil=True, cache=True)
def bucket(h: Any, bits: int) -> Any:
    """The top `bits` bits of a hash, as an index."""
    return (uint64(h) * uint64(_GOLDEN)) >> uint64(64 - bits)


@njit(nogil=True, cache=True)
def slot_of(table: Any, h: Any) -> Any:
    """Where a hash stands in a table of hashes, 0 = free, or the free place where it belongs (open addressing, linear
    probing; the table's length is a power of two, and it is never full)."""
    mask = uint64(len(table) - 1)
    slot = h & mask
    while table[slot] != uint64(0) and table[slot] != h:
        slot = (slot + uint64(1)) & mask
    return slot
