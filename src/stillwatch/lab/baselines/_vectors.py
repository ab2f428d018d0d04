"""Prompts as vectors, for the baselines whose papers compare queries in the space of an encoder.

The papers use trained encoders (BGE-small in arXiv 2606.05725, an adversarially trained one in SEAT). Ours has
no training: a random-sign projection of the hashed words, each weighted by the logarithm of its inverse
document frequency, so that the cosine of two vectors estimates the cosine of the two weighted word sets
(random hyperplanes: Charikar, STOC 2002). It is the `content` of a scan (`text.skeleton`) taken over the
whole prompt, template included, since these detectors know of no templates; with 64 dimensions and a text
without a template both are the same bytes.

Blind to word order and to meaning: two paraphrases without a common word are orthogonal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit, uint64

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.baselines.reading import reading
from stillwatch.text.frequency import Sketch, estimate, text_hashes, update
from stillwatch.text.hashing import mix
from stillwatch.text.tokens import Tokens, tokenize

DIMENSIONS = 256
BLOCK = 64
"""Signs that one 64-bit hash yields; the number of dimensions is a multiple of it."""
_ROWS = 65_536


@dataclass(frozen=True)
class Prompts:
    """The prompts of a dataset that have words, in order of time (then of exchange_id).

    Attributes:
        exchange_id: string [n].
        ts: int64 [n], microseconds since 1970, UTC.
        account: int64 [n], place in `accounts`.
        accounts: string, in ascending order.
        text: uint64 [n], hash of the words; equal for equal texts.
        content: int8 [n, dimensions].
        norm: float32 [n], Euclidean length of the rows of `content`; never 0.
        n_without: exchanges without a prompt or without a word in it, which are left out.
    """

    exchange_id: pa.Array
    ts: npt.NDArray[np.int64]
    account: npt.NDArray[np.int64]
    accounts: pa.Array
    text: npt.NDArray[np.uint64]
    content: npt.NDArray[np.int8]
    norm: npt.NDArray[np.float32]
    n_without: int

    def __len__(self) -> int:
        return len(self.ts)

    def units(self, rows: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.float32]:
        """Vectors of length 1 of some rows, float32 [len(rows), dimensions]."""
        return self.content[rows].astype(np.float32) / self.norm[rows, None]

    def until(self, share: float) -> int:
        """Number of prompts in the first `share` of the time between the first prompt and the last."""
        if not len(self):
            return 0
        first, last = int(self.ts[0]), int(self.ts[-1])
        return int(np.searchsorted(self.ts, first + round(share * (last - first)), side="right"))

    def by_account(self) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Each account that has prompts, with its rows in order of time."""
        order = np.argsort(self.account, kind="stable")
        bounds = np.searchsorted(self.account[order], np.arange(len(self.accounts) + 1))
        for account, (first, last) in enumerate(pairwise(bounds.tolist())):
            if last > first:
                yield account, order[first:last]


def read_prompts(dataset: Path, dimensions: int = DIMENSIONS) -> Prompts:
    """Read a dataset folder in two passes: document frequencies first, then vectors.

    Memory grows by `dimensions` + 40 bytes a prompt, plus its id; texts are held a batch at a time.

    Raises:
        UnreadableInputError: for a folder that is no dataset.
        UsageError: `dimensions` is no positive multiple of 64.
    """
    if dimensions < BLOCK or dimensions % BLOCK:
        raise UsageError(
            f"dimensions = {dimensions} is not allowed", f"Set dimensions to a positive multiple of {BLOCK}."
        )
    with reading(dataset) as connection:
        sketch = Sketch.empty()
        for batch in connection.sql("SELECT prompt FROM exchanges").to_arrow_reader(_ROWS):
            update(sketch, batch.column(0).cast(pa.large_string()))
        query = connection.sql("SELECT exchange_id, account_id, epoch_us(ts) AS ts, prompt FROM exchanges")
        parts, n_without = [], 0
        for batch in query.to_arrow_reader(_ROWS):
            part = _part(batch, sketch, dimensions)
            n_without += batch.num_rows - len(part.text)
            parts.append(part)
    return _sorted(parts, n_without, dimensions)


def embed(
    tokens: Tokens, sketch: Sketch, dimensions: int = DIMENSIONS
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Vectors of texts.

    Args:
        tokens: words of n texts.
        sketch: document frequencies of the whole dataset, these texts included.
        dimensions: a multiple of 64.

    Returns:
        int8 [n, dimensions], each row scaled so that its largest entry is 127, and float32 [n], their
        Euclidean lengths; both 0 where a text has no words (or only such as all texts have).
    """
    # As in text.skeleton: a word of every text weighs next to nothing.
    frequency = np.maximum(estimate(sketch, tokens.hashes), 1)
    weights = np.maximum(np.log((sketch.n_texts + 1.0) / frequency), 0.0).astype(np.float32)
    out = np.zeros((len(tokens), dimensions), np.int8)
    _project_all(tokens.offsets, tokens.hashes, weights, out)
    return out, np.sqrt(np.square(out.astype(np.int32)).sum(axis=1)).astype(np.float32)


@dataclass(frozen=True)
class _Part:
    exchange_id: pa.Array
    account_id: pa.Array
    ts: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint64]
    content: npt.NDArray[np.int8]
    norm: npt.NDArray[np.float32]


def _part(batch: pa.RecordBatch, sketch: Sketch, dimensions: int) -> _Part:
    tokens = tokenize(batch.column(3).cast(pa.large_string()))
    content, norm = embed(tokens, sketch, dimensions)
    rows = np.flatnonzero(norm > 0)
    return _Part(
        batch.column(0).cast(pa.large_string()).take(rows),
        batch.column(1).cast(pa.large_string()).take(rows),
        batch.column(2).to_numpy(zero_copy_only=False).astype(np.int64)[rows],
        text_hashes(tokens)[rows],
        content[rows],
        norm[rows],
    )


def _sorted(parts: list[_Part], n_without: int, dimensions: int) -> Prompts:
    if not parts:
        ids = pa.array([], pa.large_string())
        none, wide = np.zeros(0, np.int64), np.zeros((0, dimensions), np.int8)
        return Prompts(ids, none, none, ids, none.astype(np.uint64), wide, none.astype(np.float32), n_without)
    ids = pa.concat_arrays([part.exchange_id for part in parts])
    ts = np.concatenate([part.ts for part in parts])
    # Batches come in any order: ids break the ties of time, so that every run sees one stream.
    rows = np.lexsort((_ranks(ids), ts))
    names = pa.concat_arrays([part.account_id for part in parts])
    account = _ranks(names)
    return Prompts(
        ids.take(rows),
        ts[rows],
        account[rows],
        _ascending(names.unique()),
        np.concatenate([part.text for part in parts])[rows],
        np.concatenate([part.content for part in parts])[rows],
        np.concatenate([part.norm for part in parts])[rows],
        n_without,
    )


def _ranks(names: pa.Array) -> npt.NDArray[np.int64]:
    """Place of each name among the distinct names in ascending order."""
    coded = names.dictionary_encode()
    places = np.empty(len(coded.dictionary), np.int64)
    places[np.asarray(pc.sort_indices(coded.dictionary))] = np.arange(len(places))
    ranks: npt.NDArray[np.int64] = places[np.asarray(coded.indices)]
    return ranks


def _ascending(names: pa.Array) -> pa.Array:
    return names.take(pc.sort_indices(names))


@njit(nogil=True, cache=True)
def _project_all(offsets, hashes, weights, out):  # type: ignore[no-untyped-def]
    blocks = out.shape[1] // BLOCK
    sums = np.empty(out.shape[1], np.float32)
    for row in range(len(out)):
        sums[:] = np.float32(0.0)
        for j in range(offsets[row], offsets[row + 1]):
            bits = hashes[j]
            for block in range(blocks):
                for d in range(BLOCK):
                    sign = np.float32(2.0) * np.float32((bits >> uint64(d)) & uint64(1)) - np.float32(1.0)
                    sums[block * BLOCK + d] += sign * weights[j]
                bits = mix(bits + uint64(1))
        largest = np.float32(0.0)
        for d in range(len(sums)):
            largest = max(largest, abs(sums[d]))
        if largest > 0:
            for d in range(len(sums)):
                out[row, d] = np.int8(np.rint(sums[d] * np.float32(127.0) / largest))
