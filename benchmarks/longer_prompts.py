"""Worlds of longer prompts: each prompt of a simulated dataset with a passage pasted behind it.

The laboratory's prompts are short (some 230 characters). Real ones carry documents. A passage is drawn from a
vocabulary with Zipf's law, by the exchange's place alone, so it is the same on every machine; nearly every run of
five words in it stands in no other text, which is what a sketch of word shingles has most work with.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from stillwatch.text.hashing import combine

VOCABULARY = 50_000
LONGEST = 12


def lengthen(dataset: Path, characters: int = 600) -> None:
    """Rewrite a dataset's exchanges in place so that prompts have so many characters on average.

    Args:
        dataset: folder with `exchanges/*.parquet`.
        characters: wanted mean length of the prompts of each file.
    """
    files = sorted((dataset / "exchanges").glob("*.parquet"))
    rows = [pq.read_metadata(file).num_rows for file in files]
    first = [sum(rows[:number]) for number in range(len(files))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(_lengthen, files, first, repeat(characters)):
            pass


def _lengthen(file: Path, first_row: int, characters: int) -> None:
    table = pq.read_table(file)
    prompts = table.column("prompt").combine_chunks().cast(pa.large_string())
    mean = (
        pc.mean(pc.binary_length(prompts)).as_py() or 0
    ) + 8  # the last word of a passage goes a little further
    words = vocabulary(np.random.default_rng(7))
    longer = with_passages(prompts, first_row, max(characters - mean, 0), words)
    place = table.schema.get_field_index("prompt")
    table = table.set_column(place, table.schema.field(place), longer.cast(pa.string()))
    partial = file.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd", row_group_size=65_536)
    partial.replace(file)


def vocabulary(chance: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes of all words, and where each begins (one more for the end)."""
    sizes = np.clip(chance.poisson(4.5, VOCABULARY) + 1, 2, LONGEST)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return chance.integers(ord("a"), ord("z") + 1, int(starts[-1])).astype(np.uint8), starts


def with_passages(
    prompts: pa.Array, first_row: int, mean: float, words: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> pa.Array:
    """Prompts (large_string [n]) with a passage of exponentially distributed length behind each."""
    _, offset_buffer, data_buffer = prompts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[prompts.offset : prompts.offset + len(prompts) + 1]
    data = np.frombuffer(data_buffer, np.uint8)
    new_offsets = np.zeros(len(prompts) + 1, np.int64)
    out = np.empty(int(offsets[-1] - offsets[0] + len(prompts) * (30 * mean + 64)), np.uint8)
    size = _paste(offsets, data, (first_row, mean), words, new_offsets, out)
    buffers = [prompts.buffers()[0], pa.py_buffer(new_offsets), pa.py_buffer(out[:size].copy())]
    return pa.Array.from_buffers(pa.large_string(), len(prompts), buffers)


@njit(nogil=True, cache=True)
def _paste(offsets, data, place, words, new_offsets, out):  # type: ignore[no-untyped-def]
    (first_row, mean), (letters, starts) = place, words
    n_words = len(starts) - 1
    at = 0
    for row in range(len(offsets) - 1):
        for position in range(offsets[row], offsets[row + 1]):
            out[at] = data[position]
            at += 1
        h = combine(np.uint64(first_row + row), np.uint64(1))
        wanted = min(-np.log((float(h >> np.uint64(11)) + 1.0) * 2.0**-53) * mean, 29 * mean)
        stop = at + wanted
        while at < stop:
            h = combine(h, np.uint64(2))
            # Zipf's law with exponent 1: ranks are log-uniform.
            rank = int(np.exp(float(h >> np.uint64(11)) * 2.0**-53 * np.log(n_words)))
            word = min(rank, n_words) - 1
            out[at] = 32
            at += 1
            for position in range(starts[word], starts[word + 1]):
                out[at] = letters[position]
                at += 1
        new_offsets[row + 1] = at
    return at
