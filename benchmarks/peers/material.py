"""What the sides are given: one laboratory world with longer prompts, and what is cut out of it beforehand."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers.linked import write_attributes
from stillwatch.lab.plan.scales import Scale
from stillwatch.lab.simulate import Simulation, run, simulation
from stillwatch.text.tokens import Tokens, tokenize

WORLD, SEED = "first", 41
LINK_WORLD, LINK_FACTOR = "infrastructure_and_pivot", 4.0
"""World of the account links: about 20,000 accounts."""
CHARACTERS = 600
PAIRS = 4_000
_SMALL_ROWS = 148_068
"""Exchanges of the world at scale small, seed 41: factor 1."""
_WARM_ROWS = 8_000
_ROWS = 16_384
_BINS = 10
_TRIES = 10 * PAIRS
_LEAST_WORDS = 20


def make(folder: Path, rows: int) -> None:
    """Write everything that the sides read.

    Args:
        folder: made anew.
        rows: exchanges of the world, about.
    """
    shutil.rmtree(folder, ignore_errors=True)
    texts = world(folder / "world", rows)
    world(folder / "warm", _WARM_ROWS)
    words = folded(texts)
    pq.write_table(pa.table({"prompt": texts}), folder / "prompts.parquet", compression="zstd")
    pq.write_table(pa.table({"words": words}), folder / "words.parquet", compression="zstd")
    tokens = tokenize(words)
    np.savez(folder / "hashes.npz", offsets=tokens.offsets, hashes=tokens.hashes)
    pq.write_table(pairs(words, np.random.default_rng(SEED)), folder / "pairs.parquet")
    accounts_world(folder)


def accounts_world(folder: Path) -> None:
    """What accounts share, from a world whose campaigns open their accounts in different ways."""
    wanted = simulation(LINK_WORLD, SEED, "small")
    run(Simulation(wanted.world, SEED, Scale("accounts", LINK_FACTOR)), folder / "linking")
    write_attributes(folder / "linking", folder)
    shutil.rmtree(folder / "linking")


def world(folder: Path, rows: int) -> pa.Array:
    """Simulate a world, lengthen its prompts in place, and return them, without those that are null."""
    wanted = simulation(WORLD, SEED, "small")
    scale = Scale(f"{rows} rows", rows / _SMALL_ROWS)
    made = run(Simulation(wanted.world, SEED, scale), folder)
    files = sorted((made.dataset / "exchanges").glob("*.parquet"))
    tables = [pq.read_table(file) for file in files]
    prompts = pa.chunked_array([chunk for table in tables for chunk in table.column("prompt").chunks])
    longer = lengthened(prompts, CHARACTERS, np.random.default_rng(SEED))
    first = 0
    for file, table in zip(files, tables, strict=True):
        place = table.schema.get_field_index("prompt")
        own = longer.slice(first, len(table)).cast(table.schema.field(place).type)
        pq.write_table(table.set_column(place, table.schema.field(place), own), file, compression="zstd")
        first += len(table)
    return longer.drop_null()


def lengthened(prompts: pa.ChunkedArray, characters: int, random: np.random.Generator) -> pa.LargeStringArray:
    """Prompts of `characters` on average: each is followed by words in proportion to its own length.

    The words are drawn by their frequency in all prompts. Equal prompts stay equal, short ones stay short beside
    long ones, and what a template's prompts have in common stays what it was. Prompts that are long enough on
    average come back as they are.
    """
    coded = pc.dictionary_encode(prompts.cast(pa.large_string()).combine_chunks())
    mean = pc.mean(pc.utf8_length(prompts)).as_py() or 0.0
    words = pc.value_counts(pc.utf8_split_whitespace(coded.dictionary).flatten())
    vocabulary, counts = (
        words.field("values").cast(pa.string()),
        words.field("counts").to_numpy().astype(float),
    )
    counts[pc.equal(vocabulary, "").to_numpy(zero_copy_only=False)] = 0.0
    if not counts.sum() or mean >= characters:
        return coded.dictionary.take(coded.indices)
    frequency = counts / counts.sum()
    letters = float(pc.utf8_length(vocabulary).to_numpy() @ frequency) + 1.0
    wanted = pc.utf8_length(coded.dictionary).to_numpy() * (characters / mean - 1.0) / letters
    offsets = np.concatenate([[0], np.cumsum(np.rint(wanted))]).astype(np.int64)
    drawn = vocabulary.take(pa.array(random.choice(len(vocabulary), offsets[-1], p=frequency)))
    filler = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), drawn), " ")
    filler = filler.cast(pa.large_string())
    longer = pc.if_else(
        pc.equal(filler, ""),
        coded.dictionary,
        pc.binary_join_element_wise(coded.dictionary, filler, pa.scalar(" ", pa.large_string())),
    )
    return longer.take(coded.indices)


def folded(texts: pa.Array) -> pa.LargeStringArray:
    """The words of each text as our tokenizer finds them, in lower case, parted by single spaces."""
    parts = [_joined(tokenize(texts.slice(at, _ROWS), spans=True)) for at in range(0, len(texts), _ROWS)]
    return pc.utf8_rtrim_whitespace(pc.utf8_lower(pa.concat_arrays(parts)))


def _joined(tokens: Tokens) -> pa.LargeStringArray:
    """Each row's tokens, with a space behind each of them."""
    ends = np.cumsum(tokens.stops - tokens.starts + 1)
    begins = np.concatenate([[0], ends])
    source = np.repeat(tokens.starts - begins[:-1], np.diff(begins)) + np.arange(begins[-1])
    data = np.append(tokens.view.data, np.uint8(0))[source]
    data[ends - 1] = ord(" ")
    offsets = np.ascontiguousarray(begins[tokens.offsets], np.int64)
    return pa.LargeStringArray.from_buffers(len(tokens), pa.py_buffer(offsets), pa.py_buffer(data))


def pairs(words: pa.Array, random: np.random.Generator) -> pa.Table:
    """Pairs of texts, the same number in each tenth of the Jaccard index of their sets of words.

    The right text keeps a share of the left one's words and has another text's words for the rest.

    Returns:
        Columns left, right (texts) and jaccard (exact, below 1).
    """
    room = dict.fromkeys(range(_BINS), PAIRS // _BINS)
    rows: list[tuple[str, str, float]] = []
    for left, other, share in zip(
        *random.integers(0, len(words), (2, _TRIES)).tolist(), random.random(_TRIES).tolist(), strict=True
    ):
        first, second = words[left].as_py().split(" "), words[other].as_py().split(" ")
        right = first[: round(share * len(first))] + second[round(share * len(second)) :]
        exact = _jaccard(frozenset(first), frozenset(right))
        if len(first) < _LEAST_WORDS or exact == 1.0 or not room[int(exact * _BINS)]:
            continue
        room[int(exact * _BINS)] -= 1
        rows.append((" ".join(first), " ".join(right), exact))
    left_texts, right_texts, indices = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [pa.array(left_texts, pa.large_string()), pa.array(right_texts, pa.large_string())]
    return pa.table([*columns, pa.array(indices, pa.float64())], names=["left", "right", "jaccard"])


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / max(len(left | right), 1)
