"""Which engine a run computes with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stillwatch.engines.engine import Engine

DUCKDB = "duckdb"
SPARK = "spark"
LOG = "spark.log"


@dataclass(frozen=True)
class EngineChoice:
    """How to compute.

    Attributes:
        name: `duckdb` or `spark`.
        memory_limit: memory of DuckDB, or of Spark where all of it runs in one process; such as "4GB".
        threads: threads of the same.
        master: Spark's master; None takes spark-submit's, or else `threads` threads on this machine.
        folder: URL of a working folder that Spark's workers share, where they cannot read this machine's files.
        conf: further settings of Spark.
    """

    name: str = DUCKDB
    memory_limit: str = "4GB"
    threads: int = 2
    master: str | None = None
    folder: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)


def require_engine(choice: EngineChoice) -> None:
    """See that an engine's packages and programs are there, before other work is done for it.

    Raises:
        EngineMissingError: one is not.
    """
    if choice.name == SPARK:
        from stillwatch.engines.spark_session import require_java  # noqa: PLC0415

        require_java()


def open_engine(folder: Path, choice: EngineChoice) -> Engine:
    """An engine that works in a folder.

    Raises:
        EngineMissingError: a package or program that it needs is not installed.
        EngineFailedError: it does not start.
    """
    # Whoever only reads settings need not wait for either.
    if choice.name == SPARK:
        return _spark(folder, choice)
    from stillwatch.engines.duckdb import DuckdbEngine  # noqa: PLC0415

    return DuckdbEngine(folder, choice.memory_limit, choice.threads)


def _spark(folder: Path, choice: EngineChoice) -> Engine:
    from stillwatch.engines.spark_session import is_submitted, open_session  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    master, conf = choice.master, dict(choice.conf)
    if master is None and not is_submitted(conf):
        master = f"local[{choice.threads}]"
    if master is not None and master.startswith("local"):
        conf = {
            "spark.driver.memory": _java_memory(choice.memory_limit),
            "spark.local.dir": str(folder / "spill"),
            **conf,
        }
    session, stop = open_session(master, conf, folder / LOG)
    from stillwatch.engines.spark import SparkEngine  # noqa: PLC0415

    return SparkEngine(session, choice.folder or str(folder), upload=choice.folder is not None, stop=stop)


def _java_memory(limit: str) -> str:
    """A limit as Java writes it: `4GB` and `4GiB` are `4096m`."""
    number = float(limit.rstrip("KMGTiB "))
    unit = next(letter for letter in limit if letter in "KMGT")
    return f"{max(512, int(number * 1024.0 ** ('KMGT'.index(unit) - 1)))}m"
