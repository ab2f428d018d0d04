"""Every step of a scan makes the same table on Spark as on DuckDB, from the same tables of a small world."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.engine import Engine
from stillwatch.engines.step import DriverStep, FoldStep, KernelStep, SqlStep, Step
from stillwatch.lab.simulate import simulate
from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import load_settings
from tests.engines.comparing import differences
from tests.engines.every_engine import GAPS, open_spark, why_no_spark

WORLD = Path(__file__).with_name("world.toml")
lacking = why_no_spark()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@dataclass
class Recorder:
    """An engine that remembers what it was asked for, and every table that was read or made."""

    engine: Engine
    steps: list[Step] = field(default_factory=list)
    tables: dict[str, pa.Table] = field(default_factory=dict)

    def run(self, step: Step) -> None:
        self.engine.run(step)
        self.steps.append(step)
        for name in (*inputs(step), step.output):
            if name not in self.tables:
                self.tables[name] = self.engine.table(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


def inputs(step: Step) -> tuple[str, ...]:
    return (step.input,) if isinstance(step, KernelStep | FoldStep) else step.inputs


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """A scan on DuckDB."""
    folder = tmp_path_factory.mktemp("scan")
    world = simulate(WORLD, 4, folder / "world")
    made: list[Recorder] = []

    def recording(steps: Path, choice: object) -> Any:
        made.append(Recorder(DuckdbEngine(steps, "1GB", 1)))
        return made[0]

    settings = load_settings(None, {"key_file": folder / "key"})
    with mock.patch("stillwatch.scan.open_engine", recording):
        outcome = scan(ScanRequest((str(world.dataset),)), folder / "results", settings)
    assert outcome.rungs, "a world whose last steps have nothing to do would test nothing"
    return made[0]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_spark(tmp_path_factory.mktemp("spark"))
    yield engine
    engine.close()


def test_every_step_makes_the_same_table(recorded, spark):
    apart = {}
    for step in recorded.steps:
        if isinstance(step, DriverStep):
            continue  # a function of whole tables, in this process on every engine
        for name in inputs(step):
            if not spark.has(name):
                spark.put(name, recorded.tables[name])
        expected = recorded.tables[step.output]
        spark.run(step)
        found = spark.table(step.output)
        compared = [name for name in expected.column_names if name not in GAPS["signature"].values]
        if told := differences(expected.select(compared), found.select(compared)):
            apart[step.output] = told
    assert apart == {}


def test_the_world_gives_every_step_something_to_do(recorded):
    kinds = {
        kind: [step for step in recorded.steps if isinstance(step, kind)]
        for kind in (SqlStep, KernelStep, FoldStep)
    }
    assert all(kinds.values())
    tables = [step for found in kinds.values() for step in found]
    empty = sorted(step.output for step in tables if recorded.tables[step.output].num_rows == 0)
    # In so small a world no task of a thinned group comes back; tests/campaigns holds that step.
    assert set(empty) <= {"candidate_tasks"}
