"""The exchanges of one candidate group, as the tests want them: plain arrays, in order of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.exchange.numbering import coded
from stillwatch.exchange.texts import buffers
from stillwatch.text.content import DIMENSIONS

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@dataclass(frozen=True)
class GroupSample:
    """Exchanges of a group in its templates; arrays of one length n unless said otherwise.

    Attributes:
        n_entities: entities of the group (accounts, with declared organisations joined).
        entity: index 0..n_entities-1.
        template: index of the template within the group.
        ts: microseconds since 1970, not decreasing.
        content: shape (n, d), float32; vector of the task (what is left of a prompt when its template is taken
            away), length 1, or 0 where nothing is left.
        repeated: whether the same task was asked before in the group, by anybody, more than an hour ago.
        span: shape (n_entities, 2); first and last exchange of each entity with any template or none, in the
            units of `ts`.
        exposure: shape (n_entities,); all exchanges of each entity with any template or none, sampled or not.
        held_out: True for the half on which is tested, False for the half on which groups and bases are found.
    """

    n_entities: int
    entity: NDArray[np.int64]
    template: NDArray[np.int64]
    ts: NDArray[np.int64]
    content: NDArray[np.float32]
    repeated: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    span: NDArray[np.int64]
    exposure: NDArray[np.float64]

    @property
    def part(self) -> NDArray[np.float64]:
        """Part of each entity's exchanges that is in the sample, shape (n_entities,), in (0, 1]; 1 where none is."""
        sampled = np.bincount(self.entity, minlength=self.n_entities).astype(np.float64)
        return np.where(sampled > 0, np.minimum(sampled / np.maximum(self.exposure, 1.0), 1.0), 1.0)

    @property
    def repeated_share(self) -> float:
        """Share of held-out exchanges whose task was asked before."""
        return float(self.repeated[self.held_out].mean()) if self.held_out.any() else 0.0


@dataclass(frozen=True)
class SampleRows:
    """The step table `candidate_sample` as arrays of one length n, candidate by candidate, each in order of time.

    Attributes:
        starts: where each candidate begins, shape (n_candidates + 1,).
        entity, template: places in the candidate's lists.
        ts, repeated, held_out: as in `GroupSample`.
        content: shape (n, d), int8.
        words: words of each task.
        forms: shape (n, 4), float32; NaN where there is no text.
        model: number of the model, in order of name.
    """

    starts: NDArray[np.int64]
    entity: NDArray[np.int32]
    template: NDArray[np.int32]
    ts: NDArray[np.int64]
    repeated: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    content: NDArray[np.int8]
    words: NDArray[np.int32]
    forms: NDArray[np.float32]
    model: NDArray[np.int32]

    @classmethod
    def from_batches(
        cls, batches: Iterable[pa.RecordBatch], n_candidates: int, forms: Sequence[str]
    ) -> "SampleRows":
        """Read the table piece by piece, in any order of its rows: it is never in memory beside the arrays."""
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*_KEYS, *_VALUES)}
        names: dict[str, int] = {}
        for batch in batches:
            for name, values in _values(batch, forms, names).items():
                parts[name].append(values)
        number, ts, draw = (_joined(parts.pop(name), empty) for name, empty in _KEYS.items())
        order = _order(number, ts, draw, n_candidates)
        starts = np.searchsorted(number[order], np.arange(n_candidates + 1)).astype(np.int64)
        ts = ts[order]
        del number, draw
        # One after the other, whole rows at a time: that takes an eighth of the time of [order].
        found = {
            name: np.take(_joined(parts.pop(name), empty), order, axis=0) for name, empty in _VALUES.items()
        }
        in_order = np.argsort(np.array(sorted(names, key=names.__getitem__), dtype=np.str_))
        model = np.argsort(in_order).astype(np.int32)[found.pop("model")]
        return cls(starts=starts, ts=ts, model=model, **found)

    def of(self, candidate: int) -> slice:
        """Rows of a candidate."""
        return slice(int(self.starts[candidate]), int(self.starts[candidate + 1]))


def _order(
    number: NDArray[np.int32], ts: NDArray[np.int64], draw: NDArray[np.float64], n_candidates: int
) -> NDArray[np.int64]:
    """Places of rows in order of candidate, time, draw: as `np.lexsort((draw, ts, number))` in a quarter of its time.

    A table is about in order of time, which a merge sort makes use of; small numbers are sorted by their digits; and
    nearly no rows of a candidate are of one microsecond, so that few are left to be told apart by their draws.
    """
    order = np.argsort(ts, kind="stable")
    small = number.astype(np.min_scalar_type(n_candidates))
    order = order[np.argsort(small[order], kind="stable")]
    again = np.zeros(len(order) + 1, dtype=bool)
    again[1:-1] = (np.diff(ts[order]) == 0) & (np.diff(number[order]) == 0)
    alike = np.flatnonzero(again[1:] | again[:-1])
    rows = order[alike]
    order[alike] = rows[np.lexsort((draw[rows], ts[rows], number[rows]))]
    return order


_KEYS: dict[str, NDArray[Any]] = {
    "candidate": np.zeros(0, np.int32),
    "ts": np.zeros(0, np.int64),
    "draw": np.zeros(0, np.float64),
}
_VALUES: dict[str, NDArray[Any]] = {
    "entity": np.zeros(0, np.int32),
    "template": np.zeros(0, np.int32),
    "repeated": np.zeros(0, np.bool_),
    "held_out": np.zeros(0, np.bool_),
    "content": np.zeros((0, DIMENSIONS), np.int8),
    "words": np.zeros(0, np.int32),
    "forms": np.zeros((0, 4), np.float32),
    "model": np.zeros(0, np.int32),
}
"""What is read of a row: what gives its place, and what is kept; empty arrays of the types in which they are."""


def _values(batch: pa.RecordBatch, forms: Sequence[str], models: dict[str, int]) -> dict[str, NDArray[Any]]:
    """Arrays of a batch's rows, none of which holds on to the batch.

    Args:
        batch: of the table.
        forms: columns of `SampleRows.forms`.
        models: number of each model in order of appearance; new ones are added.
    """
    whole = pa.Table.from_batches([batch])
    columns = {
        "ts": whole.column("ts").cast(pa.int64()),
        "words": whole.column("own_tokens"),
        **{
            name: whole.column(name)
            for name in ("candidate", "draw", "entity", "template", "repeated", "held_out")
        },
    }
    found = {name: _plain(column, (_KEYS | _VALUES)[name].dtype) for name, column in columns.items()}
    found["content"] = content_bytes(whole.column("content"))
    found["forms"] = np.column_stack([_plain(whole.column(name), np.dtype(np.float32)) for name in forms])
    found["model"] = _numbered(whole.column("model"), models)
    return found


def _plain(column: pa.ChunkedArray, kind: np.dtype[Any]) -> NDArray[Any]:
    return np.array(column.to_numpy(zero_copy_only=False), dtype=kind)


def _numbered(column: pa.ChunkedArray, numbers: dict[str, int]) -> NDArray[np.int32]:
    """Number of each row's name; new names get the next."""
    names, place = coded(column)
    own = [numbers.setdefault(name, len(numbers)) for name in names.to_pylist()]
    return np.array(own, dtype=np.int32)[place]


def _joined(parts: list[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    """All parts one after the other; the list is emptied."""
    whole = np.concatenate([empty, *parts])
    parts.clear()
    return whole


def content_bytes(column: pa.ChunkedArray, dimensions: int = DIMENSIONS) -> NDArray[np.int8]:
    """Vectors of int8, stored as binary; null or empty gives zeros."""
    parts = [_bytes_of(chunk, dimensions) for chunk in column.chunks if len(chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, dimensions), np.int8)


def _bytes_of(chunk: pa.Array, dimensions: int) -> NDArray[np.int8]:
    if pc.all(pc.equal(pc.binary_length(chunk), dimensions), skip_nulls=False).as_py():
        return _whole(chunk.cast(pa.large_binary()), dimensions)
    filled = pc.fill_null(chunk.cast(pa.binary()), bytes(dimensions)).cast(pa.binary(dimensions))
    n, start = len(filled) * dimensions, filled.offset * dimensions
    return np.frombuffer(filled.buffers()[1], np.int8, n, start).reshape(-1, dimensions)


def _whole(chunk: pa.Array, dimensions: int) -> NDArray[np.int8]:
    """Vectors none of which is missing: they stand one behind the other, and need not be copied."""
    offsets, data = buffers(chunk, large=True)
    return data[offsets[0] : offsets[-1]].view(np.int8).reshape(-1, dimensions)


def unit_vectors(content: NDArray[np.int8]) -> NDArray[np.float32]:
    """Vectors of int8 -> float32 of length 1, shape as given; zeros stay zeros."""
    vectors = content.astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0), np.float32)
