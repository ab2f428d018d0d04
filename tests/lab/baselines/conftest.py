"""Small datasets for the baselines, written by hand."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
Rows = Sequence[Mapping[str, Any]]


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Writes a dataset folder: exchanges with `account_id` and `seconds` (after START), maybe accounts."""

    def write(exchanges: Rows, accounts: Rows = (), name: str = "dataset") -> Path:
        folder = tmp_path / name
        (folder / "exchanges").mkdir(parents=True)
        rows = [
            {
                "exchange_id": f"e{number}",
                "ts": START + dt.timedelta(seconds=row.get("seconds", number)),
                "model": "heron",
                **{key: value for key, value in row.items() if key != "seconds"},
            }
            for number, row in enumerate(exchanges)
        ]
        half = len(rows) // 2
        for part, some in enumerate((rows[:half], rows[half:])):
            table = pa.Table.from_pylist(some, schema=EXCHANGES.arrow)
            pq.write_table(table, folder / "exchanges" / f"part-{part}.parquet")
        if accounts:
            full = [{"created_at": START, **row} for row in accounts]
            pq.write_table(pa.Table.from_pylist(full, schema=ACCOUNTS.arrow), folder / "accounts.parquet")
        return folder

    return write


@pytest.fixture(scope="session")
def groups() -> Callable[[pa.Table], set[frozenset[str]]]:
    """The accounts of each campaign, without its name."""

    def of(members: pa.Table) -> set[frozenset[str]]:
        found: dict[str, set[str]] = {}
        for row in members.to_pylist():
            found.setdefault(row["campaign_id"], set()).add(row["account_id"])
        return {frozenset(accounts) for accounts in found.values()}

    return of
