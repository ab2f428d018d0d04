"""One place that knows which engines there are and where they differ.

A test decorated with `every_engine` runs on each.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.engine import Engine
from stillwatch.engines.memory import MemoryEngine

OpenEngine = Callable[[Path], Engine]


@dataclass(frozen=True)
class Gap:
    """Where Spark gives something else than DuckDB.

    Attributes:
        reason: why that is so and is left so.
        values: what it concerns, for the test that holds the gap to its size.
    """

    reason: str
    values: frozenset[Any]


GAPS = {
    "lower": Gap(
        "DuckDB maps letter by letter, Spark by the rules of whole words, where a sigma at the end is another letter. "
        "Only domains of e-mail addresses are put into lower case, and those have neither.",
        frozenset({"\u0130", "\u03a3"}),
    ),
    "signature": Gap(
        "Stands in the first row of a skeleton in each batch, and batches differ; what is made of it does not.",
        frozenset({"prompt_signature", "system_prompt_signature"}),
    ),
    "identifiers": Gap(
        "Where exchanges are copied to a folder elsewhere (`spark_folder`), their identifiers are hashed first; "
        "otherwise nobody reads them. The table `quality` says which.",
        frozenset({"identifiers not read", "identifiers hashed"}),
    ),
    "unsigned": Gap(
        "Spark has no unsigned integers. Those of 64 bits have an exact stand-in; shorter ones are refused, no step "
        "has any.",
        frozenset({pa.uint8(), pa.uint16(), pa.uint32()}),
    ),
}

# One Spark for all tests of a process, since it takes seconds to start; small, since the tests' tables are, but with
# more than one partition even for those.
SMALL_SPARK = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.default.parallelism": "2",
    "spark.sql.files.openCostInBytes": "1",
    "spark.sql.files.minPartitionNum": "2",
    "spark.driver.memory": "1g",
    # Code that runs once need not be made fast; `make integration` runs it as users do.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def why_no_spark() -> str | None:
    """What Spark lacks here, or None."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed (pip install 'stillwatch[spark]')"
    return None if shutil.which("java") else "Spark needs Java, and there is none"


def open_spark(folder: Path | str, **options: Any) -> Engine:
    """A Spark engine in the one Spark of this process, which ends with it."""
    from stillwatch.engines.spark import SparkEngine
    from stillwatch.engines.spark_session import open_session

    session, _ = open_session("local[1]", SMALL_SPARK, None)
    for name, value in SMALL_SPARK.items():
        if name.startswith("spark.sql."):
            session.conf.set(name, value)
    return SparkEngine(session, str(folder), **options)


ENGINES: dict[str, OpenEngine] = {
    "duckdb": lambda folder: DuckdbEngine(folder, "1GB", 1),
    "memory": lambda folder: MemoryEngine(folder / "spill", "1GB", 1),
    "spark": open_spark,
}


def every_engine(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run a test with `open_engine` (working folder -> engine) of each engine."""
    lacking = why_no_spark()
    absent = [pytest.mark.skip(reason=lacking)] if lacking else []
    opened = [
        pytest.param(function, id=name, marks=absent if name == "spark" else [])
        for name, function in ENGINES.items()
    ]
    decorated: Callable[..., Any] = pytest.mark.parametrize("open_engine", opened)(test)
    return decorated
