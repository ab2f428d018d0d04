"""Which of the skeletons that wait for enough texts could belong with those of a slice.

Most skeletons that wait are of one text, and there are more of them with every day. How alike two skeletons are never
changes, so only what a slice brings has to be compared: with the leaders, with each other, and with what waits and
shares enough word sequences with it.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.exchange.numbering import runs
from stillwatch.exchange.texts import buffers
from stillwatch.replaying.counts import Ints
from stillwatch.signals.templates import FRAME, SIMILAR
from stillwatch.text.grams import EDGES

Hashes = npt.NDArray[np.uint64]

MOST_HOLDERS = 256
"""Word sequences that more of the waiting skeletons hold are phrases of the language (as in `templates.families`)."""


class Neighbours:
    """Skeletons by their word sequences; grows by slices.

    Args:
        skeletons: those that wait, with columns skeleton and signature.
    """

    def __init__(self, skeletons: pa.Table) -> None:
        self._skeleton: Hashes = np.zeros(0, np.uint64)
        self._size: Ints = np.zeros(0, np.int64)
        self._edges: Hashes = np.zeros((0, EDGES), np.uint64)
        self._fresh = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        self.add(skeletons)
        # In order once; what is added later is put in order by itself.
        self._held = self._fresh
        self._fresh = np.zeros(0, np.uint64), np.zeros(0, np.int64)

    def add(self, skeletons: pa.Table) -> None:
        """Take in skeletons that were not there before."""
        grams, row, edges = _grams(skeletons)
        first = len(self._skeleton)
        self._edges = np.concatenate([self._edges, edges])
        self._skeleton = np.concatenate([self._skeleton, _hashes(skeletons)])
        self._size = np.concatenate([self._size, np.bincount(row, minlength=len(skeletons))])
        grams, owner = (
            np.concatenate([old, new]) for old, new in zip(self._fresh, (grams, row + first), strict=True)
        )
        order = np.argsort(grams, kind="stable")
        self._fresh = grams[order], owner[order]

    def of(self, skeletons: pa.Table) -> Hashes:
        """Those that may be alike to one of these skeletons, ascending.

        Two that are alike share `SIMILAR` of the smaller one's word sequences, or begin or end alike and share `FRAME`.
        """
        asked = _grams(skeletons)
        near = [self._sharing(held, asked) for held in (self._held, self._fresh)]
        return np.unique(self._skeleton[np.concatenate(near)])

    def _sharing(self, held: tuple[Hashes, Ints], asked: tuple[Hashes, Ints, Hashes]) -> Ints:
        """Numbers of those among `held` (word sequences in order, and whose they are) that may be alike."""
        shingle, owner = held
        grams, row, edges = asked
        size = np.bincount(row, minlength=len(edges))
        begin, end = (np.searchsorted(shingle, grams, side) for side in ("left", "right"))
        n = end - begin
        n[n > MOST_HOLDERS] = 0
        of_gram, place = runs(begin, n)
        other = owner[place]
        width = max(len(self._skeleton), 1)
        pair, shared = np.unique(row[of_gram] * width + other, return_counts=True)
        mine, its = pair // width, pair % width
        framed = ((edges[mine] == self._edges[its]) & (edges[mine] != 0)).any(axis=1)
        enough = (framed & (shared >= FRAME)) | (shared >= SIMILAR * np.minimum(size[mine], self._size[its]))
        return np.unique(its[enough])


def _hashes(skeletons: pa.Table) -> Hashes:
    values: Hashes = skeletons.column("skeleton").combine_chunks().to_numpy(zero_copy_only=False)
    return values.astype(np.uint64)


def _grams(skeletons: pa.Table) -> tuple[Hashes, Ints, Hashes]:
    """Hashes of the word sequences of all signatures, the row of each, and the edges that each signature begins with
    (shape (n_rows, 2); 0 where it has none)."""
    packed = skeletons.column("signature").combine_chunks().cast(pa.large_binary())
    edges = np.zeros((len(packed), EDGES), np.uint64)
    if len(packed) == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64), edges
    offsets, data = buffers(packed, large=True)
    size = np.diff(offsets) // 8
    values = data[offsets[0] : offsets[-1]].view("<u8").astype(np.uint64)
    row, place = runs(np.zeros(len(packed), np.int64), size)
    at_edge = place < EDGES
    edges[row[at_edge], place[at_edge]] = values[at_edge]
    grams, row = values[~at_edge], row[~at_edge]
    # In order, because looking up neighbours one after the other is several times as fast.
    order = np.argsort(grams, kind="stable")
    return grams[order], row[order], edges
