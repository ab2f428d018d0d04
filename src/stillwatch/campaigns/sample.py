"""The exchanges of one candidate group, as the tests want them: plain arrays, in order of time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.exchange.numbering import coded
from stillwatch.exchange.texts import buffers

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
    def from_table(cls, table: pa.Table, n_candidates: int, forms: Sequence[str]) -> "SampleRows":
        """Read the table, in any order of its rows."""
        number = table.column("candidate").to_numpy()
        ts = table.column("ts").cast(pa.int64()).to_numpy()
        order = np.lexsort((table.column("draw").to_numpy(), ts, number))
        starts = np.searchsorted(number[order], np.arange(n_candidates + 1))
        _, model = coded(table.column("model"))
        # Whole rows are taken in an eighth of the time that [order] needs.
        content = np.take(content_bytes(table.column("content")), order, axis=0)
        values = [table.column(name).to_numpy().astype(np.float32)[order] for name in forms]
        return cls(
            starts.astype(np.int64),
            table.column("entity").to_numpy().astype(np.int32)[order],
            table.column("template").to_numpy().astype(np.int32)[order],
            ts[order],
            _flags(table.column("repeated"))[order],
            _flags(table.column("held_out"))[order],
            content,
            table.column("own_tokens").to_numpy().astype(np.int32)[order],
            np.column_stack(values),
            model.astype(np.int32)[order],
        )

    def of(self, candidate: int) -> slice:
        """Rows of a candidate."""
        return slice(int(self.starts[candidate]), int(self.starts[candidate + 1]))


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def content_bytes(column: pa.ChunkedArray, dimensions: int = 64) -> NDArray[np.int8]:
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
