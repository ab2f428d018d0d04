"""Template families: skeletons that belong to one template, under names that stay the same over time.

Noise in the slots and small changes of wording split a template over several skeletons. They are joined again
by leader clustering in descending order of distinct texts: a skeleton joins the leader with which it shares
the most shingles among those it is similar enough to, or becomes a leader. (What else was tried, and
the figures: docs/decisions/0003-template-families.md.) Similarity is the
Jaccard index of the sets of shingles of the two skeletons, estimated on their bottom-k signatures (Cohen,
Kaplan, PODC 2007; exact up to 64 shingles). A skeleton of few texts is mostly a known one with some of a
slot's words: it may also join a leader whose shingles it nearly contains. So may one that begins or ends like
a leader, where all that the two do not share stands mostly in other skeletons: items and boilerplate of the
slots.

System prompts drift: each version differs from the one before by a few sentences, and the first and last may
share little. With `lineage` a skeleton is compared with every member, and what it links is one family (single
linkage).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, uint64

from stillwatch.text.skeleton import GRAMS, Settings

FAMILIES_SCHEMA = pa.schema(
    [
        pa.field("skeleton", pa.uint64(), nullable=False),
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("n_exchanges", pa.int64(), nullable=False),
        pa.field("n_texts", pa.int64(), nullable=False),
        pa.field("signature", pa.binary()),
    ]
)
"""A row a skeleton; `signature` is set for the members that later skeletons are compared with."""

SIMILAR = 0.4
CONTAINED = 0.8
BORROWED = 0.3
FRAME = 5


class _Signatures(NamedTuple):
    grams: npt.NDArray[np.uint64]
    n_grams: npt.NDArray[np.int64]
    edges: npt.NDArray[np.uint64]


def families(skeletons: pa.Table, known: pa.Table | None = None, lineage: bool = False) -> pa.Table:
    """Name the template family of each skeleton.

    Args:
        skeletons: columns skeleton, n_exchanges, n_texts, signature (signals.signatures.skeletons_step);
            order of rows does not matter.
        known: an earlier result; its families keep their names, and new skeletons join them first.
        lineage: single linkage over all members, for texts that drift by versions (system prompts).

    Returns:
        Table of `FAMILIES_SCHEMA`, ordered by skeleton: the skeletons of families with at least
        `Settings.texts` distinct texts, or `Settings.repeats` exchanges, or of known ones. Skeletons left out
        have no template. Rows of `known` that do not occur any more stay, with counts of 0, so that the
        result can be the next `known`.
    """
    fresh = _ordered(skeletons)
    old = _ordered(known if known is not None else FAMILIES_SCHEMA.empty_table())
    everything = np.concatenate([_numbers(old, "skeleton"), _numbers(fresh, "skeleton")])
    n_old = old.num_rows
    texts = np.concatenate([np.zeros(n_old, np.int64), _numbers(fresh, "n_texts").astype(np.int64)])
    exchanges = np.concatenate([np.zeros(n_old, np.int64), _numbers(fresh, "n_exchanges").astype(np.int64)])
    signatures = _unpack(old["signature"].to_pylist() + fresh["signature"].to_pylist())
    old_ids = old["template_id"].to_pylist() if n_old else []
    first_of_id = {template_id: row for row, template_id in reversed(list(enumerate(old_ids)))}
    parents = np.arange(len(everything), dtype=np.int64)
    parents[:n_old] = [first_of_id[template_id] for template_id in old_ids]
    _, at_old, at_fresh = np.intersect1d(everything[:n_old], everything[n_old:], return_indices=True)
    parents[n_old + at_fresh] = parents[at_old]

    rare = texts < Settings().texts
    rare[:n_old] = False
    shares = _own_share(signatures, texts)
    leads = _cluster(tuple(signatures), shares, parents, n_old, rare, lineage)
    family = _roots(parents)

    counted = np.zeros((2, len(family)), np.int64)
    np.add.at(counted[0], family, texts)
    np.add.at(counted[1], family, exchanges)
    supported = (counted[0] >= Settings().texts) | (counted[1] >= Settings().repeats) | (family < n_old)
    names = {
        int(row): old_ids[row] if row < n_old else f"tpl_{int(everything[row]) >> 16:012x}"
        for row in np.unique(family[supported])
    }
    return _table(
        everything, texts, exchanges, [names.get(int(f)) for f in family], (signatures, leads, n_old)
    )


def _table(  # type: ignore[no-untyped-def]
    skeletons: npt.NDArray[np.uint64],
    texts: npt.NDArray[np.int64],
    exchanges: npt.NDArray[np.int64],
    names: list[str | None],
    compared,
) -> pa.Table:
    signatures, leads, n_old = compared
    rows: dict[int, dict[str, Any]] = {}
    for i, name in enumerate(names):
        if name is None:
            continue
        key = int(skeletons[i])
        grams = signatures.grams[i, : signatures.n_grams[i]]
        signature = np.concatenate([signatures.edges[i], grams]).astype("<u8").tobytes() if leads[i] else None
        earlier = rows.get(key)
        if earlier is not None and i >= n_old:
            # Known already: its counts are this dataset's, its family and signature the known ones.
            earlier["n_exchanges"], earlier["n_texts"] = int(exchanges[i]), int(texts[i])
            continue
        rows[key] = {
            "skeleton": key,
            "template_id": name,
            "n_exchanges": int(exchanges[i]),
            "n_texts": int(texts[i]),
            "signature": signature,
        }
    return pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=FAMILIES_SCHEMA)


def _ordered(table: pa.Table) -> pa.Table:
    """Most distinct texts first; ties by exchanges, then by hash, so that no order of files shows."""
    return table.sort_by(
        [("n_texts", "descending"), ("n_exchanges", "descending"), ("skeleton", "ascending")]
    )


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = table[name].combine_chunks().to_numpy(zero_copy_only=False)
    return values.astype(np.uint64) if name == "skeleton" else values


def _unpack(signatures: list[bytes | None]) -> _Signatures:
    out = _Signatures(
        np.zeros((len(signatures), GRAMS), np.uint64),
        np.zeros(len(signatures), np.int64),
        np.zeros((len(signatures), 2), np.uint64),
    )
    for row, signature in enumerate(signatures):
        values = np.frombuffer(signature or bytes(16), "<u8")[: GRAMS + 2]
        out.edges[row] = values[:2]
        out.grams[row, : len(values) - 2] = values[2:]
        out.n_grams[row] = len(values) - 2
    return out


def _own_share(signatures: _Signatures, texts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Of the texts that have a shingle, which share has this skeleton: float32 [n, GRAMS]."""
    used = np.arange(GRAMS) < signatures.n_grams[:, None]
    _, place = np.unique(signatures.grams[used], return_inverse=True)
    weights = np.broadcast_to(texts[:, None], used.shape)[used].astype(np.float64)
    totals = np.bincount(place, weights)
    out = np.ones(used.shape, np.float32)
    out[used] = weights / np.maximum(totals[place], 1)
    return out


def _roots(parents: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    roots = parents
    while True:
        further = roots[roots]
        if (further == roots).all():
            return roots
        roots = further


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
def _root(parents, i):  # type: ignore[no-untyped-def]
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@njit(nogil=True, cache=True)
def _cluster(signatures, shares, parents, n_old, rare, lineage):  # type: ignore[no-untyped-def] # noqa: PLR0912, PLR0915
    """Set the parent of every row from `n_old` on; return which rows others are compared with."""
    grams, n_grams, edges = signatures
    n = len(n_grams)
    longest_list = 256
    leads = np.zeros(n, np.bool_)
    size = 64
    while size < 2 * n_grams.sum():
        size *= 2
    mask = uint64(size - 1)
    keys = np.zeros(size, np.uint64)
    heads = np.full(size, -1, np.int64)
    entries = np.empty((max(1, n_grams.sum()), 2), np.int64)
    n_entries = 0
    stamps = np.full(n, -1, np.int64)
    candidates = np.empty(n, np.int64)
    for row in range(n):
        if row >= n_old and parents[row] != row:
            continue
        if row >= n_old:
            found = 0
            for g in range(n_grams[row]):
                slot = grams[row, g] & mask
                while keys[slot] != uint64(0) and keys[slot] != grams[row, g]:
                    slot = (slot + uint64(1)) & mask
                entry = heads[slot]
                walked = 0
                while entry >= 0 and walked < longest_list:
                    other = entries[entry, 0]
                    if stamps[other] != row:
                        stamps[other] = row
                        candidates[found] = other
                        found += 1
                    entry = entries[entry, 1]
                    walked += 1
            best, most, closest = -1, -1, 0.0
            for c in range(found):
                other = candidates[c]
                shared, own, its = compare(grams[row], n_grams[row], grams[other], n_grams[other])
                alike = shared / max(1, own + its - shared)
                near = alike >= SIMILAR
                if near and lineage:
                    a, b = _root(parents, row), _root(parents, other)
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
                parents[_root(parents, row)] = _root(parents, best)
            if parents[row] != row and not lineage:
                continue
        leads[row] = n_grams[row] > 0
        for g in range(n_grams[row]):
            slot = grams[row, g] & mask
            while keys[slot] != uint64(0) and keys[slot] != grams[row, g]:
                slot = (slot + uint64(1)) & mask
            keys[slot] = grams[row, g]
            entries[n_entries, 0] = row
            entries[n_entries, 1] = heads[slot]
            heads[slot] = n_entries
            n_entries += 1
    return leads
