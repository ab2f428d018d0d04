"""Scans a dataset without its network, payment and header columns: `python -m ...blinded DATASET OUT`.

What a gateway behind a proxy, or a provider that keeps payments elsewhere, does not have. The columns stay, as the
schema wants them, and are empty in every row. Declared organisations are kept: they are no trace of the network.
"""

import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import load_settings

EXCHANGE_COLUMNS = ("client_ip", "user_agent", "ja4")
ACCOUNT_COLUMNS = ("payment_id", "email_domain", "billing_country")


def blinded(dataset: Path, out: Path) -> Path:
    """Writes a copy of a dataset folder in which the columns are empty; returns `out`."""
    parts = sorted((dataset / "exchanges").glob("*.parquet"))
    for part in parts:
        _copy(part, out / "exchanges" / part.name, EXCHANGE_COLUMNS)
    for table in sorted(dataset.glob("*.parquet")):
        _copy(table, out / table.name, ACCOUNT_COLUMNS)
    return out


def _copy(file: Path, target: Path, empty: Collection[str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(file) as source, pq.ParquetWriter(target, source.schema_arrow) as sink:
        for batch in source.iter_batches():
            columns = [
                pa.nulls(len(batch), column.type) if name in empty else column
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            sink.write_batch(pa.record_batch(columns, schema=batch.schema))


def main() -> None:
    """Entry point of the process; the copy is removed at the end."""
    dataset, out = map(Path, sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="stillwatch-blinded-", dir=out.parent) as folder:
        copy = blinded(dataset, Path(folder) / "dataset")
        settings = load_settings(None, {"key_file": Path(folder) / "key"})
        scan(ScanRequest((str(copy),), command="blinded"), out, settings)


if __name__ == "__main__":
    main()
