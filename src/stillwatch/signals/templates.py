"""Template families: skeletons that belong to one template, under names that stay the same over time.

Noise in the slots and small changes of wording split a template over several skeletons. They are joined again by
their signatures (`leader_clustering`); here stands what goes in and comes out as tables, what becomes of families
known from before, and which families have enough texts to be a template.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit, uint64

from stillwatch.ordered import in_order
from stillwatch.signals.leader_clustering import Leaders, Signatures, cluster
from stillwatch.text.grams import GRAMS
from stillwatch.text.skeleton import Settings

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

MOST_LEADING = 200_000
"""Skeletons, most distinct texts first, that may begin a family. The others - in millions of exchanges mostly texts of
their own with phrases of the language in the slots - may join one: their number is that of the exchanges."""
_CHUNK = 65_536


def families(
    skeletons: pa.Table, known: pa.Table | None = None, lineage: bool = False, threads: int = 1
) -> pa.Table:
    """Name the template family of each skeleton.

    Args:
        skeletons: columns skeleton, n_exchanges, n_texts, signature (signals.signatures.skeletons_step);
            order of rows does not matter.
        known: an earlier result; its families keep their names, and new skeletons join them first.
        lineage: single linkage over all members, for texts that drift by versions (system prompts).
        threads: how many look for the leaders of skeletons that lead nothing themselves.

    Returns:
        Table of `FAMILIES_SCHEMA`, ordered by skeleton: the skeletons of families with at least
        `Settings.texts` distinct texts, or `Settings.repeats` exchanges, or of known ones. Skeletons left out
        have no template. Rows of `known` that do not occur any more stay, with counts of 0, so that the
        result can be the next `known`.
    """
    old = _ordered(known if known is not None else FAMILIES_SCHEMA.empty_table())
    order = _order(skeletons)
    again = np.isin(_numbers(skeletons, "skeleton")[order], _numbers(old, "skeleton"))
    leading = again | (np.arange(len(order)) < MOST_LEADING)
    others = np.ones(len(skeletons), np.bool_)
    others[order[leading]] = False
    fresh = _ordered(pa.concat_tables([skeletons.schema.empty_table(), *_picked(skeletons, ~others)]))
    everything = np.concatenate([_numbers(old, "skeleton"), _numbers(fresh, "skeleton")])
    n_old = old.num_rows
    texts = np.concatenate([np.zeros(n_old, np.int64), _numbers(fresh, "n_texts").astype(np.int64)])
    exchanges = np.concatenate([np.zeros(n_old, np.int64), _numbers(fresh, "n_exchanges").astype(np.int64)])
    signatures = _unpack(
        pa.chunked_array([*old["signature"].chunks, *fresh["signature"].chunks], pa.binary())
    )
    old_ids = old["template_id"].to_pylist() if n_old else []
    first_of_id = {template_id: row for row, template_id in reversed(list(enumerate(old_ids)))}
    parents = np.arange(len(everything), dtype=np.int64)
    parents[:n_old] = [first_of_id[template_id] for template_id in old_ids]
    _, at_old, at_fresh = np.intersect1d(everything[:n_old], everything[n_old:], return_indices=True)
    parents[n_old + at_fresh] = parents[at_old]

    rare = texts < Settings().texts
    rare[:n_old] = False
    family, leads = cluster(signatures, texts, parents, n_old, rare, lineage)
    # Known already: the counts are this dataset's, family and signature the known ones.
    texts[at_old], exchanges[at_old] = texts[n_old + at_fresh], exchanges[n_old + at_fresh]
    texts[n_old + at_fresh], exchanges[n_old + at_fresh] = 0, 0
    single = np.ones(len(family), np.bool_)
    single[n_old + at_fresh] = False

    rest = _joined(_picked(skeletons, others), signatures, np.flatnonzero(leads), threads)
    everything = np.concatenate([everything, rest.skeletons])
    texts, exchanges = np.concatenate([texts, rest.texts]), np.concatenate([exchanges, rest.exchanges])
    family, single = np.concatenate([family, family[rest.rows]]), np.append(single, rest.rows >= 0)
    leads = np.append(leads, np.zeros(len(rest.rows), np.bool_))

    counted = np.zeros((2, len(family)), np.int64)
    np.add.at(counted[0], family, texts)
    np.add.at(counted[1], family, exchanges)
    supported = (counted[0] >= Settings().texts) | (counted[1] >= Settings().repeats) | (family < n_old)
    names = {
        int(row): old_ids[row] if row < n_old else f"tpl_{int(everything[row]) >> 16:012x}"
        for row in np.unique(family[supported])
    }
    kept = np.flatnonzero(single & np.isin(family, family[supported]))
    kept = kept[np.argsort(everything[kept])]
    return pa.table(
        [
            pa.array(everything[kept]),
            _named(names, family[kept]),
            pa.array(exchanges[kept]),
            pa.array(texts[kept]),
            _pack(signatures, kept, leads[kept]),
        ],
        schema=FAMILIES_SCHEMA,
    )


def _named(names: dict[int, str], family: npt.NDArray[np.int64]) -> pa.Array:
    rows = np.array(sorted(names), np.int64)
    listed = pa.array([names[row] for row in rows.tolist()], pa.string())
    return listed.take(pa.array(np.searchsorted(rows, family)))


def _order(table: pa.Table) -> npt.NDArray[np.int64]:
    """Most distinct texts first; ties by exchanges, then by hash, so that no order of files shows."""
    keys = [("n_texts", "descending"), ("n_exchanges", "descending"), ("skeleton", "ascending")]
    order: npt.NDArray[np.int64] = pc.sort_indices(table, keys).to_numpy().astype(np.int64)
    return order


def _ordered(table: pa.Table) -> pa.Table:
    return table.take(pa.array(_order(table)))


def _picked(table: pa.Table, wanted: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
    """The wanted rows, piece by piece: to pick rows out of the whole table would copy all of its signatures."""
    for at in range(0, len(table), _CHUNK):
        yield table.slice(at, _CHUNK).filter(pa.array(wanted[at : at + _CHUNK]))


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = table[name].combine_chunks().to_numpy(zero_copy_only=False)
    return values.astype(np.uint64) if name == "skeleton" else values


def _unpack(packed: pa.ChunkedArray) -> Signatures:
    column = packed.cast(pa.large_binary()).combine_chunks()
    n = len(column)
    out = Signatures(np.zeros((n, GRAMS), np.uint64), np.zeros(n, np.int64), np.zeros((n, 2), np.uint64))
    sizes = pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64) // 8
    _, offsets, data = column.buffers()
    if not sizes.any():
        return out
    starts = np.frombuffer(offsets, np.int64)[column.offset : column.offset + n]
    values = np.frombuffer(data, np.uint8)
    _read_signatures(starts, sizes, values, out.edges, out.grams, out.n_grams)
    return out


def _pack(signatures: Signatures, rows: npt.NDArray[np.int64], leads: npt.NDArray[np.bool_]) -> pa.Array:
    """Signatures of these rows as stored, null where they lead nothing."""
    leaders = rows[leads]
    whole = np.concatenate([signatures.edges[leaders], signatures.grams[leaders]], axis=1)
    used = np.arange(GRAMS + 2) < (signatures.n_grams[leaders] + 2)[:, None]
    sizes = np.zeros(len(rows), np.int64)
    sizes[leads] = signatures.n_grams[leaders] + 2
    offsets = np.concatenate([[0], np.cumsum(8 * sizes)]).astype(np.int64)
    data = pa.py_buffer(whole[used].astype("<u8"))
    valid = pa.array(leads).buffers()[1]
    return pa.Array.from_buffers(pa.large_binary(), len(rows), [valid, pa.py_buffer(offsets), data]).cast(
        pa.binary()
    )


class _Joined(NamedTuple):
    """Skeletons that joined a family without a chance to lead one, and the row of the leader that each joined."""

    skeletons: npt.NDArray[np.uint64]
    texts: npt.NDArray[np.int64]
    exchanges: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def _joined(
    pieces: Iterator[pa.Table], signatures: Signatures, leads: npt.NDArray[np.int64], threads: int
) -> _Joined:
    """Those of some skeletons, given piece by piece, that join a leader; `leads` are the rows of the leaders."""
    leaders = Leaders.of(signatures.at(leads))
    made = (partial(_joined_of, piece, leaders, leads) for piece in pieces)
    with closing(in_order(made, threads, lambda part: 0, 0)) as found:
        parts = list(found)
    nothing = np.zeros(0, np.int64)
    empty = _Joined(nothing.astype(np.uint64), nothing, nothing, nothing)
    return _Joined(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))


def _joined_of(piece: pa.Table, leaders: Leaders, leads: npt.NDArray[np.int64]) -> Iterator[_Joined]:
    best = leaders.nearest(_unpack(pa.chunked_array(piece["signature"].chunks, pa.binary())))
    kept = best >= 0
    skeleton, texts, exchanges = (
        _numbers(piece, name)[kept] for name in ("skeleton", "n_texts", "n_exchanges")
    )
    yield _Joined(skeleton, texts, exchanges, leads[best[kept]])


@njit(nogil=True, cache=True)
def _read_signatures(starts, sizes, values, edges, grams, n_grams):  # type: ignore[no-untyped-def]
    """Little-endian numbers of 8 bytes: two edges, then at most GRAMS shingles."""
    for row in range(len(starts)):
        for i in range(min(sizes[row], GRAMS + 2)):
            number = uint64(0)
            for byte in range(8):
                number |= uint64(values[starts[row] + 8 * i + byte]) << uint64(8 * byte)
            if i < 2:
                edges[row, i] = number
            else:
                grams[row, i - 2] = number
        n_grams[row] = max(0, min(sizes[row], GRAMS + 2) - 2)
