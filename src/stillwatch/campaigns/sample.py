"""The exchanges of one candidate group, as the tests want them: plain arrays, in order of time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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


def content_vectors(column: pa.ChunkedArray, dimensions: int = 64) -> NDArray[np.float32]:
    """Vectors of int8 (stored as binary) -> float32 of length 1; null or empty gives zeros."""
    filled = pc.fill_null(column.cast(pa.binary()), bytes(dimensions))
    raw = np.frombuffer(b"".join(filled.to_pylist()), dtype=np.int8)
    vectors = raw.reshape(len(column), dimensions).astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0), np.float32)
