"""Which of the skeletons that wait for enough texts could belong with those of a slice.

Most skeletons that wait are of one text, and there are more of them with every day. How alike two skeletons are never
changes, so only what a slice brings has to be compared: with the leaders, with each other, and with what waits and
shares enough word sequences with it.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.exchange.texts import buffers
from stillwatch.replaying.counts import Ints
from stillwatch.signals.templates import FRAME, SIMILAR

Hashes = npt.NDArray[np.uint64]

MOST_HOLDERS = 256
"""Word sequences that more of the waiting skeletons hold are phrases of the language (as in `templates.families`)."""
_EDGES = 2


class Neighbours:
    """Skeletons by their word sequences; grows by slices.

    Args:
        skeletons: those that wait, with columns skeleton and signature.
    """

    def __init__(self, skeletons: pa.Table) -> None:
        self._skeleton: Hashes = np.zeros(0, np.uint64)
        self._size: Ints = np.zeros(0, np.int64)
        self._fresh = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        self.add(skeletons)
        # In order once; what is added later is put in order by itself.
        self._held = self._fresh
        self._fresh = np.zeros(0, np.uint64), np.zeros(0, np.int64)

    def add(self, skeletons: pa.Table) -> None:
        """Take in skeletons that were not there before."""
        grams, row = _grams(skeletons)
        first = len(self._skeleton)
        self._skeleton = np.concatenate([self._skeleton, _hashes(skeletons)])
        self._size = np.concatenate([self._size, np.bincount(row, minlength=len(skeletons))])
        grams, owner = (
            np.concatenate([old, new]) for old, new in zip(self._fresh, (grams, row + first), strict=True)
        )
        order = np.argsort(grams, kind="stable")
        self._fresh = grams[order], owner[order]

    def of(self, skeletons: pa.Table) -> Hashes:
        """Those that may be alike to one of these skeletons, ascending.

        Two that are alike share `SIMILAR` of the smaller one's word sequences, or `FRAME` of them.
        """
        grams, row = _grams(skeletons)
        size = np.bincount(row, minlength=len(skeletons))
        near = [self._sharing(held, grams, row, size) for held in (self._held, self._fresh)]
        return np.unique(self._skeleton[np.concatenate(near)])

    def _sharing(self, held: tuple[Hashes, Ints], grams: Hashes, row: Ints, size: Ints) -> Ints:
        shingle, owner = held
        begin, end = (np.searchsorted(shingle, grams, side) for side in ("left", "right"))
        n = end - begin
        n[n > MOST_HOLDERS] = 0
        of_gram = np.repeat(np.arange(len(grams)), n)
        other = owner[np.arange(len(of_gram)) - np.repeat(np.cumsum(n) - n, n) + begin[of_gram]]
        width = max(len(self._skeleton), 1)
        pair, shared = np.unique(row[of_gram] * width + other, return_counts=True)
        mine, its = pair // width, pair % width
        enough = (shared >= FRAME) | (shared >= SIMILAR * np.minimum(size[mine], self._size[its]))
        return np.unique(its[enough])


def _hashes(skeletons: pa.Table) -> Hashes:
    values: Hashes = skeletons.column("skeleton").combine_chunks().to_numpy(zero_copy_only=False)
    return values.astype(np.uint64)


def _grams(skeletons: pa.Table) -> tuple[Hashes, Ints]:
    """Hashes of the word sequences of all signatures, and the row of each; a signature begins with its two edges."""
    packed = skeletons.column("signature").combine_chunks().cast(pa.large_binary())
    if len(packed) == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    offsets, data = buffers(packed, large=True)
    size = np.diff(offsets) // 8
    values = data[offsets[0] : offsets[-1]].view("<u8").astype(np.uint64)
    row = np.repeat(np.arange(len(packed)), size)
    place = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    return values[place >= _EDGES], row[place >= _EDGES]
