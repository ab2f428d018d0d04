"""What one exchange shows of its template, its task and what it asks for: steps over `exchanges`.

Text is read twice: `fold` counts word shingles over the distinct texts of a field, and `signatures_step` splits each
text into skeleton and task, and labels it. Everything later starts from the table `signatures`, one row for each
exchange, so that no step joins exchange to exchange. Only hashes leave the text: with `--hash-only` the texts can go
after that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines.step import FoldStep, KernelStep, SqlStep
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.signals.classifiers import SCORE_SCHEMA, load_classifiers
from stillwatch.text.content import DIMENSIONS
from stillwatch.text.frequency import (
    CELLS_A_LINE,
    Digest,
    Sketch,
    digest,
    digest_repeated,
    frequent_lines,
    in_lines,
    merge,
    update,
)
from stillwatch.text.grams import signatures_of
from stillwatch.text.sampling import uniform_of
from stillwatch.text.skeleton import Settings, Skeletons, mask, skeletons
from stillwatch.text.tokens import Tokens, tokenize


@dataclass(frozen=True)
class Field:
    """One text of an exchange.

    Attributes:
        settings: when words count as a template's.
        line_bits: least size of the sketch, 2**line_bits lines of 64 bytes.
        most_line_bits: largest size.
        sampled: whether a sample of the texts is counted where the largest sketch would be too full.
        digest: what is worked out of a batch of texts before they are counted.
    """

    settings: Settings
    line_bits: int
    most_line_bits: int
    sampled: bool
    digest: Callable[[pa.Array], Digest]


FIELDS: Mapping[str, Field] = {
    "prompt": Field(Settings(), 20, 22, sampled=True, digest=digest),
    # System prompts are long and few, and a short one that is sent word for word is still a system prompt. They are
    # sent again and again, so their bytes say little of how many there are, and none of them may be left out.
    "system_prompt": Field(Settings(words=3), 18, 21, sampled=False, digest=digest_repeated),
}
"""The texts that have templates."""

FULL = 8.0
"""Most shingles a cell of a sketch, on average: as many more are found of a shingle that is rare."""
_BYTES_A_WORD = 6.0
# A word adds itself, a shingle and a context, each to two cells.
_CELLS_A_WORD = 6.0

SKETCH_SCHEMA = pa.schema([("part", pa.int32()), ("kind", pa.string()), ("payload", pa.large_binary())])
SIGNATURES = "signatures"
SIGNATURES_SCHEMA = pa.schema(
    [
        pa.field("exchange_id", pa.string(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("ts", TIMESTAMP, nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("n_messages", pa.int32()),
        pa.field("max_output_tokens", pa.int32()),
        pa.field("output_tokens", pa.int32()),
        pa.field("draw", pa.float64(), nullable=False),
        pa.field("held_out", pa.bool_(), nullable=False),
        pa.field("prompt_skeleton", pa.uint64(), nullable=False),
        pa.field("prompt_text_hash", pa.uint64(), nullable=False),
        pa.field("prompt_signature", pa.binary()),
        pa.field("system_prompt_skeleton", pa.uint64(), nullable=False),
        pa.field("system_prompt_text_hash", pa.uint64(), nullable=False),
        pa.field("system_prompt_signature", pa.binary()),
        pa.field("task", pa.uint64()),
        pa.field("content", pa.binary(DIMENSIONS), nullable=False),
        pa.field("own_tokens", pa.int32(), nullable=False),
        *SCORE_SCHEMA,
    ]
)
"""Of each exchange: what later steps need of its row; a number in [0, 1) and a coin, functions of its id alone
(`draw`, `held_out`); skeletons and text hashes of both texts (see `text.skeleton.Skeletons`); the prompt's task,
content vector and words that its template does not keep; labels. A signature stands in the first row of a skeleton in a
batch: two edges, then the shingles, 8 bytes each, little endian. A task is what is left of a prompt without its
template, by its hash; where nothing is left, the template is the task; null where there are no words."""

Number = TypeVar("Number", np.uint32, np.uint64, np.int64)
_PART = 1 << 20
_READ = ("exchange_id", "account_id", "ts", "model", "n_messages", "max_output_tokens", "output_tokens")


def sketch_name(field: str) -> str:
    """Name of the table that `fold` makes."""
    return f"{field}_sketch"


def skeletons_name(field: str) -> str:
    """Name of the table that `skeletons_step` makes."""
    return f"{field}_skeletons"


def empty_sketch(field: str, n_bytes: int) -> Sketch:
    """A sketch for so many bytes of text, repeated texts included."""
    shape = FIELDS[field]
    needed = n_bytes / _BYTES_A_WORD * _CELLS_A_WORD / FULL
    line_bits = shape.line_bits
    while line_bits < shape.most_line_bits and needed > CELLS_A_LINE << line_bits:
        line_bits += 1
    keep_bits = 0
    while shape.sampled and needed > CELLS_A_LINE << (line_bits + keep_bits):
        keep_bits += 1
    return Sketch.empty(line_bits, keep_bits)


def fold(field: str, n_bytes: int = 0) -> FoldStep[Sketch]:
    """Count the word shingles of the distinct texts of a field; the table can be read back by `read_sketch`.

    Args:
        field: key of `FIELDS`.
        n_bytes: UTF-8 bytes of the field in all rows, for the size of the sketch.
    """

    def prepare(batch: pa.RecordBatch) -> Digest:
        return FIELDS[field].digest(batch.column(0))

    def finish(sketch: Sketch) -> pa.Table:
        return write_sketch(sketch, FIELDS[field].settings.repeats)

    return FoldStep(
        sketch_name(field),
        "exchanges",
        (field,),
        lambda: empty_sketch(field, n_bytes),
        update,
        merge,
        finish,
        key=_text_hashes,
        prepare=prepare,
    )


def _text_hashes(batch: pa.RecordBatch) -> pa.Array:
    """Texts without words have no key."""
    hashes = digest(batch.column(0)).texts
    return pa.array(hashes, mask=hashes == 0)


def signatures_step(sketches: Mapping[str, pa.Table | Sketch]) -> KernelStep:
    """Split every exchange's texts into skeleton and task, and label them: `SIGNATURES_SCHEMA`.

    Args:
        sketches: what `fold` made of each of `FIELDS` on the same dataset, or the sketches themselves.
    """
    splitters = {field: Splitter.of(field, counted) for field, counted in sketches.items()}

    def sign(batch: pa.RecordBatch) -> pa.RecordBatch:
        *rest, prompts, system_prompts = batch.columns
        ids = rest[0].cast(pa.string())
        prompt_tokens = tokenize(prompts)
        prompt = splitters["prompt"].split(prompt_tokens)
        system, spoken = _of_distinct(system_prompts, splitters["system_prompt"])
        labels = load_classifiers().score_parts(spoken, (prompts, prompt_tokens))
        columns = [
            *(
                column.cast(SIGNATURES_SCHEMA.field(name).type)
                for column, name in zip(rest, _READ, strict=True)
            ),
            uniform_of(ids, seed=1),
            pc.less(uniform_of(ids, seed=2), 0.5),
            pa.array(prompt.skeleton),
            pa.array(prompt.text_hash),
            pack(prompt_tokens, prompt),
            *system,
            _task(prompt),
            _fixed(prompt.content),
            pa.array(np.rint(prompt.n_tokens * (1.0 - prompt.kept_share)).astype(np.int32)),
            *(column.combine_chunks() for column in labels.columns),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SIGNATURES_SCHEMA)

    return KernelStep(SIGNATURES, "exchanges", (*_READ, *FIELDS), SIGNATURES_SCHEMA, sign)


@dataclass(frozen=True)
class Splitter:
    """Splits texts of one field, one after the other; see `text.skeleton.skeletons`."""

    sketch: Sketch
    settings: Settings
    lines: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, field: str, counted: pa.Table | Sketch) -> "Splitter":
        """By what `fold` made of a field, or by the sketch itself."""
        sketch = counted if isinstance(counted, Sketch) else read_sketch(counted)
        settings = FIELDS[field].settings
        return cls(sketch, settings, frequent_lines(sketch, settings.texts))

    def split(self, tokens: Tokens) -> Skeletons:
        """Skeletons and tasks."""
        return skeletons(tokens, self.sketch, self.settings, self.lines)

    def mask(self, text: str) -> str:
        """What the template keeps of a text; "" for one without a template."""
        return mask(text, self.sketch, self.settings, self.lines)


def _of_distinct(
    texts: pa.Array, splitter: Splitter
) -> tuple[tuple[pa.Array, pa.Array, pa.Array], tuple[pa.Array, Tokens, npt.NDArray[np.int64]]]:
    """Skeleton, text hash and signature of each row, worked out once for each distinct text; and these texts."""
    coded = pc.dictionary_encode(texts)
    index = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    tokens = tokenize(coded.dictionary)
    found = splitter.split(tokens)
    skeleton, text_hash = (
        np.append(values, np.uint64(0))[index] for values in (found.skeleton, found.text_hash)
    )
    # A distinct text's signature goes to the first row of it: they are in the order in which they come.
    number, first = np.unique(index, return_index=True)
    of_row = np.full(len(index), -1)
    of_row[first] = number
    signature = pack(tokens, found).take(pa.array(of_row, mask=of_row < 0))
    columns = pa.array(skeleton), pa.array(text_hash), signature
    return columns, (coded.dictionary, tokens, index)


def _task(found: Skeletons) -> pa.Array:
    task = np.where(found.item == 0, found.text_hash, found.item)
    return pa.array(task, mask=found.n_tokens == 0)


def skeletons_step(field: str) -> SqlStep:
    """One row for each distinct skeleton: exchanges, distinct texts, signature."""
    return SqlStep(
        skeletons_name(field),
        (SIGNATURES,),
        f"""
        WITH texts AS (
            SELECT {field}_skeleton AS skeleton, {field}_text_hash AS text_hash, COUNT(*) AS n
            FROM {SIGNATURES} WHERE {field}_skeleton <> 0
            GROUP BY {field}_skeleton, {field}_text_hash
        ), counted AS (
            SELECT skeleton, CAST(SUM(n) AS BIGINT) AS n_exchanges, COUNT(*) AS n_texts FROM texts GROUP BY skeleton
        ), signed AS (
            SELECT {field}_skeleton AS skeleton, MAX({field}_signature) AS signature
            FROM {SIGNATURES} WHERE {field}_signature IS NOT NULL GROUP BY {field}_skeleton
        )
        SELECT c.skeleton AS skeleton, c.n_exchanges AS n_exchanges, c.n_texts AS n_texts, s.signature AS signature
        FROM counted AS c LEFT JOIN signed AS s ON s.skeleton = c.skeleton
        """,
    )


def write_sketch(sketch: Sketch, least: int = 1) -> pa.Table:
    """A sketch as a table; equal sketches give equal tables, whatever the order of their texts.

    Args:
        sketch: what was counted.
        least: texts that came less often are left out; a sketch without them can be looked up, but not go on counting.
    """
    texts, repeats = sketch.repeated(least)
    shape = np.array([sketch.n_texts, sketch.n_counted, sketch.keep_bits], np.int64)
    found: dict[str, npt.NDArray[Any]] = {
        "cells": sketch.cells,
        "texts": texts,
        "repeats": repeats,
        "shape": shape,
    }
    payloads = {kind: _in_parts(values) for kind, values in found.items()}
    kinds = [pa.repeat(pa.scalar(kind), len(parts)) for kind, parts in payloads.items()]
    numbers = pa.array(np.arange(sum(map(len, kinds)), dtype=np.int32))
    columns = [pa.chunked_array([numbers]), pa.chunked_array(kinds), pa.chunked_array([*payloads.values()])]
    return pa.Table.from_arrays(columns, schema=SKETCH_SCHEMA)


def _in_parts(values: npt.NDArray[Any]) -> pa.Array:
    """An array's bytes, little endian, in pieces of `_PART` bytes; not copied, for a sketch may fill much memory."""
    raw = values.astype(values.dtype.newbyteorder("<"), copy=False)
    offsets = np.append(np.arange(0, raw.nbytes, _PART), raw.nbytes).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(raw)]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def read_sketch(table: pa.Table) -> Sketch:
    """The sketch that `write_sketch` wrote.

    Raises:
        ValueError: the table holds no sketch.
    """
    order = np.argsort(table.column("part").to_numpy()).tolist()
    kinds = table.column("kind").to_pylist()
    cells, texts, repeats, shape = (
        _joined([table.column("payload")[row] for row in order if kinds[row] == kind])
        for kind in ("cells", "texts", "repeats", "shape")
    )
    lines = len(cells) // (4 * CELLS_A_LINE)
    if lines < 2 or lines & (lines - 1) or len(cells) % (4 * CELLS_A_LINE) or len(shape) != 24:
        raise ValueError("the table holds no sketch of word shingles")
    out = Sketch.restore(_numbers(cells, np.uint32), _numbers(texts, np.uint64), _numbers(repeats, np.uint32))
    out.n_texts, out.n_counted, out.keep_bits = _numbers(shape, np.int64).tolist()
    return out


def _joined(parts: Sequence[pa.Scalar]) -> npt.NDArray[np.uint8]:
    """The bytes of all parts, one after the other: the one copy of them that is made."""
    buffers = [part.as_buffer() for part in parts]
    whole = in_lines(sum(buffer.size for buffer in buffers))
    place = 0
    for buffer in buffers:
        whole[place : place + buffer.size] = np.frombuffer(buffer, np.uint8)
        place += buffer.size
    return whole


def _numbers(raw: npt.NDArray[np.uint8], kind: type[Number]) -> npt.NDArray[Number]:
    """Numbers from their bytes, little endian."""
    return raw.view(np.dtype(kind).newbyteorder("<")).astype(kind, copy=False)


def _fixed(rows: npt.NDArray[np.int8]) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(rows.shape[1]), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))]
    )


def pack(tokens: Tokens, found: Skeletons) -> pa.Array:
    """Signatures as stored: in the first row of each skeleton, null elsewhere."""
    distinct, first = np.unique(found.skeleton, return_index=True)
    wanted = np.zeros(len(tokens), np.bool_)
    wanted[first[distinct != 0]] = True
    return signatures_of(tokens, found.kept, wanted)
