"""Worlds of longer prompts: each prompt of a simulated world with a passage pasted behind it.

The laboratory's prompts are short (some 230 characters). Real ones carry documents. A passage depends on the prompt
that it stands behind, so a prompt that is sent again is sent with the same passage, and its words beyond the most
common ones are those of the customer's own subject; only a campaign's prompts bring a subject of their own each, as
the work that it deals out does. (Passages without a subject were tried: they made every customer's work look dealt.)
Lengths are exponential and words follow Zipf's law; nearly every run of five words stands in no other text, which is
what a sketch of word shingles has most work with.
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
from stillwatch.text.sampling import hash_of

VOCABULARY = 50_000
LONGEST = 12
COMMON = 200
"""The most frequent words, which every subject has in common."""
Drawn = tuple[NDArray[np.uint64], NDArray[np.uint64]]


def lengthen(world: Path, characters: int = 600) -> None:
    """Rewrite a world's exchanges in place so that prompts have so many characters on average.

    Args:
        world: folder with `dataset/exchanges/*.parquet`, and `labels.parquet` in the same order.
        characters: wanted mean length of the prompts of each file.
    """
    files = sorted((world / "dataset" / "exchanges").glob("*.parquet"))
    rows = [pq.read_metadata(file).num_rows for file in files]
    labels = pq.read_table(world / "labels.parquet", columns=["exchange_id", "campaign_id"])
    parts = [labels.slice(sum(rows[:number]), rows[number]) for number in range(len(files))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(_lengthen, files, parts, repeat(characters)):
            pass


def _lengthen(file: Path, labels: pa.Table, characters: int) -> None:
    table = pq.read_table(file)
    if not table.column("exchange_id").equals(labels.column("exchange_id").cast(pa.string())):
        raise ValueError(f"{file}: the labels are in another order")
    prompts = table.column("prompt").combine_chunks().cast(pa.large_string())
    mean = (
        pc.mean(pc.binary_length(prompts)).as_py() or 0
    ) + 8  # the last word of a passage goes a little further
    seeds = hash_of(prompts, 1)
    of_campaign = labels.column("campaign_id").combine_chunks().is_valid().to_numpy(zero_copy_only=False)
    subjects = np.where(of_campaign, seeds, hash_of(table.column("account_id").combine_chunks(), 2))
    words = vocabulary(np.random.default_rng(7))
    longer = with_passages(prompts, (seeds, subjects), max(characters - mean, 0), words)
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
    prompts: pa.Array, drawn: Drawn, mean: float, words: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> pa.Array:
    """Prompts (large_string [n]) with a passage of exponentially distributed length behind each.

    Args:
        prompts: n texts.
        drawn: of each its seed, and the number of its subject; uint64 [n].
        mean: characters of a passage.
        words: see `vocabulary`.
    """
    _, offset_buffer, data_buffer = prompts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[prompts.offset : prompts.offset + len(prompts) + 1]
    data = np.frombuffer(data_buffer, np.uint8)
    new_offsets = np.zeros(len(prompts) + 1, np.int64)
    out = np.empty(int(offsets[-1] - offsets[0] + len(prompts) * (30 * mean + 64)), np.uint8)
    size = _paste(offsets, data, (*drawn, mean), words, new_offsets, out)
    buffers = [prompts.buffers()[0], pa.py_buffer(new_offsets), pa.py_buffer(out[:size].copy())]
    return pa.Array.from_buffers(pa.large_string(), len(prompts), buffers)


@njit(nogil=True, cache=True)
def _paste(offsets, data, place, words, new_offsets, out):  # type: ignore[no-untyped-def]
    (seeds, subjects, mean), (letters, starts) = place, words
    n_words = len(starts) - 1
    at = 0
    for row in range(len(offsets) - 1):
        for position in range(offsets[row], offsets[row + 1]):
            out[at] = data[position]
            at += 1
        h = combine(seeds[row], np.uint64(1))
        subject = int(subjects[row] % np.uint64(n_words - COMMON))
        wanted = min(-np.log((float(h >> np.uint64(11)) + 1.0) * 2.0**-53) * mean, 29 * mean)
        stop = at + wanted
        while at < stop:
            h = combine(h, np.uint64(2))
            # Zipf's law with exponent 1: ranks are log-uniform.
            rank = int(np.exp(float(h >> np.uint64(11)) * 2.0**-53 * np.log(n_words)))
            word = min(rank, n_words) - 1
            if word >= COMMON:
                word = COMMON + (subject + word - COMMON) % (n_words - COMMON)
            out[at] = 32
            at += 1
            for position in range(starts[word], starts[word + 1]):
                out[at] = letters[position]
                at += 1
        new_offsets[row + 1] = at
    return at
