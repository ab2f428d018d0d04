"""Small datasets of prompts for the baselines that read text."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.tables import EXCHANGES

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
Row = tuple[str, str | None]


def words(random: np.random.Generator, vocabulary: str, count: int = 12, size: int = 2000) -> str:
    """A text of words drawn evenly from an invented language."""
    return " ".join(f"{vocabulary}{number}" for number in random.integers(0, size, count))


def write_stream(folder: Path, rows: Sequence[Row], parts: int = 1, reverse: bool = False) -> Path:
    """A dataset with one exchange a minute.

    Args:
        folder: where.
        rows: account and prompt, in order of time.
        parts: number of files.
        reverse: whether files and rows stand in the other order.
    """
    (folder / "exchanges").mkdir(parents=True)
    listed = [(f"x{n:06}", START + dt.timedelta(minutes=n), *row) for n, row in enumerate(rows)]
    if reverse:
        listed.reverse()
    for part in range(parts):
        own = listed[part::parts]
        given = {
            "exchange_id": [row[0] for row in own],
            "ts": [row[1] for row in own],
            "account_id": [row[2] for row in own],
            "model": ["m"] * len(own),
            "prompt": [row[3] for row in own],
        }
        columns = {c.name: pa.array(given.get(c.name, [None] * len(own)), c.type) for c in EXCHANGES}
        pq.write_table(pa.table(columns), folder / "exchanges" / f"part-{part}.parquet")
    return folder
