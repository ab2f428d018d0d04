"""The embedded engine: DuckDB over Parquet files in a working folder, kernels in threads beside it.

Every table that a step makes is one Parquet file, or a folder of them, written beside its name and then renamed, so
that a killed run leaves no table that looks whole, and a reader can open any step's table with any tool.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot

from stillwatch.engines.errors import EngineDiskError, EngineMemoryError
from stillwatch.engines.parquet_units import BATCH_ROWS, prepared, units, write_kernel
from stillwatch.engines.step import DriverStep, FoldStep, KernelStep, SqlStep, Step
from stillwatch.ordered import in_order

SESSION = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
"""What every connection begins with. A bar would stand among the command's own words where Python is interactive."""
_FILE, _ROW = "filename", "file_row_number"
_PLACE = {_FILE, _ROW}
"""DuckDB's names for a row's file and its number there; hidden by columns of these names, in whatever case."""


class DuckdbEngine:
    """Runs steps with DuckDB (https://duckdb.org) in one process.

    Args:
        folder: working folder for step tables; made if missing.
        memory_limit: DuckDB's own limit, for example "4GB"; past it DuckDB spills into `folder`.
        threads: worker threads, of DuckDB and of kernels.
    """

    dialect = "duckdb"

    def __init__(self, folder: Path, memory_limit: str = "4GB", threads: int = 2) -> None:
        self._folder = folder
        self._threads = threads
        folder.mkdir(parents=True, exist_ok=True)
        self._connection = duckdb.connect(
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(folder / "spill"),
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self._connection.execute(SESSION)
        self._files: dict[str, list[Path]] = {}

    def attach(self, name: str, files: Sequence[Path]) -> None:
        """Name the table that stands in these Parquet files."""
        with complaints():
            self._connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM {_of_files(files)}')
        self._files[name] = list(files)

    def put(self, name: str, table: pa.Table) -> None:
        """Name a table that is in memory; it is written to the working folder like a step's."""
        self._write(name, table.schema, table.to_batches())

    def has(self, name: str) -> bool:
        """Whether a table of that name is known."""
        return name in self._files

    def run(self, step: Step) -> None:
        """Make the step's table from its inputs.

        Raises:
            EngineError: memory or disk do not suffice.
        """
        runners: dict[type, Callable[..., None]] = {
            SqlStep: self._run_sql,
            KernelStep: self._run_kernel,
            FoldStep: self._run_fold,
            DriverStep: self._run_driver,
        }
        with complaints():
            runners[type(step)](step)

    def recall(self, name: str, rows: int) -> bool:
        """Name again a table that an earlier run in the same folder made; see `Engine`."""
        folder = self._folder / name
        files = sorted(folder.glob("part-*.parquet")) if folder.is_dir() else []
        single = self._folder / f"{name}.parquet"
        if single.is_file():
            files = [single]
        try:
            found = sum(pq.read_metadata(file).num_rows for file in files)
        except (OSError, pa.ArrowException):
            return False
        if not files or found != rows:
            return False
        self.attach(name, files)
        return True

    def rows(self, name: str) -> int:
        """Number of rows of a table."""
        # All rows are fetched: a result left unfinished would block the connection.
        with complaints():
            return int(self._connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchall()[0][0])

    def columns(self, name: str) -> list[str]:
        """Column names of a table."""
        return [row[0] for row in self._connection.execute(f'DESCRIBE "{name}"').fetchall()]

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table in memory, rows in the order of its files: sums over them must come out the same each time."""
        with complaints():
            self._connection.execute("SET preserve_insertion_order = true")
            try:
                return self._connection.sql(select(name, columns)).to_arrow_table()
            finally:
                self._connection.execute("SET preserve_insertion_order = false")

    def pick(self, name: str, columns: Sequence[str], wanted: Mapping[str, pa.Array]) -> pa.Table:
        """Some columns of the rows that have, in each column of `wanted`, one of the values wanted there.

        The wanted columns are read first, of row groups whose statistics do not rule their values out, then the rows by
        their numbers in each file: pages without any of them, of columns that may be texts, are not decoded.
        """
        chosen, values = one_of_each(wanted)
        with complaints():
            if not _PLACE.isdisjoint(column.lower() for column in self.columns(name)):
                query = f"{select(name, columns)} WHERE {chosen}"
                return self._connection.sql(query, params=values).to_arrow_table()
            source = _of_files(self._files[name], _FILE, _ROW)
            found = self._connection.execute(f"SELECT {_FILE}, {_ROW} FROM {source} WHERE {chosen}", values)
            numbers: dict[str, list[int]] = {}
            for file, number in found.fetchall():
                numbers.setdefault(file, []).append(number)
            nothing = self._connection.sql(f"{select(name, columns)} LIMIT 0").to_arrow_table()
            # A file's few rows are one thread's work.
            reads = [partial(self._rows_of, file, own, columns) for file, own in numbers.items()]
            with closing(in_order(reads, self._threads, lambda rows: 0, 0)) as read:
                return pa.concat_tables([nothing, *read])

    def _rows_of(self, file: str, numbers: Sequence[int], columns: Sequence[str]) -> Iterator[pa.Table]:
        source = _of_files([file], _ROW)
        listed = ", ".join(map(str, numbers))
        query = f"SELECT {_listed(columns)} FROM {source} WHERE {_ROW} IN ({listed})"
        with self._cursor() as cursor:
            yield cursor.sql(query).to_arrow_table()

    def batches(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """A table in batches of at most `BATCH_ROWS` rows."""
        # A cursor of its own: a batch reader would otherwise be cut off by the next statement.
        with self._cursor() as cursor:
            yield from cursor.sql(select(name, columns)).to_arrow_reader(BATCH_ROWS)

    @contextmanager
    def _cursor(
        self,
    ) -> "Iterator[duckdb.DuckDBPyConnection]":  # as words: DuckDB tells at exit of types still held
        """A connection of its own to the same tables, for one thread."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(SESSION)
            yield cursor
        finally:
            cursor.close()

    def export(self, name: str, file: Path) -> None:
        """Copy a table into one file; it is whole as soon as it has its name."""
        partial = file.with_name(f"{file.name}.partial")
        files = self._files[name]
        if len(files) == 1:
            shutil.copyfile(files[0], partial)
        else:
            with pq.ParquetWriter(partial, pq.read_schema(files[0]), compression="zstd") as writer:
                for part in files:
                    writer.write_table(pq.read_table(part))
        partial.replace(file)

    def files(self, name: str) -> list[Path]:
        """The files that a table stands in."""
        return list(self._files[name])

    def close(self) -> None:
        """Close the connection; step files stay in the working folder."""
        self._connection.close()

    def _run_sql(self, step: SqlStep) -> None:
        statement = sqlglot.transpile(step.sql, read="duckdb", write=self.dialect)[0]
        target = self._folder / f"{step.output}.parquet"
        partial = target.with_suffix(".partial")
        # Version 2 has differences of numbers, and lengths apart from their strings: as small as what lz4 makes of it.
        form = "COMPRESSION uncompressed, PARQUET_VERSION v2" if step.dense else "COMPRESSION lz4"
        self._connection.execute(f"COPY ({statement}) TO '{_escaped(partial)}' (FORMAT parquet, {form})")
        partial.replace(target)
        self.attach(step.output, [target])

    def _run_kernel(self, step: KernelStep) -> None:
        work = units(self._files[step.input])
        if not work:
            self.put(step.output, step.schema.empty_table())
            return
        target = self._folder / step.output
        partial = target.with_suffix(".partial")
        for folder in (partial, target):
            shutil.rmtree(folder, ignore_errors=True)
        partial.mkdir()
        files = write_kernel(work, step.columns, step.schema, step.kernel, (partial, self._threads))
        partial.replace(target)
        self.attach(step.output, [target / file.name for file in files])

    def _run_fold(self, step: FoldStep[object]) -> None:
        state = step.start()
        prepare = step.prepare or (lambda batch: batch)
        work = units(self._files[step.input], BATCH_ROWS)
        for item in prepared(work, step.columns, prepare, self._threads):
            state = step.update(state, item)
        self.put(step.output, step.finish(state))

    def _run_driver(self, step: DriverStep) -> None:
        self.put(step.output, step.function({name: self.table(name) for name in step.inputs}))

    def _write(
        self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch] | list[pa.RecordBatch]
    ) -> None:
        target = self._folder / f"{name}.parquet"
        partial = target.with_suffix(".partial")
        with pq.ParquetWriter(partial, schema, compression="lz4") as writer:
            for batch in batches:
                writer.write_batch(batch)
        partial.replace(target)
        self.attach(name, [target])


@contextmanager
def complaints() -> Iterator[None]:
    """Turn DuckDB's complaints of memory and disk into errors of an engine."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EngineMemoryError(_first_line(error)) from error
    except duckdb.IOException as error:
        raise EngineDiskError(_first_line(error)) from error
    except RuntimeError as error:
        # So DuckDB tells of Ctrl-C.
        if "Query interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise


def one_of_each(wanted: Mapping[str, pa.Array]) -> tuple[str, list[Any]]:
    """A condition that each of these columns has one of its values, and the values of its parameters.

    DuckDB compares listed values with the statistics of row groups; of a table that is joined, only the extremes.
    """
    conditions = [
        f'"{column}" IN ({", ".join("?" * len(values)) or "NULL"})' for column, values in wanted.items()
    ]
    return " AND ".join(conditions) or "TRUE", [
        value for values in wanted.values() for value in values.to_pylist()
    ]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def select(name: str, columns: Sequence[str] | None) -> str:
    """The statement for some columns of a table, or for all of them."""
    return f'SELECT {"*" if columns is None else _listed(columns)} FROM "{name}"'


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _of_files(files: Sequence[Path | str], *places: str) -> str:
    """The rows of these Parquet files, with columns of DuckDB's own that tell their places."""
    listed = ", ".join(f"'{_escaped(file)}'" for file in files)
    told = "".join(f", {place} = true" for place in places)
    return f"read_parquet([{listed}], union_by_name = true{told})"


def _escaped(file: Path | str) -> str:
    return str(file).replace("'", "''")
