"""A dataset folder as views of DuckDB, for baselines whose rule is a few lines of SQL."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from stillwatch.exchange.dataset import TableFile, open_dataset
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES

MEMORY_LIMIT = "2GB"
THREADS = 2


@contextmanager
def reading(dataset: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which `exchanges` and `accounts` are views with all columns of the contract.

    Columns that the dataset does not have are null; a dataset without accounts has an empty table of them.
    DuckDB spills what is more than `MEMORY_LIMIT` into a temporary folder that goes with the connection.

    Raises UnreadableInputError for a folder that is no dataset.
    """
    found = open_dataset(dataset)
    accounts = (found.accounts,) if found.accounts is not None else ()
    with tempfile.TemporaryDirectory(prefix="stillwatch-baseline-") as spill:
        connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "threads": THREADS,
                "temp_directory": spill,
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            _view(connection, EXCHANGES, found.exchanges)
            _view(connection, ACCOUNTS, accounts)
            yield connection
        finally:
            connection.close()


def _view(connection: duckdb.DuckDBPyConnection, table: TableSchema, files: tuple[TableFile, ...]) -> None:
    there = {name for file in files for name in file.schema.names}
    if not files:
        connection.register(table.name, table.empty())
        return
    listed = ", ".join("'" + str(file.path).replace("'", "''") + "'" for file in files)
    columns = ", ".join(f'"{name}"' if name in there else f'NULL AS "{name}"' for name in table.names)
    connection.execute(
        f'CREATE VIEW "{table.name}" AS SELECT {columns} FROM read_parquet([{listed}], union_by_name = true)'
    )
