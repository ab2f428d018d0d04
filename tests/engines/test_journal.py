"""What a run has finished is known to the next run in the same folder, and nothing else is."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.journal import MANIFEST, Journal
from stillwatch.engines.memory import MemoryEngine
from stillwatch.engines.run import Run
from stillwatch.engines.step import DriverStep, KernelStep, SqlStep

IDENTITY = {"version": "1"}


def steps(ran):
    """Three steps of three kinds, each of which says that it ran."""

    def numbers(_):
        ran.append("numbers")
        return pa.table({"n": list(range(100))})

    def doubled(batch):
        ran.append("doubled")
        return pa.RecordBatch.from_pydict({"n": [2 * n.as_py() for n in batch.column(0)]})

    return [
        DriverStep("numbers", (), numbers),
        KernelStep("doubled", "numbers", ("n",), pa.schema([("n", pa.int64())]), doubled),
        SqlStep("total", ("doubled",), "SELECT SUM(n) AS total FROM doubled"),
    ]


def run(folder, journal, count=3):
    ran: list[str] = []
    engine = DuckdbEngine(folder)
    told = Run(engine, lambda *_: None, 0, journal)
    told.steps(steps(ran)[:count])
    found = engine.table("total").to_pylist() if count == 3 else None
    engine.close()
    return ran, found, [timing["name"] for timing in told.timings]


@pytest.fixture
def folder(tmp_path):
    run(tmp_path, Journal(tmp_path, IDENTITY))
    return tmp_path


def test_finished_steps_are_not_run_again(folder):
    journal = Journal.load(folder)
    assert journal.identity == IDENTITY
    assert [(step.name, step.rows) for step in journal.finished] == [
        ("numbers", 100),
        ("doubled", 100),
        ("total", 1),
    ]
    assert run(folder, journal) == ([], [{"total": 9900}], ["numbers", "doubled", "total"])


@pytest.mark.parametrize("harm", ["shorter", "gone", "rows", "renamed"])
def test_what_is_not_whole_is_made_again_with_all_behind_it(folder, harm):
    (part,) = (folder / "doubled").glob("*.parquet")
    manifest = folder / MANIFEST
    if harm == "shorter":
        part.write_bytes(part.read_bytes()[:-1])
    elif harm == "gone":
        part.unlink()
    elif harm == "rows":  # of the right size, but not the table that was there
        manifest.write_text(manifest.read_text().replace('"rows": 100', '"rows": 99'))
    else:
        manifest.write_text(manifest.read_text().replace('"doubled"', '"tripled"'))
    journal = Journal.load(folder)
    ran, found, _ = run(folder, journal)
    assert ran == (["numbers", "doubled"] if harm == "rows" else ["doubled"])
    assert found == [{"total": 9900}]
    assert [step.name for step in Journal.load(folder).finished] == ["numbers", "doubled", "total"]
    assert pq.read_table(folder / "total.parquet").num_rows == 1


def test_a_run_that_is_stopped_early_knows_what_it_had(folder, tmp_path):
    journal = Journal(tmp_path / "other", IDENTITY)
    (tmp_path / "other").mkdir()
    assert run(tmp_path / "other", journal, 1)[0] == ["numbers"]
    assert run(tmp_path / "other", Journal.load(tmp_path / "other"))[0] == ["doubled"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"identity": {}, "steps": [{"name": "x"}]}'])
def test_a_manifest_that_is_none_is_no_journal(tmp_path, text):
    assert Journal.load(tmp_path) is None
    (tmp_path / MANIFEST).write_text(text)
    assert Journal.load(tmp_path) is None


def test_a_manifest_is_replaced_as_a_whole(folder):
    (folder / f"{MANIFEST}.partial").write_text("torn")
    assert len(Journal.load(folder).finished) == 3
    assert set(json.loads((folder / MANIFEST).read_text())) == {"identity", "steps"}


def test_an_engine_in_memory_recalls_nothing(tmp_path):
    engine = MemoryEngine(tmp_path)
    engine.put("x", pa.table({"n": [1]}))
    assert engine.recall("x", 1) is False
    engine.close()
