"""What one exchange shows of its template and its task: steps over `exchanges`, one set for each text field.

Three steps a field, in this order: `fold` counts word shingles over the distinct texts, `kernel` splits each
text into skeleton and task, `skeletons` sums up the skeletons. Only hashes leave the text: with `--hash-only`
the texts can go after `kernel`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.engines.step import FoldStep, KernelStep, SqlStep
from stillwatch.text.frequency import CELLS_A_LINE, Sketch, merge, update
from stillwatch.text.skeleton import DIMENSIONS, Settings, Skeletons, skeletons
from stillwatch.text.tokens import tokenize


@dataclass(frozen=True)
class Field:
    """One text of an exchange.

    Attributes:
        settings: when words count as a template's.
        line_bits: size of the sketch, 2**line_bits lines of 64 bytes.
    """

    settings: Settings
    line_bits: int


FIELDS: Mapping[str, Field] = {
    "prompt": Field(Settings(), 20),
    # System prompts are long and few, and a short one that is sent word for word is still a system prompt.
    "system_prompt": Field(Settings(words=3), 18),
}
"""The texts that have templates."""

SKETCH_SCHEMA = pa.schema([("part", pa.int32()), ("kind", pa.string()), ("payload", pa.large_binary())])
SIGNATURE_SCHEMA = pa.schema(
    [
        pa.field("exchange_id", pa.string(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("skeleton", pa.uint64(), nullable=False),
        pa.field("kept_share", pa.float32(), nullable=False),
        pa.field("item", pa.uint64(), nullable=False),
        pa.field("content", pa.binary(DIMENSIONS), nullable=False),
        pa.field("n_tokens", pa.int32(), nullable=False),
        pa.field("text_hash", pa.uint64(), nullable=False),
        pa.field("signature", pa.binary()),
    ]
)
"""Of each exchange; see `text.skeleton.Skeletons`. `signature` stands in the first row of a skeleton in a
batch: two edges, then the shingles, 8 bytes each, little endian."""

_PART = 1 << 16


def sketch_name(field: str) -> str:
    """Name of the table that `fold` makes."""
    return f"{field}_sketch"


def signatures_name(field: str) -> str:
    """Name of the table that `kernel` makes."""
    return f"{field}_signatures"


def skeletons_name(field: str) -> str:
    """Name of the table that `skeletons_step` makes."""
    return f"{field}_skeletons"


def fold(field: str) -> FoldStep[Sketch]:
    """Count the word shingles of all distinct texts of a field; the table can be read back by
    `read_sketch`.
    """

    def start() -> Sketch:
        return Sketch.empty(FIELDS[field].line_bits)

    def add(sketch: Sketch, batch: pa.RecordBatch) -> Sketch:
        return update(sketch, batch.column(0))

    return FoldStep(sketch_name(field), "exchanges", (field,), start, add, merge, write_sketch)


def kernel(field: str, counted: pa.Table | Sketch) -> KernelStep:
    """Split every exchange's text into skeleton and task.

    Args:
        field: key of `FIELDS`.
        counted: what `fold(field)` made of the same dataset, or the sketch itself.
    """
    sketch = counted if isinstance(counted, Sketch) else read_sketch(counted)
    settings = FIELDS[field].settings

    def split(batch: pa.RecordBatch) -> pa.RecordBatch:
        found = skeletons(tokenize(batch.column(2)), sketch, settings)
        columns = [
            batch.column(0).cast(pa.string()),
            batch.column(1).cast(pa.string()),
            pa.array(found.skeleton),
            pa.array(found.kept_share),
            pa.array(found.item),
            _fixed(found.content),
            pa.array(found.n_tokens),
            pa.array(found.text_hash),
            pack(found),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SIGNATURE_SCHEMA)

    return KernelStep(
        signatures_name(field), "exchanges", ("exchange_id", "account_id", field), SIGNATURE_SCHEMA, split
    )


def skeletons_step(field: str) -> SqlStep:
    """One row for each distinct skeleton: exchanges, distinct texts, accounts, signature."""
    source = signatures_name(field)
    return SqlStep(
        skeletons_name(field),
        (source,),
        f"""
        SELECT skeleton,
               COUNT(*) AS n_exchanges,
               COUNT(DISTINCT text_hash) AS n_texts,
               COUNT(DISTINCT account_id) AS n_accounts,
               MAX(signature) AS signature
        FROM {source}
        WHERE skeleton <> 0
        GROUP BY skeleton
        """,
    )


def write_sketch(sketch: Sketch) -> pa.Table:
    """A sketch as a table; equal sketches give equal tables, whatever the order of their texts."""
    texts, repeats = sketch.repeated(1)
    parts: list[tuple[str, bytes]] = []
    for kind, values in (("cells", sketch.cells), ("texts", texts), ("repeats", repeats)):
        raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        parts += [(kind, raw[i : i + _PART]) for i in range(0, len(raw), _PART)]
    return pa.table(
        [list(range(len(parts))), [kind for kind, _ in parts], [payload for _, payload in parts]],
        schema=SKETCH_SCHEMA,
    )


def read_sketch(table: pa.Table) -> Sketch:
    """The sketch that `write_sketch` wrote.

    Raises:
        ValueError: the table holds no sketch.
    """
    rows = sorted(table.select(["part", "kind", "payload"]).to_pylist(), key=lambda row: row["part"])
    raw = {
        kind: b"".join(row["payload"] for row in rows if row["kind"] == kind)
        for kind in ("cells", "texts", "repeats")
    }
    cells: npt.NDArray[np.uint32] = np.frombuffer(raw["cells"], "<u4").astype(np.uint32)
    lines = len(cells) // CELLS_A_LINE
    if lines < 2 or lines & (lines - 1) or len(cells) % CELLS_A_LINE:
        raise ValueError("the table holds no sketch of word shingles")
    return Sketch.restore(
        cells,
        np.frombuffer(raw["texts"], "<u8").astype(np.uint64),
        np.frombuffer(raw["repeats"], "<u4").astype(np.uint32),
    )


def _fixed(rows: npt.NDArray[np.int8]) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(rows.shape[1]), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))]
    )


def pack(found: Skeletons) -> pa.Array:
    """Signatures as stored: in the first row of each skeleton, null elsewhere."""
    distinct, first = np.unique(found.skeleton, return_index=True)
    out: list[bytes | None] = [None] * len(found.skeleton)
    for row in first[distinct != 0].tolist():
        grams = found.grams[row, : found.n_grams[row]]
        out[row] = np.concatenate([found.edges[row], grams]).astype("<u8").tobytes()
    return pa.array(out, pa.binary())
