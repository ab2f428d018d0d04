"""The engine for a cluster: the same steps on Apache Spark (https://spark.apache.org).

SQL is compiled to Spark's dialect (`spark_dialect`), kernels run on the workers' Arrow batches, folds make one state
a partition and merge them, and driver steps see whole small tables here. Every step's table is written to the working
folder (`spark_files`) before the next step reads it, so that a worker that dies costs the step at hand and nothing
else, and Spark runs that again by itself.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from stillwatch.engines.spark_arrow import (
    KEY,
    MESSAGE,
    MESSAGE_SCHEMA,
    STATE_SCHEMA,
    Folded,
    Kernel,
    Keyed,
    Merged,
    cast,
    from_spark_schema,
    merged,
    messages,
    seen_by_steps,
    to_spark_schema,
)
from stillwatch.engines.spark_complaints import complaints
from stillwatch.engines.spark_dialect import to_spark
from stillwatch.engines.spark_files import SparkFolder, literally
from stillwatch.engines.spark_types import schema_of, struct_of
from stillwatch.engines.step import DriverStep, FoldStep, KernelStep, SqlStep, Step

BATCH_ROWS = 16_384
FEW_STATES = 16
"""States of a fold that are merged here; of more, groups are merged on the workers first."""
_NEEDED = {
    # What steps rely on: times are UTC, overflows are errors, batches are bounded.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Columns that no step reads may be of any type.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
}
_WRITE = {"compression": "zstd", "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}


class SparkEngine:
    """Runs steps with Apache Spark.

    Args:
        session: a session of this engine alone; its settings are changed.
        folder: working folder, a path or a URL, that driver and workers share.
        upload: whether attached files are copied into the folder, because workers cannot read this machine's.
        stop: called by `close`.
    """

    dialect = "spark"

    def __init__(
        self,
        session: SparkSession,
        folder: str,
        *,
        upload: bool = False,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._folder = SparkFolder(session, folder)
        self._upload = upload
        self._stop = stop
        self._frames: dict[str, DataFrame] = {}
        for name, value in _NEEDED.items():
            session.conf.set(name, value)

    def attach(self, name: str, files: Sequence[Path]) -> None:
        """Name the table that stands in these Parquet files of this machine."""
        with complaints(name):
            urls = [f"file://{file.absolute()}" for file in files]
            if self._upload:
                copies = f"{name}.attached"
                self._folder.remove(copies)
                urls = [
                    self._folder.upload(file, f"{copies}/{number}.parquet")
                    for number, file in enumerate(files)
                ]
            reader = self._session.read.option("mergeSchema", str(len(files) > 1).lower())
            self._name(name, reader.parquet(*map(literally, urls)))

    def put(self, name: str, table: pa.Table) -> None:
        """Name a table that is in memory; it is written to the working folder like a step's."""
        schema = to_spark_schema(table.schema)
        # As in every file of Spark, decimals stand for unsigned integers.
        plain = pa.Table.from_arrays(
            [
                column if column.type == field.type else column.cast(field.type)
                for column, field in zip(table.columns, schema, strict=True)
            ],
            schema=schema,
        )
        partial = f"{name}.partial"
        with tempfile.TemporaryDirectory() as folder, complaints(name):
            file = Path(folder) / "part-0.parquet"
            pq.write_table(plain, file, compression="zstd")
            self._folder.remove(partial)
            self._folder.upload(file, f"{partial}/{file.name}")
            self._take(name, schema)

    def has(self, name: str) -> bool:
        """Whether a table of that name is known."""
        return name in self._frames

    def run(self, step: Step) -> None:
        """Make the step's table from its inputs.

        Raises:
            EngineError: memory or disk do not suffice, or the step failed on a worker.
        """
        runners: dict[type, Callable[..., None]] = {
            SqlStep: self._run_sql,
            KernelStep: self._run_kernel,
            FoldStep: self._run_fold,
            DriverStep: self._run_driver,
        }
        with complaints(step.output):
            runners[type(step)](step)

    def recall(self, name: str, rows: int) -> bool:
        """Name again a table that an earlier run in the same folder made; see `Engine`."""
        with complaints(name):
            if not self._folder.is_whole(name):
                return False
            self._name(name, self._session.read.parquet(literally(self._folder.path(name))))
        if self.rows(name) != rows:
            self._forget(name)
            return False
        return True

    def rows(self, name: str) -> int:
        """Number of rows of a table."""
        with complaints(name):
            return int(self._frames[name].count())

    def columns(self, name: str) -> list[str]:
        """Column names of a table."""
        return list(self._frames[name].columns)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table in memory."""
        with complaints(name):
            return _held(self._selected(name, columns))

    def pick(self, name: str, columns: Sequence[str], wanted: Mapping[str, pa.Array]) -> pa.Table:
        """Some columns of the rows that have, in each column of `wanted`, one of the values wanted there."""
        with complaints(name):
            rows = self._frames[name]
            for column, values in wanted.items():
                rows = rows.where(rows[f"`{column}`"].isin(values.to_pylist()))
            return _held(rows.select(*(f"`{column}`" for column in columns)))

    def batches(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """A table in batches of at most `BATCH_ROWS` rows, one partition after another."""
        with complaints(name):
            for batch in _batches_of(self._selected(name, columns)):
                yield seen_by_steps(batch)

    def export(self, name: str, file: Path) -> None:
        """Write a table to one Parquet file of this machine, batch by batch."""
        partial = file.with_name(f"{file.name}.partial")
        schema = from_spark_schema(schema_of(self._frames[name].schema))
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for batch in self.batches(name):
                writer.write_batch(batch)
        partial.replace(file)

    def close(self) -> None:
        """Forget all tables; those of steps stay in the working folder."""
        for name in self._frames:
            self._session.catalog.dropTempView(name)
        self._frames.clear()
        self._stop()

    def _run_sql(self, step: SqlStep) -> None:
        self._write(step.output, self._session.sql(to_spark(step.sql)))

    def _run_kernel(self, step: KernelStep) -> None:
        schema = struct_of(to_spark_schema(step.schema))
        rows = self._selected(step.input, step.columns)
        self._write(step.output, rows.mapInArrow(Kernel(step.kernel), schema))

    def _run_fold(self, step: FoldStep[Any]) -> None:
        rows = self._selected(step.input, step.columns)
        parts = self._parts()
        if step.key is None:
            rows = rows.coalesce(parts)
        else:
            keyed = struct_of(pa.schema([*schema_of(rows.schema), pa.field(KEY, pa.int64())]))
            rows = rows.mapInArrow(Keyed(step.key), keyed).repartition(parts, KEY)
        folded = Folded(step.start, step.add, len(step.columns))
        states, schema = f"{step.output}_states", struct_of(STATE_SCHEMA)
        self._write(states, rows.mapInArrow(folded, schema))
        if parts > FEW_STATES:
            groups = self._frames[states].repartition(math.isqrt(parts), "state")
            self._write(f"{states}_merged", groups.mapInArrow(Merged(step.merge), schema))
            self._remove(states)
            states = f"{states}_merged"
        state = merged(_batches_of(self._frames[states]), step.merge)
        self.put(step.output, step.finish(step.start() if state is None else state))
        self._remove(states)

    def _parts(self) -> int:
        """How many states a fold makes: one for each core of the cluster."""
        return int(self._session.sparkContext.defaultParallelism)

    def _run_driver(self, step: DriverStep) -> None:
        self.put(step.output, step.function({name: self.table(name) for name in step.inputs}))

    def _selected(self, name: str, columns: Sequence[str] | None) -> DataFrame:
        frame = self._frames[name]
        return frame if columns is None else frame.select(*(f"`{column}`" for column in columns))

    def _write(self, name: str, frame: DataFrame) -> None:
        frame.write.mode("overwrite").options(**_WRITE).parquet(self._folder.path(f"{name}.partial"))
        self._take(name, schema_of(frame.schema))

    def _take(self, name: str, schema: pa.Schema) -> None:
        """Put what stands in NAME.partial in the place of the table."""
        self._folder.commit(f"{name}.partial", name)
        # The schema is known: without it Spark would open the files to learn it.
        reader = self._session.read.schema(struct_of(schema))
        self._name(name, reader.parquet(literally(self._folder.path(name))))

    def _name(self, name: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(name)
        self._frames[name] = frame

    def _forget(self, name: str) -> None:
        self._session.catalog.dropTempView(name)
        del self._frames[name]

    def _remove(self, name: str) -> None:
        self._forget(name)
        self._folder.remove(name)


def _held(frame: DataFrame) -> pa.Table:
    schema = from_spark_schema(schema_of(frame.schema))
    return pa.Table.from_batches([cast(batch, schema) for batch in frame.toArrow().to_batches()], schema)


def _batches_of(frame: DataFrame) -> Iterator[pa.RecordBatch]:
    """Batches as Spark has them; never more than one partition is under way."""
    sent = frame.mapInArrow(messages, struct_of(MESSAGE_SCHEMA))
    for row in sent.toLocalIterator():
        with pa.ipc.open_stream(row[MESSAGE]) as reader:
            yield from reader
