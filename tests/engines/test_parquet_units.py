"""Tables in units of row groups, worked on by threads."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.engines.parquet_units import prepared, units, write_kernel

N = pa.schema([("n", pa.int64())])


def files_of(folder: Path, sizes: list[int], group: int) -> list[Path]:
    """Files of consecutive numbers."""
    made, first = [], 0
    for number, size in enumerate(sizes):
        file = folder / f"{number}.parquet"
        numbers = pa.array(range(first, first + size), pa.int64())
        pq.write_table(pa.table({"other": numbers, "n": numbers}), file, row_group_size=group)
        made.append(file)
        first += size
    return made


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 40), max_size=4), st.integers(1, 9), st.integers(1, 50), st.integers(1, 3))
def test_every_row_goes_through_once_and_in_order(tmp_path_factory, sizes, group, rows, threads):
    folder = tmp_path_factory.mktemp("units")
    work = units(files_of(folder, sizes, group), rows)
    made = write_kernel(work, ("n",), N, lambda batch: batch, (folder, threads))
    found = [n for file in made for n in pq.read_table(file).column("n").to_pylist()]
    assert found == list(range(sum(sizes)))
    batches = prepared(work, ("n",), lambda batch: batch.column(0).to_pylist(), threads)
    assert sorted(n for batch in batches for n in batch) == found


def test_a_column_that_a_file_lacks_is_null(tmp_path):
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"m": ["x"], "n": [2]}), tmp_path / "b.parquet")
    work = units(sorted(tmp_path.glob("*.parquet")))
    rows = [batch.to_pylist() for unit in work for batch in unit.batches(("m", "n"))]
    assert rows == [[{"m": None, "n": 1}], [{"m": "x", "n": 2}]]


def test_only_what_repeats_gets_a_dictionary_and_every_type_can_be_written(tmp_path):
    numbers = list(range(1000))
    columns = {
        "own": pa.array([str(n) for n in numbers]),
        "hash": pa.array([n.to_bytes(8, "little") for n in numbers], pa.binary(8)),
        "time": pa.array(numbers, pa.timestamp("us", tz="UTC")),
        "flag": pa.array([n % 2 == 0 for n in numbers]),
        "model": pa.array(["a" if n % 3 else None for n in numbers]),
        "nothing": pa.nulls(1000, pa.float32()),
        "bytes": pa.array([b"x"] * 1000, pa.binary()),
    }
    table = pa.table(columns)
    pq.write_table(pa.table({"n": numbers}), tmp_path / "in.parquet")
    folder = tmp_path / "out"
    folder.mkdir()
    work = units([tmp_path / "in.parquet"])
    (file,) = write_kernel(work, ("n",), table.schema, lambda batch: table.to_batches()[0], (folder, 1))
    assert pq.read_table(file).equals(table)
    group = pq.ParquetFile(file).metadata.row_group(0)
    coded = {
        group.column(i).path_in_schema
        for i in range(group.num_columns)
        if "RLE_DICTIONARY" in group.column(i).encodings
    }
    assert coded == {"model", "nothing", "bytes"}


def test_nested_columns_are_written_too(tmp_path):
    nested = pa.record_batch({"n": pa.array([[1, 2], None, []], pa.list_(pa.int64()))})
    pq.write_table(pa.table({"n": [1]}), tmp_path / "in.parquet")
    folder = tmp_path / "out"
    folder.mkdir()
    work = units([tmp_path / "in.parquet"])
    (file,) = write_kernel(work, ("n",), nested.schema, lambda batch: nested, (folder, 1))
    assert pq.read_table(file).to_pylist() == nested.to_pylist()


@pytest.mark.parametrize("threads", [1, 2])
def test_what_fails_in_a_thread_fails_here(tmp_path, threads):
    def broken(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.column(0)[0].as_py() >= 20:
            raise RuntimeError("broken")
        return batch

    work = units(files_of(tmp_path, [30, 30], 10), 10)
    with pytest.raises(RuntimeError, match="broken"):
        list(prepared(work, ("n",), broken, threads))
    with pytest.raises(RuntimeError, match="broken"):
        write_kernel(work, ("n",), N, broken, (tmp_path, threads))


def test_who_stops_taking_stops_the_threads(tmp_path):
    batches = prepared(units(files_of(tmp_path, [100], 1), 1), ("n",), lambda batch: batch, 2)
    next(batches)
    batches.close()  # waits for the threads
