"""Linear scores over hashed one- and two-word features ("hashing trick", Weinberger et al., ICML 2009).

A text's features are the distinct buckets of its tokens and of its pairs of neighbouring tokens. Each has the
value 1 / sqrt(number of distinct buckets), so that a row has length 1 whatever the length of the text, and a
word that is repeated counts once. `features` and `score` walk the same function, so what a model is trained
on is what it is run on.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from numba import njit, uint64

from stillwatch.text.hashing import bucket, combine
from stillwatch.text.tokens import Tokens, tokenize

LANES = (1, 8, 16)
"""Outputs that are summed together, so that one vector instruction adds many of them: a kernel for each number, since
only a loop of known length becomes vectors. Sixteen weights fill one line of the cache."""


@dataclass(frozen=True)
class LinearModel:
    """Weights of several linear outputs over the same features.

    Attributes:
        weights: float32 [2**bits, n_outputs], C order.
        bias: float32 [n_outputs].
    """

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        rows = self.weights.shape[0] if self.weights.ndim == 2 else 0
        if rows < 2 or rows & (rows - 1):
            raise ValueError("weights must have two dimensions and a power of two of rows (at least 2)")
        if self.bias.shape != (self.weights.shape[1],):
            raise ValueError(f"bias must have {self.weights.shape[1]} entries, one an output")

    @cached_property
    def lanes(self) -> list[npt.NDArray[np.float32]]:
        """The weights in pieces of so many outputs as there are `LANES` for, the last one filled up with zeros."""
        features, outputs = self.weights.shape
        pieces, first = [], 0
        while first < outputs:
            width = next((lanes for lanes in LANES if lanes >= outputs - first), LANES[-1])
            piece = np.zeros((features, width), np.float32)
            piece[:, : outputs - first] = self.weights[:, first : first + width]
            pieces.append(piece)
            first += width
        return pieces

    @property
    def bits(self) -> int:
        """Base-2 logarithm of the number of features."""
        return int(self.weights.shape[0]).bit_length() - 1


def score(texts: pa.Array | pa.ChunkedArray | Tokens, model: LinearModel) -> npt.NDArray[np.float32]:
    """Raw scores, float32 [n, n_outputs]; a null or empty text gets the bias."""
    tokens = texts if isinstance(texts, Tokens) else tokenize(texts)
    out = np.empty((len(tokens), len(model.bias)), np.float32)
    bias = np.ascontiguousarray(model.bias, np.float32)
    first = 0
    for weights in model.lanes:
        _SCORERS[weights.shape[1]](tokens.offsets, tokens.hashes, weights, bias[first:], out[:, first:])
        first += weights.shape[1]
    return out


def features(texts: pa.Array | pa.ChunkedArray | Tokens, bits: int) -> sp.csr_matrix:
    """The features that `score` sums, float32 CSR [n, 2**bits]; for training.

    `features(texts, model.bits) @ model.weights + model.bias` equals `score(texts, model)`.
    """
    if not 1 <= bits <= 30:
        raise ValueError("bits must be between 1 and 30")
    tokens = texts if isinstance(texts, Tokens) else tokenize(texts)
    # A text of m tokens has at most m + (m - 1) features.
    columns = np.empty(2 * len(tokens.hashes) + 1, np.int32)
    indptr = np.zeros(len(tokens) + 1, np.int64)
    _features(tokens.offsets, tokens.hashes, bits, indptr, columns)
    counts = np.diff(indptr)
    values = np.repeat((1.0 / np.sqrt(np.maximum(counts, 1))).astype(np.float32), counts)
    matrix = sp.csr_matrix((values, columns[: indptr[-1]], indptr), shape=(len(tokens), 1 << bits))
    matrix.sort_indices()
    return matrix


@njit(nogil=True, cache=True)
def _distinct_buckets(hashes, first, last, bits, stamps, stamp, out):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    """Write the distinct buckets of one text in order of first appearance; return their number."""
    n = 0
    previous = uint64(0)
    for i in range(first, last):
        h = hashes[i]
        b = bucket(h, bits)
        if stamps[b] != stamp:
            stamps[b] = stamp
            out[n] = b
            n += 1
        if i > first:
            b = bucket(combine(previous, h), bits)
            if stamps[b] != stamp:
                stamps[b] = stamp
                out[n] = b
                n += 1
        previous = h
    return n


@njit(nogil=True, cache=True)
def _features(offsets, hashes, bits, indptr, columns):  # type: ignore[no-untyped-def]
    # One stamp a bucket tells whether this text had it already: no set is cleared or sorted.
    stamps = np.zeros(1 << bits, np.uint32)
    for row in range(len(offsets) - 1):
        start = indptr[row]
        n = _distinct_buckets(
            hashes, offsets[row], offsets[row + 1], bits, stamps, np.uint32(row + 1), columns[start:]
        )
        indptr[row + 1] = start + n


def _scorer(lanes: int):  # type: ignore[no-untyped-def]
    @njit(nogil=True, cache=True)
    def score_lanes(offsets, hashes, weights, bias, out):  # type: ignore[no-untyped-def]
        n_features, n_outputs = len(weights), min(lanes, out.shape[1])
        bits = 0
        while (1 << bits) < n_features:
            bits += 1
        longest = 1
        for row in range(len(offsets) - 1):
            longest = max(longest, 2 * (offsets[row + 1] - offsets[row]))
        stamps = np.zeros(n_features, np.uint32)
        columns = np.empty(longest, np.int32)
        sums = np.empty(lanes, np.float32)
        for row in range(len(offsets) - 1):
            n = _distinct_buckets(
                hashes, offsets[row], offsets[row + 1], bits, stamps, np.uint32(row + 1), columns
            )
            sums[:] = np.float32(0.0)
            for j in range(n):
                column = columns[j]
                for k in range(lanes):
                    sums[k] += weights[column, k]
            scale = np.float32(1.0 / np.sqrt(max(n, 1)))
            for k in range(n_outputs):
                out[row, k] = sums[k] * scale + bias[k]

    return score_lanes


_SCORERS = {lanes: _scorer(lanes) for lanes in LANES}
