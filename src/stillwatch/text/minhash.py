"""One-permutation min-hash signatures: similarity of sets in a fixed number of bytes.

One hash a set member fills one of `BINS` bins with the smallest value seen there (Li, Owen, Zhang, NIPS
2012); empty bins borrow from a full one by a walk that depends only on the bin and the attempt, so that equal
sets give equal signatures and the estimate stays unbiased (optimal densification, Shrivastava, ICML 2017).
"""

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

from stillwatch.text.hashing import combine, mix

BINS = 64
_EMPTY = 0xFFFFFFFFFFFFFFFF


def signatures(offsets: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Signatures of n sets of 64-bit hashes, uint64 [n, BINS]; an empty set has all bits of all bins set.

    Args:
        offsets: int64 [n + 1]; set i is hashes[offsets[i] : offsets[i + 1]], repetitions do not matter.
        hashes: uint64, evenly spread (as those of `frequency.shingles` or `tokens.tokenize`).
    """
    out = np.empty((len(offsets) - 1, BINS), np.uint64)
    _sign(np.ascontiguousarray(offsets, np.int64), np.ascontiguousarray(hashes, np.uint64), out)
    return out


def similarity(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Estimated Jaccard index of pairs of signatures [..., BINS]: the share of equal bins."""
    return np.asarray((left == right).mean(axis=-1), np.float64)


def bands(signature: npt.NDArray[np.uint64], n_bands: int) -> npt.NDArray[np.uint64]:
    """Band hashes, uint64 [n, n_bands]: sets that agree in all BINS / n_bands bins of a band share its hash.

    Two sets of Jaccard index s share at least one band with probability 1 - (1 - s**(BINS /
    n_bands))**n_bands.

    Raises:
        ValueError: n_bands does not divide BINS.
    """
    if n_bands < 1 or BINS % n_bands:
        raise ValueError(f"the number of bands must divide {BINS}")
    out = np.empty((len(signature), n_bands), np.uint64)
    _band(np.ascontiguousarray(signature, np.uint64), out)
    return out


@njit(nogil=True, cache=True)
def _sign(offsets, hashes, out):  # type: ignore[no-untyped-def]
    borrowed = np.empty(BINS, np.uint64)
    for row in range(len(out)):
        signature = out[row]
        signature[:] = uint64(_EMPTY)
        for i in range(offsets[row], offsets[row + 1]):
            h = mix(hashes[i])
            b = h >> uint64(58)
            # Without a branch: the comparison is unpredictable.
            signature[b] = min(signature[b], h)
        if offsets[row] == offsets[row + 1]:
            continue
        borrowed[:] = signature
        for b in range(BINS):
            source, attempt = uint64(b), 0
            while signature[source] == uint64(_EMPTY):
                attempt += 1
                source = combine(uint64(b), uint64(attempt)) >> uint64(58)
            borrowed[b] = signature[source]
        signature[:] = borrowed


@njit(nogil=True, cache=True)
def _band(signature, out):  # type: ignore[no-untyped-def]
    n_bands = out.shape[1]
    rows = BINS // n_bands
    for i in range(len(signature)):
        for b in range(n_bands):
            h = uint64(b + 1)
            for r in range(rows):
                h = combine(h, signature[i, b * rows + r])
            out[i, b] = h
