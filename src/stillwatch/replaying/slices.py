"""Exchanges in order of event time, slice by slice: sorted once into files, then read piece by piece."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.engines.duckdb import complaints
from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.output import partial_of
from stillwatch.exchange.schema import TIMESTAMP

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
DAY_US = 86_400_000_000
_ROWS_PER_GROUP = 16_384


def microseconds(duration: str, option: str) -> int:
    """Length of "15m", "1h", "6h", "1d", "4w" in microseconds.

    Raises:
        UsageError: it is none of these; the message names the option.
    """
    found = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", duration.strip())
    if not found:
        raise UsageError(
            f"{option} is {duration!r}, which is no length of time",
            "write a whole number and m, h, d or w, such as 15m, 1h or 28d",
        )
    return int(found[1]) * _UNITS[found[2]] * 1_000_000


def sort_by_time(
    files: Sequence[Path], target: Path, spill: Path, memory_limit: str, among: Path | None = None
) -> None:
    """Write the rows of Parquet files to one file in order of event time.

    Args:
        files: of one table with the columns ts and exchange_id.
        target: the file to be; whole once it has its name.
        spill: folder for what memory does not hold.
        memory_limit: of the sort.
        among: Parquet file whose exchange_id say which rows are taken; all of them if None.
    """
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    source = f"read_parquet([{listed}], union_by_name = true)"
    chosen = f"SELECT * FROM {source} ORDER BY ts, exchange_id"
    if among is not None:
        kept = "'" + str(among).replace("'", "''") + "'"
        chosen = (
            f"SELECT s.* FROM {source} AS s JOIN read_parquet({kept}) AS t ON t.exchange_id = s.exchange_id "
            "ORDER BY s.ts, s.exchange_id"
        )
    partial = partial_of(target)
    connection = duckdb.connect(
        config={"memory_limit": memory_limit, "threads": 1, "temp_directory": str(spill)}
    )
    try:
        with complaints():
            connection.execute("SET TimeZone = 'UTC'")
            escaped = str(partial).replace("'", "''")
            options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS_PER_GROUP}"
            connection.execute(f"COPY ({chosen}) TO '{escaped}' ({options})")
    finally:
        connection.close()
    partial.replace(target)


class TimeSorted:
    """A file that `sort_by_time` wrote, read by spans of time; row groups outside of a span are not touched.

    Args:
        file: the file.
    """

    def __init__(self, file: Path) -> None:
        self._parquet = pq.ParquetFile(file)
        metadata = self._parquet.metadata
        column = self._parquet.schema_arrow.get_field_index("ts")
        self._spans: list[tuple[int, int]] = []
        for group in range(metadata.num_row_groups):
            found = metadata.row_group(group).column(column).statistics
            self._spans.append((_us(found.min), _us(found.max)))
        self._held: dict[int, pa.Table] = {}

    def between(self, start: int, end: int) -> pa.Table:
        """Rows with start <= ts < end (microseconds since 1970), in order."""
        wanted = [number for number, (first, last) in enumerate(self._spans) if first < end and last >= start]
        self._held = {number: self._held.get(number) or self._read(number) for number in wanted}
        if not wanted:
            return self._parquet.schema_arrow.empty_table()
        table = pa.concat_tables([self._held[number] for number in wanted])
        ts = table.column("ts")
        lower, upper = pa.scalar(start, pa.int64()).cast(ts.type), pa.scalar(end, pa.int64()).cast(ts.type)
        return table.filter(pc.and_(pc.greater_equal(ts, lower), pc.less(ts, upper)))

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()
        self._held = {}

    def _read(self, group: int) -> pa.Table:
        table = self._parquet.read_row_group(group)
        index = table.schema.get_field_index("ts")
        return table.set_column(index, pa.field("ts", TIMESTAMP), table.column("ts").cast(TIMESTAMP))


def spans(first: int, last: int, every: int) -> Iterator[tuple[int, int]]:
    """Slices [start, end) on multiples of `every` that hold all of first..last (microseconds)."""
    start = first // every * every
    while start <= last:
        yield start, start + every
        start += every


def _us(moment: object) -> int:
    return int(pa.scalar(moment).cast(TIMESTAMP).value)
