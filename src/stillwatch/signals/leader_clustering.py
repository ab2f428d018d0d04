"""Leader clustering: which skeletons are so alike that they belong to one template, by their signatures alone.

In descending order of distinct texts a skeleton joins the leader with which it shares the most shingles among those
it is similar enough to, or becomes a leader. (What else was tried, and the figures:
docs/decisions/0003-template-families.md.) Similarity is the Jaccard index of the sets of shingles of the two
skeletons, estimated on their bottom-k signatures (Cohen, Kaplan, PODC 2007; exact up to 64 shingles). A skeleton of
few texts is mostly a known one with some of a slot's words: it may also join a leader whose shingles it nearly
contains. So may one that begins or ends like a leader, where all that the two do not share stands mostly in other
skeletons: items and boilerplate of the slots.

System prompts drift: each version differs from the one before by a few sentences, and the first and last may share
little. With `lineage` a skeleton is compared with every member, and what it links is one family (single linkage).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

from stillwatch.exchange.disjoint_sets import root, roots
from stillwatch.text.grams import GRAMS

SIMILAR = 0.4
CONTAINED = 0.8
BORROWED = 0.3
FRAME = 5


class Signatures(NamedTuple):
    """Signatures of n skeletons (`text.grams.signatures_of`).

    Attributes:
        grams: hashes of the shingles, ascending, then 0, shape (n, GRAMS).
        n_grams: how many there are, shape (n,).
        edges: hashes of the first and last shingle, 0 where there is none, shape (n, 2).
    """

    grams: npt.NDArray[np.uint64]
    n_grams: npt.NDArray[np.int64]
    edges: npt.NDArray[np.uint64]

    def at(self, rows: npt.NDArray[np.int64]) -> "Signatures":
        """Those of some rows."""
        return Signatures(self.grams[rows], self.n_grams[rows], self.edges[rows])


def cluster(
    signatures: Signatures,
    texts: npt.NDArray[np.int64],
    parents: npt.NDArray[np.int64],
    n_known: int,
    rare: npt.NDArray[np.bool_],
    lineage: bool,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Join each skeleton to a family, or begin one with it.

    Args:
        signatures: of n skeletons: those with a family from before, then the others, most distinct texts first.
        texts: distinct texts of each, shape (n,).
        parents: another row of each one's family as far as it is known, else its own, shape (n,); changed.
        n_known: rows with a family from before.
        rare: which of the rows have too few texts to be a template by themselves, shape (n,).
        lineage: single linkage over all members.

    Returns:
        The row that began each one's family, shape (n,), and which rows others are compared with, shape (n,).
    """
    numbers = _numbered(signatures.grams, signatures.n_grams)
    shares = _own_share(signatures.n_grams, numbers, texts)
    leads = _cluster(tuple(signatures), (*numbers, shares), parents, n_known, rare, lineage)
    return roots(parents), leads


class Leaders(NamedTuple):
    """Skeletons that others are compared with, by their shingles: entries of a shingle stand together, in order, and
    `slots` is a hash table (linear probing) of the places of the shingles."""

    signatures: Signatures
    slots: npt.NDArray[np.int64]
    shingles: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    entries: npt.NDArray[np.int64]

    @classmethod
    def of(cls, signatures: Signatures) -> "Leaders":
        """Leaders, most distinct texts first."""
        used = np.arange(GRAMS) < signatures.n_grams[:, None]
        shingles, entries = signatures.grams[used], np.nonzero(used)[0]
        order = np.argsort(shingles, kind="stable")
        distinct, starts = np.unique(shingles[order], return_index=True)
        slots = np.full(1 << max(6, (2 * len(distinct)).bit_length()), -1, np.int64)
        _fill_slots(slots, distinct)
        ends = np.append(starts, len(order)).astype(np.int64)
        return cls(signatures, slots, distinct, ends, entries[order])

    def nearest(self, signatures: Signatures) -> npt.NDArray[np.int64]:
        """The leader that each of n skeletons is similar to, or nearly contains; -1 where there is none, shape (n,)."""
        best = np.full(len(signatures.n_grams), -1, np.int64)
        index = self.slots, self.shingles, self.starts, self.entries
        _nearest(tuple(signatures), tuple(self.signatures), index, best)
        return best


def _own_share(
    n_grams: npt.NDArray[np.int64], numbers: tuple[npt.NDArray[np.int32], int], texts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Of the texts that have a shingle, which share has this skeleton: float32 [n, GRAMS].

    Args:
        n_grams: shingles of each skeleton, shape (n,).
        numbers: see `_numbered`.
        texts: of each skeleton, shape (n,).
    """
    place, n_shingles = numbers
    out = np.ones(place.shape, np.float32)
    _fill_shares(n_grams, place, texts, np.zeros(n_shingles, np.int64), out)
    return out


@njit(nogil=True, cache=True)
def _numbered(grams, n_grams):  # type: ignore[no-untyped-def]
    """The number of each shingle, int32 [n, GRAMS], and how many there are: far fewer than stand in all skeletons."""
    shingles, slots = np.empty(1 << 15, np.uint64), np.full(1 << 16, -1, np.int64)
    place = np.zeros(grams.shape, np.int32)
    n = 0
    for row in range(len(n_grams)):
        for g in range(n_grams[row]):
            slot = _slot(slots, shingles, grams[row, g])
            if slots[slot] < 0:
                if n == len(shingles):
                    more = np.empty(2 * n, np.uint64)
                    more[:n] = shingles
                    slots = np.full(4 * n, -1, np.int64)
                    _fill_slots(slots, shingles)
                    shingles = more
                    slot = _slot(slots, shingles, grams[row, g])
                shingles[n] = grams[row, g]
                slots[slot] = n
                n += 1
            place[row, g] = slots[slot]
    return place, n


@njit(nogil=True, cache=True)
def _fill_shares(n_grams, place, texts, totals, out):  # type: ignore[no-untyped-def]
    for row in range(len(n_grams)):
        for g in range(n_grams[row]):
            totals[place[row, g]] += texts[row]
    for row in range(len(n_grams)):
        for g in range(n_grams[row]):
            out[row, g] = texts[row] / max(totals[place[row, g]], 1)


@njit(nogil=True, cache=True)
def compare(left, n_left, right, n_right):  # type: ignore[no-untyped-def]
    """Shared shingles and sizes of two sets, from their bottom-k signatures: (shared, of left, of right).

    Where a signature is full, both are cut at the smaller of the largest hashes: below it both are complete.
    """
    cut = uint64(0xFFFFFFFFFFFFFFFF)
    if n_left == GRAMS:
        cut = min(cut, left[GRAMS - 1])
    if n_right == GRAMS:
        cut = min(cut, right[GRAMS - 1])
    i = j = shared = of_left = of_right = 0
    while i < n_left and left[i] <= cut:
        while j < n_right and right[j] < left[i] and right[j] <= cut:
            j += 1
            of_right += 1
        if j < n_right and right[j] == left[i]:
            shared += 1
        i += 1
        of_left += 1
    while j < n_right and right[j] <= cut:
        j += 1
        of_right += 1
    return shared, of_left, of_right


@njit(nogil=True, cache=True)
def _sizes(left, n_left, right, n_right):  # type: ignore[no-untyped-def]
    """Of how many shingles either set is known as far as both are (`compare`).

    Shared shingles stand in both signatures, and so below the cut: whoever has counted them needs only this.
    """
    cut = uint64(0xFFFFFFFFFFFFFFFF)
    if n_left == GRAMS:
        cut = min(cut, left[GRAMS - 1])
    if n_right == GRAMS:
        cut = min(cut, right[GRAMS - 1])
    return _up_to(left, n_left, cut), _up_to(right, n_right, cut)


@njit(nogil=True, cache=True)
def _up_to(values, n, most):  # type: ignore[no-untyped-def]
    """How many of n ascending values are at most `most`."""
    if n == 0 or values[n - 1] <= most:
        return n
    first, last = 0, n - 1
    while first < last:
        middle = (first + last) // 2
        if values[middle] <= most:
            first = middle + 1
        else:
            last = middle
    return first


@njit(nogil=True, cache=True)
def _borrowed(left, n_left, shares, right, n_right):  # type: ignore[no-untyped-def]
    """Whether what `left` has beyond `right` stands mostly in other skeletons: it came with a slot."""
    total, n, j = 0.0, 0, 0
    for i in range(n_left):
        while j < n_right and right[j] < left[i]:
            j += 1
        if j == n_right or right[j] != left[i]:
            total += shares[i]
            n += 1
    return n == 0 or total < BORROWED * n


@njit(nogil=True, cache=True)
def _slot(slots, shingles, wanted):  # type: ignore[no-untyped-def]
    """Where a shingle's place stands, or the free slot where it belongs."""
    mask = uint64(len(slots) - 1)
    slot = wanted & mask
    while slots[slot] >= 0 and shingles[slots[slot]] != wanted:
        slot = (slot + uint64(1)) & mask
    return slot


@njit(nogil=True, cache=True)
def _fill_slots(slots, shingles):  # type: ignore[no-untyped-def]
    for place in range(len(shingles)):
        slots[_slot(slots, shingles, shingles[place])] = place


@njit(nogil=True, cache=True)
def _joins(shared, mine, its):  # type: ignore[no-untyped-def]
    """Whether a row is similar to a leader, or nearly contains it; sharing more never speaks against it."""
    return shared >= SIMILAR * max(1, mine + its - shared) or (its > 0 and shared >= CONTAINED * its)


@njit(nogil=True, cache=True)
def _nearest(own, leaders, index, best):  # type: ignore[no-untyped-def] # noqa: PLR0912
    """The leader with most shared shingles among those that a row is similar to, or nearly contains."""
    grams, n_grams, edges = own
    leader_grams, leader_sizes, leader_edges = leaders
    slots, shingles, starts, entries = index
    longest_list = 16  # the leaders of most texts
    met = np.full(len(leader_sizes), -1, np.int64)
    hits = np.empty(len(leader_sizes), np.int64)
    found = np.empty(GRAMS * longest_list, np.int64)
    for row in range(len(n_grams)):
        n_found, unlisted = 0, 0
        for g in range(n_grams[row]):
            place = slots[_slot(slots, shingles, grams[row, g])]
            if place < 0:
                continue
            unlisted += starts[place + 1] - starts[place] > longest_list
            for entry in range(starts[place], min(starts[place + 1], starts[place] + longest_list)):
                other = entries[entry]
                if met[other] != row:
                    met[other], hits[other] = row, 0
                    found[n_found] = other
                    n_found += 1
                hits[other] += 1
        # The likeliest first, so that few others are left to be compared.
        for f in range(1, n_found):
            if hits[found[f]] > hits[found[0]]:
                found[0], found[f] = found[f], found[0]
        most, nearest = -1, -1
        for f in range(n_found):
            other = found[f]
            # What a row shares with a leader is known up to lists that are not read to their end: most leaders cannot
            # be nearer than the one that was found, and need not be compared.
            if hits[other] + unlisted + GRAMS + 1 < most:
                continue
            opens = edges[row, 0] != uint64(0) and edges[row, 0] == leader_edges[other, 0]
            closes = edges[row, 1] != uint64(0) and edges[row, 1] == leader_edges[other, 1]
            framed = GRAMS + 1 if opens or closes else 0
            if hits[other] + unlisted + framed < most:
                continue
            mine, its = _sizes(grams[row], n_grams[row], leader_grams[other], leader_sizes[other])
            shared = hits[other] + unlisted  # at most
            if unlisted > 0 and _joins(shared, mine, its):
                shared = compare(grams[row], n_grams[row], leader_grams[other], leader_sizes[other])[0]
            if not _joins(shared, mine, its):
                continue
            rank = shared + framed
            if rank > most or (rank == most and other < nearest):
                most, nearest = rank, other
        best[row] = nearest


@njit(nogil=True, cache=True)
def _cluster(signatures, known, parents, n_old, rare, lineage):  # type: ignore[no-untyped-def] # noqa: PLR0912, PLR0915
    """Set the parent of every row from `n_old` on; return which rows others are compared with."""
    grams, n_grams, edges = signatures
    place, n_shingles, shares = known
    n = len(n_grams)
    longest_list = 256
    leads = np.zeros(n, np.bool_)
    heads = np.full(n_shingles, -1, np.int64)
    entries = np.empty((max(1, n_grams.sum()), 2), np.int64)
    n_entries = 0
    stamps = np.full(n, -1, np.int64)
    candidates, hits = np.empty(n, np.int64), np.empty(n, np.int64)
    for row in range(n):
        if row >= n_old and parents[row] != row:
            continue
        if row >= n_old:
            found, whole = 0, True
            for g in range(n_grams[row]):
                entry = heads[place[row, g]]
                walked = 0
                while entry >= 0 and walked < longest_list:
                    other = entries[entry, 0]
                    if stamps[other] != row:
                        stamps[other], hits[other] = row, 0
                        candidates[found] = other
                        found += 1
                    hits[other] += 1
                    entry = entries[entry, 1]
                    walked += 1
                whole = whole and entry < 0
            best, most, closest = -1, -1, 0.0
            for c in range(found):
                other = candidates[c]
                own, its = _sizes(grams[row], n_grams[row], grams[other], n_grams[other])
                shared = hits[other]  # where all lists were read to their end
                if not whole:
                    shared = compare(grams[row], n_grams[row], grams[other], n_grams[other])[0]
                alike = shared / max(1, own + its - shared)
                near = alike >= SIMILAR
                if near and lineage:
                    a, b = root(parents, row), root(parents, other)
                    # The family of the earlier row keeps its name.
                    parents[max(a, b)] = min(a, b)
                    continue
                # The text's own beginning or end tells more than boilerplate in the middle.
                opens = edges[row, 0] != uint64(0) and edges[row, 0] == edges[other, 0]
                closes = edges[row, 1] != uint64(0) and edges[row, 1] == edges[other, 1]
                framed = opens or closes
                if not near:
                    within = its > 0 and shared >= CONTAINED * its
                    if not within and not (framed and shared >= FRAME):
                        continue
                    if not (within and rare[row]) and not (
                        _borrowed(grams[row], n_grams[row], shares[row], grams[other], n_grams[other])
                        and _borrowed(grams[other], n_grams[other], shares[other], grams[row], n_grams[row])
                    ):
                        continue
                rank = shared + (GRAMS + 1 if framed else 0)
                if rank > most or (rank == most and (alike > closest or (alike == closest and other < best))):
                    best, most, closest = other, rank, alike
            if best >= 0:
                parents[root(parents, row)] = root(parents, best)
            if parents[row] != row and not lineage:
                continue
        leads[row] = n_grams[row] > 0
        for g in range(n_grams[row]):
            entries[n_entries, 0] = row
            entries[n_entries, 1] = heads[place[row, g]]
            heads[place[row, g]] = n_entries
            n_entries += 1
    return leads
