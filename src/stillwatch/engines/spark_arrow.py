"""What Spark's types are in Arrow, and the functions that run on its Python workers, batch by batch.

Spark has no unsigned integers and no binary of fixed size. It reads an unsigned 64-bit integer from Parquet as
decimal(20, 0), which holds every value and keeps their order, so that is what one is here too, and a decimal(20, 0)
becomes an unsigned integer again wherever a batch leaves Spark. No step makes decimals of its own. Binary of fixed
size becomes binary, as it does on DuckDB.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import TaskContext, cloudpickle

from stillwatch.engines.errors import EngineFailedError

Batches = Iterable[pa.RecordBatch]

UNSIGNED = pa.decimal128(20, 0)
"""Stands for uint64."""
KEY = "fold_key"
STATE_SCHEMA = pa.schema(
    [
        pa.field("state", pa.int64()),
        pa.field("piece", pa.int32()),
        pa.field("pieces", pa.int32()),
        pa.field("size", pa.int64()),
        pa.field("payload", pa.binary()),
    ]
)
"""A state that travels: compressed, in pieces, since no cell of a table may be larger than two gigabytes."""
PIECE = 8 << 20
MESSAGE = "message"
MESSAGE_SCHEMA = pa.schema([pa.field(MESSAGE, pa.binary())])


def spark_type(kind: pa.DataType) -> pa.DataType:
    """The Arrow type in which Spark holds values of a type.

    Raises:
        EngineFailedError: Spark has none for it.
    """
    if pa.types.is_dictionary(kind):
        return spark_type(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(spark_type(kind.value_type))
    plain = _plain(kind)
    if plain is None:
        raise EngineFailedError(f"Spark has no type for {kind}")
    return plain


def _plain(kind: pa.DataType) -> pa.DataType | None:
    as_it_is = (
        pa.types.is_signed_integer,
        pa.types.is_float32,
        pa.types.is_float64,
        pa.types.is_boolean,
        pa.types.is_date32,
        pa.types.is_decimal128,
        pa.types.is_string,
        pa.types.is_binary,
    )
    if any(test(kind) for test in as_it_is):
        return kind
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    others: dict[Any, pa.DataType] = {
        pa.types.is_uint64: UNSIGNED,
        pa.types.is_large_string: pa.string(),
        pa.types.is_large_binary: pa.binary(),
        pa.types.is_fixed_size_binary: pa.binary(),
        pa.types.is_null: pa.int32(),
    }
    return next((plain for test, plain in others.items() if test(kind)), None)


def engine_type(kind: pa.DataType) -> pa.DataType:
    """The type that a step sees where Spark holds this one."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(engine_type(kind.value_type))
    if kind == UNSIGNED:
        return pa.uint64()
    return spark_type(kind)


def to_spark_schema(schema: pa.Schema) -> pa.Schema:
    """A schema as Spark holds it; anything may be null there."""
    return pa.schema([pa.field(field.name, spark_type(field.type)) for field in schema])


def from_spark_schema(schema: pa.Schema) -> pa.Schema:
    """A schema of Spark as a step sees it."""
    return pa.schema([pa.field(field.name, engine_type(field.type)) for field in schema])


def cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch with the types of another schema, columns in the order of the batch."""
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def seen_by_steps(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch from Spark with the types that steps know."""
    return cast(batch, from_spark_schema(batch.schema))


def held_by_spark(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of a step with types that Spark knows."""
    return cast(batch, to_spark_schema(batch.schema))


@dataclass(frozen=True)
class Kernel:
    """A kernel step's function on a worker."""

    kernel: Callable[[pa.RecordBatch], pa.RecordBatch]

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Spark's batches in, Spark's batches out."""
        for batch in batches:
            yield held_by_spark(self.kernel(seen_by_steps(batch)))


@dataclass(frozen=True)
class Keyed:
    """Adds the key of a fold step to batches; rows without one are dealt out evenly."""

    key: Callable[[pa.RecordBatch], pa.Array]

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Spark's batches in, the same with a column `KEY` out."""
        for batch in batches:
            key = self.key(seen_by_steps(batch))
            values = key.fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint64).view(np.int64)
            free = ~key.is_valid().to_numpy(zero_copy_only=False)
            dealt = np.where(free, np.arange(len(values)), values)
            yield pa.RecordBatch.from_arrays(
                [*batch.columns, pa.array(dealt, pa.int64())],
                schema=pa.schema([*batch.schema, pa.field(KEY, pa.int64())]),
            )


@dataclass(frozen=True)
class Folded:
    """Folds a partition into one state, which leaves in pieces; nothing leaves where there was no row."""

    start: Callable[[], Any]
    add: Callable[[Any, pa.RecordBatch], Any]
    n_columns: int

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Spark's batches in, batches of `STATE_SCHEMA` out."""
        state = None
        for batch in batches:
            if batch.num_rows:
                own = pa.RecordBatch.from_arrays(
                    batch.columns[: self.n_columns], names=batch.schema.names[: self.n_columns]
                )
                state = self.add(self.start() if state is None else state, seen_by_steps(own))
        if state is not None:
            yield from pieces(state, _partition())


@dataclass(frozen=True)
class Merged:
    """Merges the states of a partition into one."""

    merge: Callable[[Any, Any], Any]

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Batches of `STATE_SCHEMA` in and out."""
        state = merged(batches, self.merge)
        if state is not None:
            yield from pieces(state, _partition())


def messages(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Each batch as one binary cell, so that it passes through Spark as it is."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sink.getvalue().to_pybytes()], pa.binary())], schema=MESSAGE_SCHEMA
        )


def pieces(state: Any, number: int) -> Iterator[pa.RecordBatch]:
    """A state as batches of `STATE_SCHEMA`, one piece each."""
    raw = cloudpickle.dumps(state, protocol=5)
    packed = pa.compress(raw, codec="zstd", asbytes=True)
    parts = [packed[at : at + PIECE] for at in range(0, len(packed), PIECE)]
    for at, part in enumerate(parts):
        yield pa.RecordBatch.from_arrays(
            [pa.array([value]) for value in (number, np.int32(at), np.int32(len(parts)), len(raw), part)],
            schema=STATE_SCHEMA,
        )


def merged(batches: Batches, merge: Callable[[Any, Any], Any]) -> Any:
    """All states whose pieces come in these batches, in any order, merged; None where there are none."""
    found: Any = None
    waiting: dict[int, dict[int, bytes]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            own = waiting.setdefault(row["state"], {})
            own[row["piece"]] = row["payload"]
            if len(own) < row["pieces"]:
                continue
            packed = b"".join(own[at] for at in sorted(waiting.pop(row["state"])))
            # Written by our own workers in this very run, see `pieces`.
            state = pickle.loads(pa.decompress(packed, row["size"], "zstd", asbytes=True))  # noqa: S301
            found = state if found is None else merge(found, state)
    return found


def _partition() -> int:
    context = TaskContext.get()
    return context.partitionId() if context is not None else 0
