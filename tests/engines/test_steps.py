"""What every engine promises, on every engine."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.engines.errors import EngineError
from stillwatch.engines.run import Run
from stillwatch.engines.step import DriverStep, FoldStep, KernelStep, SqlStep
from tests.engines.every_engine import every_engine

WORDS = pa.table({"word": ["a", "b", None, "a", "ä"], "n": pa.array([1, 2, 3, 4, None], pa.int64())})
DOUBLED = pa.schema([("n", pa.int64())])


def double(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch([pc.multiply(batch.column(0), 2)], schema=DOUBLED)


def kernel_step(
    source: str = "words", kernel: Callable[[pa.RecordBatch], pa.RecordBatch] = double
) -> KernelStep:
    return KernelStep("doubled", source, ("n",), DOUBLED, kernel)


def count_step(source: str = "words") -> FoldStep[Any]:
    def update(state: Counter[str], batch: pa.RecordBatch) -> Counter[str]:
        state.update(batch.column(0).to_pylist())
        return state

    def finish(state: Counter[str]) -> pa.Table:
        return pa.table(
            {"word": pa.array(list(state), pa.string()), "n": pa.array(state.values(), pa.int64())}
        )

    return FoldStep("counted", source, ("word",), Counter, update, lambda a, b: a + b, finish)


SQL = SqlStep("by_word", ("words",), "SELECT word, COUNT(*) AS k, SUM(n) AS n FROM words GROUP BY word")
DRIVER = DriverStep(
    "pair", ("words", "doubled"), lambda t: pa.table({"rows": [t["words"].num_rows + t["doubled"].num_rows]})
)


def rows(table: pa.Table) -> list[Any]:
    return sorted(map(tuple, (row.values() for row in table.to_pylist())), key=repr)


@pytest.fixture
def engine(open_engine, tmp_path):
    made = open_engine(tmp_path / "a folder's steps")
    made.put("words", WORDS)
    yield made
    made.close()


@every_engine
def test_each_kind_of_step_makes_its_table(engine):
    for step in (SQL, kernel_step(), count_step(), DRIVER):
        engine.run(step)
        assert engine.has(step.output)
    assert rows(engine.table("by_word")) == rows(
        pa.table({"word": ["a", "b", None, "ä"], "k": [2, 1, 1, 1], "n": [5, 2, 3, None]})
    )
    assert sorted(engine.table("doubled").column("n").to_pylist(), key=str) == [2, 4, 6, 8, None]
    assert rows(engine.table("counted")) == rows(pa.table({"word": ["a", "b", None, "ä"], "n": [2, 1, 1, 1]}))
    assert engine.table("pair").to_pylist() == [{"rows": 10}]


@every_engine
def test_tables_are_described(engine):
    assert engine.has("words")
    assert not engine.has("sentences")
    assert engine.rows("words") == 5
    assert engine.columns("words") == ["word", "n"]
    assert engine.table("words", ["n"]).column_names == ["n"]
    assert pa.Table.from_batches(engine.batches("words", ["n"])).column_names == ["n"]


@every_engine
def test_rows_are_picked_by_a_key(engine):
    def picked(values, columns=("n", "word")):
        return rows(engine.pick("words", columns, {"word": pa.array(values, pa.string())}))

    assert picked(["a", "ä", "z"]) == rows(pa.table({"n": [1, 4, None], "word": ["a", "a", "ä"]}))
    assert picked(["it's", "z"]) == picked([]) == []
    assert picked(["b"], ["n"]) == [(2,)]
    two = {"word": pa.array(["a", "b"]), "n": pa.array([2, 4, 5], pa.int64())}
    assert rows(engine.pick("words", ["word", "n"], two)) == [("a", 4), ("b", 2)]
    assert engine.pick("words", ["n"], {"word": pa.array([], pa.string())}).schema.names == ["n"]


@every_engine
@pytest.mark.parametrize("other", ["m", "File_Row_Number", "filename"])
def test_rows_are_picked_out_of_many_files_and_pages(open_engine, tmp_path, other):
    start = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    moments = [start + dt.timedelta(microseconds=i) for i in range(999)]
    table = pa.table(
        {
            "k": [f"k{i}" for i in range(999)],
            "text": [f"text {i} " * 9 for i in range(999)],
            "ts": pa.array(moments, pa.timestamp("us", "UTC")),
            other: pa.array(range(999)),
        }
    )
    files = [tmp_path / f"it's {part}.parquet" for part in range(3)]
    for part, file in enumerate(files):
        part_of_it = table.slice(333 * part, 333)
        pq.write_table(part_of_it, file, row_group_size=100, data_page_size=512, use_dictionary=["k"])
    engine = open_engine(tmp_path / "steps")
    engine.attach("texts", files)
    wanted = [0, 1, 99, 100, 332, 333, 500, 998]
    expected = rows(table.take(wanted).select(["text", "k"]))
    keys = pa.array([f"k{i}" for i in wanted])
    assert rows(engine.pick("texts", ["text", "k"], {"k": keys})) == expected
    times = table.column("ts").take(wanted).combine_chunks()
    assert rows(engine.pick("texts", ["text", "k"], {"ts": times, "k": keys})) == expected
    both = {"ts": times, "k": pa.array(["k1", "k2", "k998"])}
    assert rows(engine.pick("texts", ["k"], both)) == [("k1",), ("k998",)]
    engine.close()


@every_engine
def test_a_step_that_runs_again_replaces_its_table(engine):
    engine.run(kernel_step())
    engine.put("words", WORDS.slice(0, 2))
    engine.run(kernel_step())
    assert engine.rows("doubled") == 2


@every_engine
def test_steps_on_empty_tables_keep_their_columns(engine):
    engine.put("words", WORDS.slice(0, 0))
    for step in (SQL, kernel_step(), count_step(), DRIVER):
        engine.run(step)
    assert engine.rows("by_word") == engine.rows("doubled") == engine.rows("counted") == 0
    assert engine.columns("by_word") == ["word", "k", "n"]
    assert engine.table("doubled").schema.names == ["n"]
    assert engine.table("pair").to_pylist() == [{"rows": 0}]
    assert sum(batch.num_rows for batch in engine.batches("words")) == 0


@every_engine
def test_types_survive(engine):
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=dt.UTC)
    table = pa.table(
        {
            "ts": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "hash": pa.array([2**64 - 1, 0], pa.uint64()),
            "raw": pa.array([b"\x00\xff", None], pa.binary()),
            "list": pa.array([["x", "y"], []], pa.list_(pa.string())),
            "yes": pa.array([True, None], pa.bool_()),
            "small": pa.array([0.25, None], pa.float32()),
        }
    )
    engine.put("typed", table)
    engine.run(SqlStep("copied", ("typed",), "SELECT * FROM typed"))
    for name in ("typed", "copied"):
        found = engine.table(name)
        assert found.to_pylist() == table.to_pylist()
        assert found.schema.field("ts").type == pa.timestamp("us", "UTC")
        assert found.schema.field("hash").type == pa.uint64()
        batch = next(iter(engine.batches(name)))
        assert batch.schema.field("ts").type == pa.timestamp("us", "UTC")


@every_engine
def test_hours_are_hours_of_utc(engine):
    moment = dt.datetime(2026, 7, 1, 23, 30, tzinfo=dt.UTC)
    engine.put("moments", pa.table({"ts": pa.array([moment], pa.timestamp("us", "UTC"))}))
    engine.run(
        SqlStep(
            "hours", ("moments",), "SELECT DATE_TRUNC('hour', ts) AS h, CAST(ts AS DATE) AS d FROM moments"
        )
    )
    (row,) = engine.table("hours").to_pylist()
    assert row["d"] == dt.date(2026, 7, 1)
    assert row["h"].astimezone(dt.UTC) == moment.replace(minute=0)


@every_engine
def test_batches_can_be_read_while_other_statements_run(engine):
    n = 200_000
    engine.put("long", pa.table({"n": np.arange(n)}))
    seen = 0
    for batch in engine.batches("long"):
        assert engine.rows("words") == 5
        assert engine.table("words").num_rows == 5
        seen += batch.num_rows
    assert seen == n


@every_engine
def test_a_kernel_may_change_the_number_of_rows(engine):
    def twice_the_even(batch):
        even = batch.filter(pc.equal(pc.bit_wise_and(batch.column(0), 1), 0)).column(0)
        return pa.record_batch([pa.concat_arrays([even, even])], schema=DOUBLED)

    engine.put("long", pa.table({"n": np.arange(50_000)}))
    engine.run(kernel_step("long", twice_the_even))
    assert engine.rows("doubled") == 50_000


@every_engine
def test_files_are_attached_in_any_number_and_with_quotes_in_their_path(open_engine, tmp_path):
    folder = tmp_path / 'it\'s "quoted" [1]'
    folder.mkdir()
    files = []
    for number in range(3):
        files.append(folder / f"part '{number}'.parquet")
        pq.write_table(pa.table({"n": [number]}), files[-1])
    engine = open_engine(folder / "work'ing")
    engine.attach("parts", files)
    engine.put("own", pa.table({"n": [7]}))
    engine.run(SqlStep("both", ("parts", "own"), "SELECT n FROM parts UNION ALL SELECT n FROM own"))
    assert sorted(engine.table("both").column("n").to_pylist()) == [0, 1, 2, 7]
    engine.close()


@every_engine
def test_a_step_that_fails_makes_no_table(engine, tmp_path):
    def broken(batch):
        raise RuntimeError("broken kernel")

    # An engine on other machines cannot pass the exception itself on.
    with pytest.raises((RuntimeError, EngineError), match="broken kernel"):
        engine.run(kernel_step(kernel=broken))
    assert not engine.has("doubled")
    with pytest.raises(Exception, match="nowhere"):
        engine.run(SqlStep("gone", ("words",), "SELECT * FROM nowhere"))
    assert not engine.has("gone")
    # The engine is still of use.
    engine.run(kernel_step())
    assert engine.rows("doubled") == 5


@every_engine
def test_a_run_tells_its_steps_and_keeps_their_times(engine):
    told = []
    run = Run(engine, lambda *report: told.append(report), 9)
    run.steps([SQL, kernel_step()])
    assert [timing["name"] for timing in run.timings] == ["by_word", "doubled"]
    assert [timing["rows"] for timing in run.timings] == [4, 5]
    assert all(timing["seconds"] >= 0 for timing in run.timings)
    assert told == [("by word", 0, 9), ("doubled", 1, 9)]
