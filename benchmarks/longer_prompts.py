"""Worlds of longer prompts: each prompt of a simulated world with a passage pasted behind it.

The laboratory's prompts are short (some 230 characters). Real ones carry documents. A passage depends on the prompt
that it stands behind, so a prompt that is sent again for one subject is sent with the same passage. Lengths are
exponential; nearly every run of five words stands in no other text, which is what a sketch of word shingles has most
work with.

Half of the words are the `COMMON` most frequent ones, a bit more than a quarter are other words of the language (both
by Zipf's law), the rest belong to a subject and follow a law of their own, whose few first words come again and again
as names and products do. `SUBJECT_SHARE` and `SUBJECT_OFFSET` are fitted to real texts (`shared_words`,
docs/decisions/0014): passages of 60 words from two files of a Python project share 0.42 more of the rarer words than
those of different projects, and three files share an eighth of that; here they share 0.34 more. (Passages without a
subject, and with one whose words were so many that two passages shared 0.13 more of them, were tried: they made every
customer's work look dealt.)

A customer has one to three subjects, as the laboratory's developers have projects, and keeps to one during a session.
A reseller's account carries many customers. A campaign's prompts bring a subject of their own each, as the work that
it deals out does.
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
SUBJECT_SHARE = 0.46
"""Of the words that are not among these, how many are the subject's."""
SUBJECT_OFFSET = 6.0
"""Of Zipf's law for a subject's words: the smaller, the more often its first words come."""
OWN_SUBJECTS = 3
"""Most subjects of a customer."""
RESELLER_CUSTOMERS = 13
"""Subjects of an account that a reseller fills: the laboratory's have 120 requests, and a customer has nine."""
RESELLERS = ("unofficial_reseller", "aggregator", "reseller_left", "reseller_right")
SITTING_US = 30 * 60 * 1_000_000
"""Where no session is named, requests of the same half hour have one subject."""
Drawn = tuple[NDArray[np.uint64], NDArray[np.uint64]]


def lengthen(world: Path, characters: int = 600) -> None:
    """Rewrite a world's exchanges in place so that prompts have so many characters on average.

    Args:
        world: folder with `dataset/exchanges/*.parquet`, and `labels.parquet` in the same order.
        characters: wanted mean length of the prompts of each file.
    """
    files = sorted((world / "dataset" / "exchanges").glob("*.parquet"))
    rows = [pq.read_metadata(file).num_rows for file in files]
    labels = pq.read_table(world / "labels.parquet", columns=["exchange_id", "campaign_id", "stratum"])
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
    dealt = pc.is_valid(labels.column("campaign_id")).to_numpy()
    resold = pc.is_in(labels.column("stratum").cast(pa.string()), pa.array(RESELLERS)).to_numpy()
    subjects = np.where(dealt, seeds, subjects_of(table, resold))
    words = vocabulary(np.random.default_rng(7))
    longer = with_passages(prompts, (seeds, subjects), max(characters - mean, 0), words)
    place = table.schema.get_field_index("prompt")
    table = table.set_column(place, table.schema.field(place), longer.cast(pa.string()))
    partial = file.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd", row_group_size=65_536)
    partial.replace(file)


def subjects_of(table: pa.Table, resold: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """The subject of each exchange as an innocent customer would have it; uint64 [n].

    Args:
        table: exchanges with `account_id`, `end_user_id`, `session_id` and `ts`.
        resold: bool [n], whether the account carries many customers, who are its end users where it names them.
    """
    account = hash_of(table.column("account_id").combine_chunks(), 2)
    session = table.column("session_id").combine_chunks()
    half_hour = (table.column("ts").cast(pa.int64()).to_numpy() // SITTING_US).astype(np.uint64)
    sitting = np.where(pc.is_valid(session).to_numpy(False), hash_of(session, 3), half_hour)
    uniform = (_mixed(account, sitting) >> np.uint64(11)) * 2.0**-53
    # The first of one to three subjects gets most of the sittings; a reseller's customers get as many each.
    own = (1 + account % np.uint64(OWN_SUBJECTS)) * uniform**2
    number = np.where(resold, RESELLER_CUSTOMERS * uniform, own).astype(np.uint64)
    end_user = table.column("end_user_id").combine_chunks()
    named = resold & pc.is_valid(end_user).to_numpy(False)
    return np.where(named, hash_of(end_user, 4), _mixed(account, number))


@njit(nogil=True, cache=True)
def _mixed(left, right):  # type: ignore[no-untyped-def]
    out = np.empty(len(left), np.uint64)
    for row in range(len(left)):
        out[row] = combine(left[row], right[row])
    return out


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
def _word(h, subject, n_words):  # type: ignore[no-untyped-def]
    """A word of the language, or of the subject in place of a rarer one."""
    word = min(_rank(h, 1.0, n_words), n_words - 1)
    if word < COMMON:
        return word
    h = combine(h, np.uint64(3))
    if float(h & np.uint64(0xFFFF)) >= SUBJECT_SHARE * 65536.0:
        return word
    rank = _rank(h, SUBJECT_OFFSET, n_words)
    return COMMON + int(combine(subject, np.uint64(rank)) % np.uint64(n_words - COMMON))


@njit(nogil=True, cache=True)
def _rank(h, offset, n_words):  # type: ignore[no-untyped-def]
    """A rank from 0 on whose probability falls as 1 / (rank + offset) (Zipf and Mandelbrot)."""
    uniform = float(h >> np.uint64(11)) * 2.0**-53
    return int(offset * (np.exp(uniform * np.log((n_words + offset) / offset)) - 1.0))


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
        wanted = min(-np.log((float(h >> np.uint64(11)) + 1.0) * 2.0**-53) * mean, 29 * mean)
        stop = at + wanted
        while at < stop:
            h = combine(h, np.uint64(2))
            word = _word(h, subjects[row], n_words)
            out[at] = 32
            at += 1
            for position in range(starts[word], starts[word + 1]):
                out[at] = letters[position]
                at += 1
        new_offsets[row + 1] = at
    return at
