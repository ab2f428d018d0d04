"""Which of the skeletons that wait for enough texts could belong with those of a slice.

Most skeletons that wait are of one text, and there are more of them with every day. How alike two skeletons are never
changes, so only what a slice brings has to be compared: with the leaders, with each other, and with what waits and
shares enough word sequences with it.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from stillwatch.exchange.numbering import runs
from stillwatch.exchange.texts import buffers
from stillwatch.replaying.counts import Ints
from stillwatch.signals.leader_clustering import FRAME, SIMILAR
from stillwatch.text.grams import EDGES

Hashes = npt.NDArray[np.uint64]

MOST_HOLDERS = 256
"""Word sequences that more of the waiting skeletons hold are phrases of the language (as in `leader_clustering`)."""


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
        begin, end = (np.searchsorted(shingle, grams, side) for side in ("left", "right"))
        by_row = np.argsort(row, kind="stable")
        ends = np.cumsum(np.bincount(row, minlength=len(edges)))
        places = np.stack([begin, end], axis=1)[by_row]
        return np.flatnonzero(_alike(places, ends, edges, owner, self._size, self._edges))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _alike(
    places: Ints, ends: Ints, edges: Hashes, owner: Ints, size: Ints, held_edges: Hashes
) -> npt.NDArray[np.bool_]:
    """Which of the skeletons that are held may be alike to one that is asked for, shape (n_held,).

    Args:
        places: where the holders of each word sequence of the asked ones stand in `owner`: from, to; in order of row.
        ends: where the word sequences of each asked one end.
        edges: of the asked ones, shape (n_asked, 2).
        owner: who holds a word sequence, by word sequence.
        size: word sequences of those that are held.
        held_edges: of those that are held, shape (n_held, 2).
    """
    found = np.zeros(len(size), np.bool_)
    shared = np.zeros(len(size), np.int32)
    met = np.empty(len(size), np.int64)
    first = 0
    for row in range(len(ends)):
        own, n_met = ends[row] - first, 0
        for at in range(first, ends[row]):
            begin, end = places[at]
            if end - begin > MOST_HOLDERS:
                continue
            for other in owner[begin:end]:
                if shared[other] == 0:
                    met[n_met] = other
                    n_met += 1
                shared[other] += 1
        first = ends[row]
        for other in met[:n_met]:
            framed = False
            for side in range(EDGES):
                framed |= edges[row, side] != 0 and edges[row, side] == held_edges[other, side]
            enough = shared[other] >= SIMILAR * min(own, size[other])
            found[other] |= enough or (framed and shared[other] >= FRAME)
            shared[other] = 0
    return found


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
