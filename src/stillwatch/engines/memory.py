"""An engine for small tables that come again and again: the same steps, every table in memory.

`DuckdbEngine` keeps each step's table as a file, which costs some ten milliseconds a step. A replay runs a dozen
steps on every slice of a few hundred rows; this engine runs them on Arrow tables that DuckDB reads in place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot

from stillwatch.engines.duckdb import SESSION, complaints, one_of_each, select
from stillwatch.engines.parquet_units import BATCH_ROWS
from stillwatch.engines.step import DriverStep, FoldStep, KernelStep, SqlStep, Step


class MemoryEngine:
    """Runs steps on tables in memory.

    Args:
        spill: folder that DuckDB may spill into.
        memory_limit: DuckDB's own limit, for example "4GB".
        threads: worker threads of DuckDB.
    """

    dialect = "duckdb"

    def __init__(self, spill: Path, memory_limit: str = "4GB", threads: int = 1) -> None:
        self._connection = duckdb.connect(
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(spill),
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self._connection.execute(SESSION)
        self._tables: dict[str, pa.Table] = {}
        self._others: set[str] = set()

    def attach(self, name: str, files: Sequence[Path]) -> None:
        """Name the table that stands in these Parquet files; they are read when asked for."""
        self.drop(name)
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        self._connection.execute(
            f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM read_parquet([{listed}], union_by_name = true)'
        )
        self._others.add(name)

    def put(self, name: str, table: pa.Table) -> None:
        """Name a table that is in memory."""
        if name in self._others:
            self.drop(name)
        self._tables[name] = table
        self._connection.register(name, table)

    def append(self, name: str, table: pa.Table) -> None:
        """Add rows to a table of DuckDB's own, which is made with the first; DuckDB spills it where it must."""
        with complaints():
            self._connection.register("appended", table)
            if name in self._others:
                self._connection.execute(f'INSERT INTO "{name}" SELECT * FROM appended')
            else:
                self.drop(name)
                self._connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM appended')
                self._others.add(name)
            self._connection.unregister("appended")

    def keep_since(self, name: str, column: str, least: int) -> None:
        """Remove the rows of an appended table whose timestamp is before `least` (microseconds since 1970)."""
        if name in self._others:
            self._connection.execute(f'DELETE FROM "{name}" WHERE EPOCH_US("{column}") < {int(least)}')

    def drop(self, name: str) -> None:
        """Forget a table."""
        if self._tables.pop(name, None) is not None:
            self._connection.unregister(name)
        if name in self._others:
            kind = self._connection.execute(
                "SELECT table_type FROM information_schema.tables WHERE table_name = ?", [name]
            ).fetchall()[0][0]
            self._connection.execute(f'DROP {"VIEW" if kind == "VIEW" else "TABLE"} "{name}"')
            self._others.discard(name)

    def has(self, name: str) -> bool:
        """Whether a table of that name is known."""
        return name in self._tables or name in self._others

    def run(self, step: Step) -> None:
        """Make the step's table from its inputs.

        Raises:
            EngineError: memory or disk do not suffice.
        """
        runners: dict[type, Callable[..., pa.Table]] = {
            SqlStep: self._sql,
            KernelStep: self._kernel,
            FoldStep: self._fold,
            DriverStep: self._driver,
        }
        with complaints():
            made = runners[type(step)](step)
        self.put(step.output, made)

    def recall(self, name: str, rows: int) -> bool:
        """Nothing outlives this engine."""
        del name, rows
        return False

    def rows(self, name: str) -> int:
        """Number of rows of a table."""
        if name in self._tables:
            return int(self._tables[name].num_rows)
        return int(self._connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchall()[0][0])

    def columns(self, name: str) -> list[str]:
        """Column names of a table."""
        if name in self._tables:
            return list(self._tables[name].column_names)
        return [row[0] for row in self._connection.execute(f'DESCRIBE "{name}"').fetchall()]

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table in memory."""
        if name in self._tables:
            held = self._tables[name]
            return held if columns is None else held.select(list(columns))
        with complaints():
            return self._connection.sql(select(name, columns)).to_arrow_table()

    def pick(self, name: str, columns: Sequence[str], wanted: Mapping[str, pa.Array]) -> pa.Table:
        """Some columns of the rows that have, in each column of `wanted`, one of the values wanted there."""
        chosen, values = one_of_each(wanted)
        with complaints():
            query = f"{select(name, columns)} WHERE {chosen}"
            return self._connection.sql(query, params=values).to_arrow_table()

    def batches(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """A table in batches of at most `BATCH_ROWS` rows."""
        yield from self.table(name, columns).combine_chunks().to_batches(BATCH_ROWS)

    def export(self, name: str, file: Path) -> None:
        """Write a table to one Parquet file, beside its name first."""
        partial = file.with_name(f"{file.name}.partial")
        pq.write_table(self.table(name), partial, compression="zstd")
        partial.replace(file)

    def close(self) -> None:
        """Let go of memory and temporary files."""
        self._connection.close()
        self._tables.clear()

    def _sql(self, step: SqlStep) -> pa.Table:
        return self._connection.sql(_compiled(step.sql, self.dialect)).to_arrow_table()

    def _kernel(self, step: KernelStep) -> pa.Table:
        made = [step.kernel(batch) for batch in self.batches(step.input, step.columns)]
        return pa.Table.from_batches(made, step.schema)

    def _fold(self, step: FoldStep[object]) -> pa.Table:
        state = step.start()
        for batch in self.batches(step.input, step.columns):
            state = step.add(state, batch)
        return step.finish(state)

    def _driver(self, step: DriverStep) -> pa.Table:
        return step.function({name: self.table(name) for name in step.inputs})


@lru_cache(maxsize=256)
def _compiled(sql: str, dialect: str) -> str:
    return sqlglot.transpile(sql, read="duckdb", write=dialect)[0]
