"""Texts as objects that can be shared: equal after lower case and white space, one hash a text."""

import numpy as np
import pyarrow as pa
from numba import njit, uint64
from numpy.typing import NDArray

from stillwatch.text.buffers import text_view
from stillwatch.text.hashing import FNV_OFFSET, FNV_PRIME, mix
from stillwatch.text.tokens import decode, lower


def object_hashes(texts: pa.Array) -> NDArray[np.uint64]:
    """Hash of each text (n,); 0 for null and blank ones.

    Case is folded, runs of white space count as one space, those at the ends as none. Two different texts of
    30 million share a hash with a probability of 2e-5.
    """
    view = text_view(texts)
    out = np.zeros(len(view), np.uint64)
    _hash_all(view.data, view.starts, view.stops, out)
    return out


@njit(nogil=True, cache=True)
def _hash_all(data, starts, stops, out):  # type: ignore[no-untyped-def]
    for row in range(len(out)):
        out[row] = _hash(data, starts[row], stops[row])


@njit(nogil=True, cache=True)
def _hash(data, pos, end):  # type: ignore[no-untyped-def]
    h = uint64(FNV_OFFSET)
    some, space = False, False
    while pos < end:
        if data[pos] < 0x80:
            cp, width = np.int64(data[pos]), 1
        else:
            cp, width = decode(data, pos, end)
        pos += width
        if cp <= 32 or (cp > 0x7F and _is_wide_space(cp)):
            space = some
            continue
        if space:
            h = (h ^ uint64(32)) * uint64(FNV_PRIME)
            space = False
        h = (h ^ uint64(lower(cp))) * uint64(FNV_PRIME)
        some = True
    if not some:
        return uint64(0)
    h = mix(h)
    return h if h else uint64(1)


@njit(nogil=True, cache=True)
def _is_wide_space(cp):  # type: ignore[no-untyped-def]
    if 0x2000 <= cp <= 0x200A:
        return True
    # A set, which reads better, would be built anew for each code point.
    return cp == 0x85 or cp == 0xA0 or cp == 0x3000  # noqa: PLR1714
