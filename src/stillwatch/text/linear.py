"""Linear scores over hashed one- and two-word features ("hashing trick", Weinberger et al., ICML 2009).

A text's features are the distinct buckets of its tokens and of its pairs of neighbouring tokens. Each has the
value 1 / sqrt(number of distinct buckets), so that a row has length 1 whatever the length of the text, and a
word that is repeated counts once. `features` and `score` walk the same function, so what a model is trained
on is what it is run on.

Where many texts begin alike, the beginnings are given once (`Beginnings`): buckets and sums stand in order of first
appearance, so that what is summed of a beginning is the same in every text, to the last bit.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from numba import njit, uint64

from stillwatch.text.hashing import bucket, combine
from stillwatch.text.shingles import longest_row
from stillwatch.text.tokens import Tokens, tokenize

LANES = (1, 8, 16)
"""Outputs that are summed together, so that one vector instruction adds many of them: a kernel for each number, since
only a loop of known length becomes vectors."""
_WORD = 64  # buckets whose marks share a number


@dataclass(frozen=True)
class LinearModel:
    """Weights of several linear outputs over the same features.

    Attributes:
        weights: float32 or int8 [2**bits, n_outputs], C order. Small numbers stay in a nearer cache: what costs time is
            a random look-up for each feature.
        bias: float32 [n_outputs].
        scale: float32 [n_outputs], by which the weights of an output are multiplied; None for 1.
    """

    weights: npt.NDArray[np.float32] | npt.NDArray[np.int8]
    bias: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        rows = self.weights.shape[0] if self.weights.ndim == 2 else 0
        if rows < 2 or rows & (rows - 1):
            raise ValueError("weights must have two dimensions and a power of two of rows (at least 2)")
        for name, values in (("bias", self.bias), ("scale", self.scale)):
            if values is not None and values.shape != (self.weights.shape[1],):
                raise ValueError(f"{name} must have {self.weights.shape[1]} entries, one an output")

    @cached_property
    def lanes(self) -> list[tuple[npt.NDArray[Any], npt.NDArray[np.float32]]]:
        """Weights and scale in pieces of so many outputs as there are `LANES` for, the last one filled with zeros."""
        features, outputs = self.weights.shape
        scale = np.ones(outputs, np.float32) if self.scale is None else self.scale.astype(np.float32)
        pieces, first = [], 0
        while first < outputs:
            width = next((lanes for lanes in LANES if lanes >= outputs - first), LANES[-1])
            there = slice(first, min(first + width, outputs))
            weights, own = np.zeros((features, width), self.weights.dtype), np.zeros(width, np.float32)
            weights[:, : there.stop - first] = self.weights[:, there]
            own[: there.stop - first] = scale[there]
            pieces.append((weights, own))
            first += width
        return pieces

    @property
    def bits(self) -> int:
        """Base-2 logarithm of the number of features."""
        return int(self.weights.shape[0]).bit_length() - 1


@dataclass(frozen=True)
class Beginnings:
    """Texts that stand before others.

    Attributes:
        tokens: of the distinct ones.
        rows: int64 [n], which of them stands before each of n texts; -1 for none.
    """

    tokens: Tokens
    rows: npt.NDArray[np.int64]


def score(
    texts: pa.Array | pa.ChunkedArray | Tokens, model: LinearModel, beginnings: Beginnings | None = None
) -> npt.NDArray[np.float32]:
    """Raw scores, float32 [n, n_outputs]; a null or empty text gets the bias.

    Args:
        texts: n texts, or their tokens.
        model: the weights.
        beginnings: what stands before each text, and is scored with it as one text.
    """
    tokens = texts if isinstance(texts, Tokens) else tokenize(texts)
    out = np.empty((len(tokens), len(model.bias)), np.float32)
    bias = np.ascontiguousarray(model.bias, np.float32)
    if beginnings is None:
        before = np.zeros(1, np.int64), np.zeros(0, np.uint64), np.full(len(tokens), -1)
    else:
        before = beginnings.tokens.offsets, beginnings.tokens.hashes, beginnings.rows
    first = 0
    for weights, scale in model.lanes:
        linear = weights, scale, bias[first:]
        _SCORERS[weights.shape[1]](before, (tokens.offsets, tokens.hashes), linear, out[:, first:])
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
    columns = np.empty(2 * len(tokens.hashes) + 2, np.int32)
    indptr = np.zeros(len(tokens) + 1, np.int64)
    _features(tokens.offsets, tokens.hashes, bits, indptr, columns)
    counts = np.diff(indptr)
    values = np.repeat((1.0 / np.sqrt(np.maximum(counts, 1))).astype(np.float32), counts)
    matrix = sp.csr_matrix((values, columns[: indptr[-1]], indptr), shape=(len(tokens), 1 << bits))
    matrix.sort_indices()
    return matrix


@njit(nogil=True, cache=True)
def _marks(bits):  # type: ignore[no-untyped-def]
    """A bit for each bucket, none set: few enough bytes to stay in the nearest cache."""
    return np.zeros(max((1 << bits) // _WORD, 1), np.uint64)


@njit(nogil=True, cache=True)
def _put(h, bits, marks, out, n):  # type: ignore[no-untyped-def]
    """Write the bucket of a hash to out[n], and return n + 1 where it had no mark, else n: which cannot be predicted,
    hence no branch.
    """
    b = bucket(h, bits)
    word, bit = b // uint64(_WORD), uint64(1) << (b % uint64(_WORD))
    before = marks[word]
    marks[word] = before | bit
    out[n] = b
    return n + np.int64((before & bit) == uint64(0))


@njit(nogil=True, cache=True)
def _mark(columns, first, last, marks):  # type: ignore[no-untyped-def]
    for j in range(first, last):
        b = uint64(columns[j])
        marks[b // uint64(_WORD)] |= uint64(1) << (b % uint64(_WORD))


@njit(nogil=True, cache=True)
def _clear(columns, first, last, marks):  # type: ignore[no-untyped-def]
    for j in range(first, last):
        marks[uint64(columns[j]) // uint64(_WORD)] = uint64(0)


@njit(nogil=True, cache=True)
def _distinct_buckets(hashes, text, previous, bits, marks, out):  # type: ignore[no-untyped-def]
    """Write the distinct buckets of one text in order of first appearance; return their number.

    Args:
        hashes: tokens.
        text: its (first, last + 1).
        previous: (whether a word stands before the text, its hash).
        bits: base-2 logarithm of the number of buckets.
        marks: of buckets that are passed over; those that are written get one.
        out: int32, room for two more than there can be.
    """
    first, last = text
    follows, before = previous
    n = 0
    for i in range(first, last):
        h = hashes[i]
        n = _put(h, bits, marks, out, n)
        if follows:
            n = _put(combine(before, h), bits, marks, out, n)
        follows, before = True, h
    return n


@njit(nogil=True, cache=True)
def _features(offsets, hashes, bits, indptr, columns):  # type: ignore[no-untyped-def]
    marks = _marks(bits)
    for row in range(len(offsets) - 1):
        start = indptr[row]
        text = offsets[row], offsets[row + 1]
        n = _distinct_buckets(hashes, text, (False, uint64(0)), bits, marks, columns[start:])
        _clear(columns, start, start + n, marks)
        indptr[row + 1] = start + n


def _adder(lanes: int):  # type: ignore[no-untyped-def]
    @njit(nogil=True, cache=True)
    def add_lanes(weights, scale, columns, first, last, sums):  # type: ignore[no-untyped-def]
        """Add the weights of columns[first:last], one after the other; sums are read and written once for each four."""
        j = first
        while j + 4 <= last:
            a, b, c, d = columns[j], columns[j + 1], columns[j + 2], columns[j + 3]
            for k in range(lanes):
                s = scale[k]
                two = (sums[k] + np.float32(weights[a, k]) * s) + np.float32(weights[b, k]) * s
                sums[k] = (two + np.float32(weights[c, k]) * s) + np.float32(weights[d, k]) * s
            j += 4
        while j < last:
            for k in range(lanes):
                sums[k] += np.float32(weights[columns[j], k]) * scale[k]
            j += 1

    return add_lanes


def _scorer(lanes: int):  # type: ignore[no-untyped-def]
    add = _adder(lanes)

    @njit(nogil=True, cache=True)
    def sum_beginnings(offsets, hashes, weights, scale, bits, marks):  # type: ignore[no-untyped-def]
        """Where the distinct buckets of each text stand, these, and their sums."""
        n = len(offsets) - 1
        starts = np.zeros(n + 1, np.int64)
        columns = np.empty(2 * len(hashes) + 2, np.int32)
        sums = np.zeros((n, lanes), np.float32)
        for row in range(n):
            start, text = starts[row], (offsets[row], offsets[row + 1])
            n_own = _distinct_buckets(hashes, text, (False, uint64(0)), bits, marks, columns[start:])
            starts[row + 1] = start + n_own
            _clear(columns, start, start + n_own, marks)
            add(weights, scale, columns, start, start + n_own, sums[row])
        return starts, columns, sums

    @njit(nogil=True, cache=True)
    def score_lanes(before, texts, linear, out):  # type: ignore[no-untyped-def]
        early_offsets, early_hashes, rows = before
        offsets, hashes = texts
        weights, scale, bias = linear
        n_outputs = min(lanes, out.shape[1])
        bits = 0
        while (1 << bits) < len(weights):
            bits += 1
        marks = _marks(bits)
        early = sum_beginnings(early_offsets, early_hashes, weights, scale, bits, marks)
        early_starts, early_columns, early_sums = early
        columns = np.empty(2 * longest_row(offsets) + 2, np.int32)
        sums = np.empty(lanes, np.float32)
        for row in range(len(offsets) - 1):
            start, stop = 0, 0
            previous = False, uint64(0)
            sums[:] = np.float32(0.0)
            if rows[row] >= 0:
                start, stop = early_starts[rows[row]], early_starts[rows[row] + 1]
            if stop > start:
                previous = True, early_hashes[early_offsets[rows[row] + 1] - 1]
                sums[:] = early_sums[rows[row]]
            _mark(early_columns, start, stop, marks)
            n = _distinct_buckets(hashes, (offsets[row], offsets[row + 1]), previous, bits, marks, columns)
            _clear(early_columns, start, stop, marks)
            _clear(columns, 0, n, marks)
            add(weights, scale, columns, 0, n, sums)
            length = np.float32(1.0 / np.sqrt(max(stop - start + n, 1)))
            for k in range(n_outputs):
                out[row, k] = sums[k] * length + bias[k]

    return score_lanes


_SCORERS = {lanes: _scorer(lanes) for lanes in LANES}
