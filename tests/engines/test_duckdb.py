"""What only the embedded engine promises: files in a folder, whole or absent."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.parquet_units import BATCH_ROWS
from stillwatch.engines.step import KernelStep, SqlStep

N = pa.schema([("n", pa.int64())])


@pytest.fixture
def engine(tmp_path):
    made = DuckdbEngine(tmp_path / "steps", "1GB", 1)
    yield made
    made.close()


def test_each_step_is_one_file_that_any_reader_opens(engine):
    engine.put("one", pa.table({"n": [1, 2]}))
    engine.run(SqlStep("two", ("one",), "SELECT n + 1 AS n FROM one"))
    (file,) = engine.files("two")
    assert sorted(pq.read_table(file).column("n").to_pylist()) == [2, 3]
    assert sorted(path.name for path in file.parent.glob("*.p*")) == [
        "one.parquet",
        "two.parquet",
    ]


def test_tables_stay_after_the_engine_is_closed(tmp_path):
    first = DuckdbEngine(tmp_path)
    first.put("kept", pa.table({"n": [5]}))
    first.close()
    second = DuckdbEngine(tmp_path)
    second.attach("kept", first.files("kept"))
    assert second.table("kept").to_pylist() == [{"n": 5}]
    second.close()


def test_batches_are_bounded(engine):
    engine.put("long", pa.table({"n": list(range(3 * BATCH_ROWS + 1))}))
    sizes = [batch.num_rows for batch in engine.batches("long")]
    assert max(sizes) <= BATCH_ROWS
    assert sum(sizes) == 3 * BATCH_ROWS + 1


def test_a_table_is_read_in_the_order_in_which_it_was_written(tmp_path):
    several = DuckdbEngine(tmp_path / "steps", "1GB", 2)
    try:
        # Many row groups, which threads read side by side.
        several.run(SqlStep("sorted", (), "SELECT range AS n FROM range(2000000) ORDER BY n DESC"))
        assert several.table("sorted")["n"].to_numpy().tolist() == list(range(1_999_999, -1, -1))
    finally:
        several.close()


@pytest.mark.parametrize("how", ["kernel", "sql"])
def test_a_failed_write_leaves_the_earlier_table_as_it_was(engine, how):
    engine.put("source", pa.table({"n": list(range(40_000))}))
    engine.run(SqlStep("made", ("source",), "SELECT n FROM source"))

    def second_batch_fails(batch):
        if batch.column(0)[0].as_py() != 0:
            raise RuntimeError("broken")
        return batch

    step = (
        KernelStep("made", "source", ("n",), N, second_batch_fails)
        if how == "kernel"
        else SqlStep("made", ("source",), "SELECT CAST(CONCAT('x', n) AS BIGINT) AS n FROM source")
    )
    with pytest.raises(Exception, match=r"broken|convert"):
        engine.run(step)
    assert sum(pq.read_metadata(file).num_rows for file in engine.files("made")) == 40_000
    assert engine.rows("made") == 40_000


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import pyarrow as pa
    from stillwatch.engines.duckdb import DuckdbEngine
    from stillwatch.engines.step import KernelStep

    engine = DuckdbEngine(Path(sys.argv[1]), "1GB", 1)
    engine.put("source", pa.table({"n": list(range(200_000))}))
    done = []

    def kernel(batch):
        done.append(batch)
        if len(done) == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch

    engine.run(KernelStep("made", "source", ("n",), pa.schema([("n", pa.int64())]), kernel))
"""


def test_a_killed_run_leaves_no_file_that_looks_whole(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert pq.read_table(tmp_path / "source.parquet").num_rows == 200_000
    assert not (tmp_path / "made.parquet").exists()
    # A second run over the same folder ends as if nothing had been there.
    engine = DuckdbEngine(tmp_path)
    engine.attach("source", [tmp_path / "source.parquet"])
    engine.run(KernelStep("made", "source", ("n",), N, lambda batch: batch))
    assert engine.rows("made") == 200_000
    assert not list(Path(tmp_path).glob("*.partial"))
    engine.close()


def test_limits_are_set(tmp_path):
    engine = DuckdbEngine(tmp_path, "512MB", 1)
    engine.run(
        SqlStep(
            "limits", (), "SELECT CURRENT_SETTING('threads') AS threads, CURRENT_SETTING('TimeZone') AS zone"
        )
    )
    assert engine.table("limits").to_pylist() == [{"threads": 1, "zone": "UTC"}]
    engine.close()


def test_tables_larger_than_memory_spill(tmp_path):
    engine = DuckdbEngine(tmp_path, "40MB", 1)
    engine.run(
        SqlStep(
            "sorted", (), "SELECT MD5(CAST(range AS VARCHAR)) AS h, range AS n FROM RANGE(600000) ORDER BY h"
        )
    )
    assert engine.rows("sorted") == 600_000
    engine.close()
