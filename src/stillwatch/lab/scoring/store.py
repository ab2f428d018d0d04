"""Parquet files of any size behind SQL: joins and counts in bounded memory, with errors that name the file."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.schema import TableSchema

MEMORY_LIMIT = "2GB"
"""DuckDB's own limit; hashes of the ids and the per-account tables come on top of it."""
_THREADS = 2

Rows = list[tuple[Any, ...]]


class Store:
    """A DuckDB session over named Parquet files; what does not fit into memory spills to a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self._connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "threads": _THREADS,
                "temp_directory": str(folder),
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self._files: dict[str, Path] = {}

    def close(self) -> None:
        """Ends the session."""
        self._connection.close()

    def attach(self, schema: TableSchema, path: Path, needed: Sequence[str]) -> None:
        """Names a Parquet file (or a folder of them) after its schema; `place` is each row's number in its file.

        Raises:
            UnreadableInputError: it is missing, no Parquet, lacks a column, or has empty cells where none may be.
        """
        files = parquet_files(path)
        try:
            for file in files:
                check_columns(pq.read_schema(file).names, needed, path)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(schema, path, error) from error
        self._view(schema.name, path, files, [f"CAST({name} AS VARCHAR) AS {name}" for name in needed])
        counts = ", ".join(f"count(*) - count({name})" for name in needed)
        (empty,) = self.rows(f"SELECT {counts} FROM {schema.name}", schema.name)
        check_filled(dict(zip(needed, empty, strict=True)), schema, path)

    def attach_instants(self, name: str, files: Sequence[Path], folder: Path) -> None:
        """Names the exchanges of a dataset: exchange_id and ts in microseconds."""
        columns = ["CAST(exchange_id AS VARCHAR) AS exchange_id", "epoch_us(ts) AS ts"]
        self._view(name, folder, files, columns)

    def put(self, name: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Makes a small table; `columns` as in SQL's CREATE TABLE."""
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)

    def make(self, name: str, query: str, source: str) -> None:
        """Keeps a query's rows under a name; `source` is the table whose file an error names."""
        self._run(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}", source)

    def rows(self, query: str, source: str) -> Rows:
        """All rows of a query; `source` is the table whose file an error names."""
        return list(self._run(query, source).fetchall())

    def repeated(self, name: str, key: str) -> tuple[str, int] | None:
        """A key that stands twice, with the place of its second row; the first such row; None if there is none.

        64-bit hashes of all keys are sorted (8 bytes a row); only keys whose hashes meet are compared as texts.
        """
        hashes = self._run(f"SELECT hash({key}) AS h FROM {name}", name).fetchnumpy()["h"]
        hashes = np.sort(np.ma.getdata(hashes))
        twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not len(twice):
            return None
        self._connection.register("suspects", pa.table({"h": twice}))
        seen = f"row_number() OVER (PARTITION BY {key} ORDER BY place)"
        query = (
            f"SELECT {key}, place, {seen} AS seen FROM {name} WHERE hash({key}) IN (SELECT h FROM suspects)"
        )
        found = self.rows(f"SELECT {key}, place FROM ({query}) WHERE seen = 2 ORDER BY place LIMIT 1", name)
        return (str(found[0][0]), int(found[0][1])) if found else None

    def _view(self, name: str, path: Path, files: Sequence[Path], columns: Sequence[str]) -> None:
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        self._files[name] = path
        self._run(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {', '.join(columns)}, file_row_number AS place "
            f"FROM read_parquet([{listed}], file_row_number = true, union_by_name = true)",
            name,
        )

    def _run(self, query: str, source: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(query)
        except duckdb.Error as error:
            remedy = "Make the file again; if the message speaks of memory or disk, free some."
            raise UnreadableInputError(
                f"cannot be read: {error}", remedy, file=self._files.get(source)
            ) from error


@contextmanager
def opened_store() -> Iterator[Store]:
    """A session whose temporary folder goes away with it."""
    with tempfile.TemporaryDirectory(prefix="stillwatch-score-") as folder:
        store = Store(Path(folder))
        try:
            yield store
        finally:
            store.close()


def parquet_files(path: Path) -> list[Path]:
    """The file itself, or the Parquet files of a folder by name."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def check_columns(names: Sequence[str], needed: Sequence[str], path: Path) -> None:
    """Raises UnreadableInputError for a column that is missing."""
    missing = [name for name in needed if name not in names]
    if missing:
        remedy = f"It needs {', '.join(needed)}."
        raise UnreadableInputError(f"no column {', '.join(missing)}", remedy, file=path)


def check_filled(empty: dict[str, int], schema: TableSchema, path: Path) -> None:
    """Raises UnreadableInputError for empty cells in a column that may have none."""
    for name, count in empty.items():
        if count and not schema[name].nullable:
            what = f"{count} rows have no {name}"
            raise UnreadableInputError(what, f"Give every row its {name}.", file=path)


def unreadable(schema: TableSchema, path: Path, error: Exception) -> UnreadableInputError:
    """The error of a table that is missing or broken."""
    remedy = f"Write {schema.name}.parquet as docs/laboratory.md describes it, empty where nothing was found."
    return UnreadableInputError(f"cannot be read: {error}", remedy, file=path)
