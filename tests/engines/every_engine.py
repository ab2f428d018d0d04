"""One place that knows which engines there are: a test decorated with `every_engine` runs on each."""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.engine import Engine
from stillwatch.engines.memory import MemoryEngine

OpenEngine = Callable[[Path], Engine]

GAPS: dict[str, str] = {}
"""What an engine does not do: `engine:test` -> the reason. A gap whose test passes after all is an error."""

# One Spark for all tests of a process, since it takes seconds to start; small, since the tests' tables are.
SMALL_SPARK = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.default.parallelism": "2",
    "spark.driver.memory": "1g",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
}


def why_no_spark() -> str | None:
    """What Spark lacks here, or None."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed (pip install 'stillwatch[spark]')"
    return None if shutil.which("java") else "Spark needs Java, and there is none"


def _spark(folder: Path) -> Engine:
    from stillwatch.engines.spark import SparkEngine
    from stillwatch.engines.spark_session import open_session

    session, _ = open_session("local[1]", SMALL_SPARK, None)
    for name, value in SMALL_SPARK.items():
        if name.startswith("spark.sql."):
            session.conf.set(name, value)
    # Sessions share one Spark, which ends with the process.
    return SparkEngine(session, str(folder))


ENGINES: dict[str, OpenEngine] = {
    "duckdb": lambda folder: DuckdbEngine(folder, "1GB", 1),
    "memory": lambda folder: MemoryEngine(folder / "spill", "1GB", 1),
    "spark": _spark,
}


def every_engine(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run a test with `open_engine` (working folder -> engine) of each engine."""
    lacking = why_no_spark()
    opened = []
    for name, function in ENGINES.items():
        marks = []
        if name == "spark" and lacking:
            marks.append(pytest.mark.skip(reason=lacking))
        if gap := GAPS.get(f"{name}:{test.__name__}"):
            marks.append(pytest.mark.xfail(reason=gap, strict=True))
        opened.append(pytest.param(function, id=name, marks=marks))
    decorated: Callable[..., Any] = pytest.mark.parametrize("open_engine", opened)(test)
    return decorated
