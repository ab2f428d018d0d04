"""Small inputs that the tests of this room share."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.raw import RawBatch
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import EXCHANGES

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
TS = dt.datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
RULES = ValidationRules(now=NOW)


def row(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One fit exchange with every column filled in."""
    fit = {
        "exchange_id": f"x-{number}",
        "ts": TS + dt.timedelta(seconds=number),
        "account_id": f"account-{number % 7}",
        "org_id": "org",
        "key_id": "hk_" + "0" * 32,
        "end_user_id": "hk_" + "1" * 32,
        "session_id": "session",
        "operation": "chat",
        "model": "model-1",
        "client_ip": "192.0.2.7",
        "user_agent": "client/1.0",
        "ja4": "t13d1516h2_8daaf6152771_02713d6af862",
        "system_prompt": "Answer briefly.",
        "prompt": f"question {number}",
        "response": f"answer {number}",
        "n_messages": 2,
        "n_tools": 0,
        "temperature": 0.5,
        "max_output_tokens": 100,
        "input_tokens": 10,
        "output_tokens": 20,
        "reasoning_tokens": 0,
        "cached_tokens": 0,
        "finish_reason": "stop",
        "status": 200,
        "latency_ms": 12.5,
        "stream": False,
    }
    return fit | changes


def batch(*rows: dict[str, Any], file: str = "log.jsonl") -> RawBatch:
    """A raw batch of such rows."""
    return RawBatch.from_records(rows, EXCHANGES.names, file, range(1, len(rows) + 1))


def table(start: int, stop: int, **changes: Any) -> pa.Table:
    """A table of fit exchanges."""
    return pa.Table.from_pylist([row(n, **changes) for n in range(start, stop)], EXCHANGES.arrow)


def write(path: Path, content: pa.Table, **options: Any) -> Path:
    """Write a Parquet file, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, path, **options)
    return path


def one_column(name: str, values: Any) -> RawBatch:
    """Fit rows in which one column has these values."""
    length = len(values)
    columns = {key: [value] * length for key, value in row().items()}
    columns["exchange_id"] = [f"x-{n}" for n in range(length)]
    columns[name] = values
    return RawBatch(columns, "log.jsonl", range(1, length + 1))


__all__ = ["NOW", "RULES", "TIMESTAMP", "TS", "batch", "one_column", "row", "table", "write"]
