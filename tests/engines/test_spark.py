"""What only Spark's engine promises: exact types, folds over many partitions, a shared folder, quiet, clear errors."""

import datetime as dt
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.engines.errors import EngineError, EngineFailedError, EngineMissingError
from stillwatch.engines.opening import EngineChoice, open_engine
from stillwatch.engines.step import DriverStep, FoldStep, KernelStep, SqlStep
from tests.engines.every_engine import GAPS, open_spark, why_no_spark

lacking = why_no_spark()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=dt.UTC)
TYPED = pa.table(
    {
        "u": pa.array([2**64 - 1, 2**63, None], pa.uint64()),
        "i": pa.array([-(2**63), 2**63 - 1, None], pa.int64()),
        "small": pa.array([-128, 127, None], pa.int8()),
        "f": pa.array([float("nan"), float("-inf"), None], pa.float64()),
        "g": pa.array([0.1, -0.0, None], pa.float32()),
        "ts": pa.array([MOMENT, MOMENT.replace(year=1400), None], pa.timestamp("us", "UTC")),
        "naive": pa.array([MOMENT.replace(tzinfo=None), None, None], pa.timestamp("us")),
        "day": pa.array([MOMENT.date(), dt.date(1, 1, 1), None], pa.date32()),
        "fixed": pa.array([b"\x00\xff", b"ab", None], pa.binary(2)),
        "raw": pa.array([b"", b"\x00", None], pa.large_binary()),
        "text": pa.array(["", "𝄞\x00", None], pa.large_string()),
        "coded": pa.array(["x", "x", None]).dictionary_encode(),
        "list": pa.array([["x", None], [], None], pa.list_(pa.string())),
        "hashes": pa.array([[2**64 - 1], [], None], pa.list_(pa.uint64())),
        "nothing": pa.nulls(3),
    }
)
SEEN = {
    "fixed": pa.binary(),
    "raw": pa.binary(),
    "text": pa.string(),
    "coded": pa.string(),
    "nothing": pa.int32(),
}
"""Types that become another one, as they do on DuckDB."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    made = open_spark(tmp_path_factory.mktemp("spark"))
    yield made
    made.close()


def as_text(table: pa.Table) -> list[str]:
    return sorted(map(repr, table.to_pylist()))


def test_values_and_types_survive_every_way_through(engine):
    engine.put("typed", TYPED)
    seen = pa.schema([(field.name, SEEN.get(field.name, field.type)) for field in TYPED.schema])
    kernel = KernelStep("by_kernel", "typed", tuple(TYPED.column_names), TYPED.schema, _cast_back)
    engine.run(kernel)
    engine.run(SqlStep("by_sql", ("by_kernel",), "SELECT * FROM by_kernel"))
    for name in ("typed", "by_kernel", "by_sql"):
        found = engine.table(name)
        assert found.schema.equals(seen), name
        assert as_text(found) == as_text(TYPED), name
        assert pa.Table.from_batches(engine.batches(name)).schema.equals(seen)


def _cast_back(batch):
    # A kernel sees what it would see on DuckDB, and may give any type that its schema names.
    assert batch.schema.field("u").type == pa.uint64()
    assert batch.schema.field("text").type == pa.string()
    assert batch.schema.field("ts").type == pa.timestamp("us", "UTC")
    columns = [
        column.cast(field.type)
        for column, field in zip(batch.columns[:-1], list(TYPED.schema)[:-1], strict=True)
    ]
    return pa.record_batch([*columns, pa.nulls(batch.num_rows)], schema=TYPED.schema)


@pytest.mark.parametrize(
    "kind", [*sorted(GAPS["unsigned"].values, key=str), pa.time64("us"), pa.duration("s")], ids=str
)
def test_a_type_that_spark_lacks_is_refused(engine, kind):
    with pytest.raises(EngineFailedError, match="no type for"):
        engine.put("refused", pa.table({"x": pa.array([1], kind)}))
    assert not engine.has("refused")


def in_many_files(engine, folder: Path, table: pa.Table, parts: int) -> None:
    """A table in so many files, some of which are empty."""
    folder.mkdir(exist_ok=True)
    bounds = np.linspace(0, table.num_rows, parts // 2 + 1).astype(int)
    files = []
    for number in range(parts):
        at = number // 2
        length = int(bounds[at + 1] - bounds[at]) if number % 2 else 0
        files.append(folder / f"{number}.parquet")
        pq.write_table(table.slice(int(bounds[at]), length), files[-1])
    engine.attach("parted", files)


def test_a_kernel_meets_empty_partitions_and_none(engine, tmp_path):
    schema = pa.schema([("n", pa.uint64())])
    step = KernelStep(
        "odd", "parted", ("n",), schema, lambda b: b.filter(pc.equal(pc.bit_wise_and(b.column(0), 1), 1))
    )
    numbers = pa.table({"n": pa.array(range(50), pa.uint64())})
    for table, expected in ((numbers, 25), (numbers.slice(0, 0), 0)):
        in_many_files(engine, tmp_path / str(expected), table, 6)
        engine.run(step)
        assert engine.rows("odd") == expected
        assert engine.table("odd").schema == schema


def counting(key: bool) -> FoldStep[Counter[int]]:
    """How many states have met a number: 1 each where rows of one key go to one state."""

    def update(state: Counter[int], batch: pa.RecordBatch) -> Counter[int]:
        return Counter(state | Counter(set(batch.column(0).drop_null().to_pylist())))

    def finish(state: Counter[int]) -> pa.Table:
        numbers = sorted(state)
        return pa.table(
            {"n": pa.array(numbers, pa.uint64()), "states": pa.array([state[n] for n in numbers], pa.int64())}
        )

    same = (lambda batch: batch.column(0)) if key else None
    return FoldStep("met", "parted", ("n",), Counter, update, lambda a, b: a + b, finish, same)


@pytest.mark.parametrize("states", [2, 17])  # few, and more than are merged at once
def test_equal_keys_are_folded_into_one_state_however_many_there_are(engine, tmp_path, states, monkeypatch):
    monkeypatch.setattr(type(engine), "_parts", lambda self: states)
    many = pa.table({"n": pa.array([*range(60), None, 2**64 - 1] * 7, pa.uint64())})
    in_many_files(engine, tmp_path / "many", many, 8)
    engine.run(counting(key=True))
    assert engine.table("met").column("n").to_pylist() == [*range(60), 2**64 - 1]
    assert set(engine.table("met").column("states").to_pylist()) == {1}
    assert not engine.has("met_states")


def test_without_a_key_equal_rows_meet_several_states(engine, tmp_path):
    """Or the test above would pass for want of partitions."""
    in_many_files(engine, tmp_path / "many", pa.table({"n": pa.array([5] * 80, pa.uint64())}), 8)
    engine.run(counting(key=False))
    assert engine.table("met").column("states").to_pylist()[0] > 1


def test_a_state_may_be_larger_than_a_piece(engine):
    from stillwatch.engines.spark_arrow import PIECE

    size = PIECE + 1000

    def update(state, batch):
        # Noise, which no compression makes small.
        return np.random.default_rng(0).bytes(size) if batch.num_rows else state

    def finish(state):
        return pa.table({"length": [len(state)], "same": [state == np.random.default_rng(0).bytes(size)]})

    engine.put("numbers", pa.table({"n": [1, 2]}))
    engine.run(FoldStep("large", "numbers", ("n",), bytes, update, lambda a, b: a or b, finish))
    assert engine.table("large").to_pylist() == [{"length": size, "same": True}]


def test_a_table_is_whole_or_absent(engine, tmp_path):
    own = open_spark(tmp_path / "work")
    own.put("numbers", pa.table({"n": list(range(10))}))
    assert (tmp_path / "work" / "numbers" / "_SUCCESS").exists()

    def broken(batch):
        raise ValueError("broken kernel")

    with pytest.raises(EngineFailedError, match="doubled: ValueError: broken kernel"):
        own.run(KernelStep("doubled", "numbers", ("n",), pa.schema([("n", pa.int64())]), broken))
    assert not (tmp_path / "work" / "doubled").exists() and not own.has("doubled")
    own.export("numbers", tmp_path / "numbers.parquet")
    assert pq.read_table(tmp_path / "numbers.parquet").to_pylist() == [{"n": n} for n in range(10)]
    own.close()


def test_a_shared_folder_gets_copies_of_what_is_attached(tmp_path):
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "mine.parquet")
    shared = tmp_path / "shared [1]"
    engine = open_spark(f"file://{shared}", upload=True)
    engine.attach("mine", [tmp_path / "mine.parquet"])
    (tmp_path / "mine.parquet").unlink()
    engine.run(SqlStep("sums", ("mine",), "SELECT CAST(SUM(n) AS BIGINT) AS n FROM mine"))
    assert engine.table("sums").to_pylist() == [{"n": 3}]
    assert [file.name for file in (shared / "mine.attached").glob("*.parquet")] == ["0.parquet"]
    engine.close()


def test_an_interrupted_run_finds_its_tables_again(tmp_path):
    first = open_spark(tmp_path / "work")
    first.put("numbers", pa.table({"n": pa.array([1, 2**64 - 1], pa.uint64())}))
    first.close()
    second = open_spark(tmp_path / "work")
    assert second.recall("numbers", 2)
    assert second.table("numbers").column("n").to_pylist() == [1, 2**64 - 1]
    assert second.table("numbers").schema == pa.schema([("n", pa.uint64())])
    # Another table of that name, one that was not finished, and none at all.
    assert not second.recall("numbers", 3) and not second.has("numbers")
    (tmp_path / "work" / "numbers" / "_SUCCESS").unlink()
    assert not second.recall("numbers", 2)
    assert not second.recall("letters", 0)
    second.close()


def test_columns_that_no_step_reads_may_be_of_any_type(engine, tmp_path):
    strange = {"ns": pa.array([1], pa.timestamp("ns")), "u8": pa.array([255], pa.uint8())}
    pq.write_table(pa.table({"n": [1], **strange}), tmp_path / "strange.parquet")
    engine.attach("strange", [tmp_path / "strange.parquet"])
    engine.run(SqlStep("plain", ("strange",), "SELECT n FROM strange"))
    assert engine.table("plain").to_pylist() == [{"n": 1}]


def test_files_that_are_missing_or_damaged_are_told(engine, tmp_path):
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 no more")
    for file in (tmp_path / "damaged.parquet", tmp_path / "missing.parquet"):
        with pytest.raises(EngineError, match=file.name):
            engine.attach("gone", [file])


def test_what_a_driver_step_raises_is_passed_on(engine):
    engine.put("numbers", pa.table({"n": [1]}))

    def broken(tables):
        raise KeyError("a step's own")

    with pytest.raises(KeyError, match="a step's own"):
        engine.run(DriverStep("gone", ("numbers",), broken))


def test_java_that_is_missing_is_told(tmp_path):
    """In a process of its own: this one has a Spark that runs."""
    script = """
import sys
from pathlib import Path
from stillwatch.engines.errors import EngineMissingError
from stillwatch.engines.opening import EngineChoice, open_engine
try:
    open_engine(Path(sys.argv[1]), EngineChoice("spark"))
except EngineMissingError as error:
    print(error, error.remedy)
"""
    for environment, told in (
        ({"PATH": str(tmp_path)}, "there is none on the PATH"),
        ({"PATH": str(tmp_path), "JAVA_HOME": str(tmp_path)}, "which holds none"),
    ):
        command = [sys.executable, "-c", script, str(tmp_path / "work")]
        ended = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
        assert told in ended.stdout and "install Java 17" in ended.stdout


def test_a_spark_that_is_not_installed_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.delitem(sys.modules, "stillwatch.engines.spark_session", raising=False)
    with pytest.raises(EngineMissingError) as told:
        open_engine(tmp_path, EngineChoice("spark"))
    assert told.value.remedy == "run: pip install 'stillwatch[spark]'"


def test_another_master_than_the_one_that_runs_is_refused(engine, tmp_path):
    with pytest.raises(
        EngineFailedError, match=r"runs already with the master local\[1\], not with spark://host:7077"
    ):
        open_engine(tmp_path, EngineChoice("spark", master="spark://host:7077"))
