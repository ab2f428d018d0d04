"""A session of Spark: the one that spark-submit made, or one of our own, quiet."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import DEVNULL

from stillwatch.engines.errors import EngineFailedError, EngineMissingError

try:
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession
except ImportError as error:
    raise EngineMissingError(
        f"Spark for Python is not installed ({error})", "run: pip install 'stillwatch[spark]'"
    ) from error

_GATEWAY = "PYSPARK_GATEWAY_PORT"
_OURS = {
    "spark.app.name": "stillwatch",
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    # Tables that the driver reads whole are small by design; a limit of Spark's on top would only cut in.
    "spark.driver.maxResultSize": "0",
}
_LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}


def open_session(
    master: str | None, conf: Mapping[str, str], log: Path | None
) -> tuple[SparkSession, Callable[[], None]]:
    """A session with tables and settings of its own, and what ends it.

    Args:
        master: URL of a master; None takes what spark-submit or Spark's own settings name.
        conf: settings of Spark, before all others; without effect on a Spark that runs already.
        log: file that Spark's own output goes to; None drops it. A Spark that runs already keeps its own.

    Raises:
        EngineMissingError: there is no Java.
        EngineFailedError: Spark does not start, or runs already with another master.
    """
    running = SparkContext._active_spark_context
    if running is None:
        running = _start(master, conf, log)
        stop = running.stop
    else:
        if master is not None and running.master != master:
            raise EngineFailedError(f"Spark runs already with the master {running.master}, not with {master}")
        stop = _nothing
    return SparkSession(running).newSession(), stop


def is_submitted(conf: Mapping[str, str]) -> bool:
    """Whether somebody else has said which master there is: spark-submit, a running Spark, or its settings."""
    return _GATEWAY in os.environ or SparkContext._active_spark_context is not None or "spark.master" in conf


def _nothing() -> None:
    return None


def _start(master: str | None, conf: Mapping[str, str], log: Path | None) -> SparkContext:
    # Workers must be the same Python, or they find neither pyarrow nor our kernels.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    settings = SparkConf()
    for name, value in (_OURS | (_LOCAL if (master or "").startswith("local") else {}) | dict(conf)).items():
        settings.set(name, value)
    if master is not None:
        settings.setMaster(master)
    require_java()
    try:
        # Java stays when Spark is stopped, and takes the next one in.
        gateway = SparkContext._gateway or _launch(settings, log)
        context = SparkContext(conf=settings, gateway=gateway)
    except (PySparkException, OSError) as error:
        raise EngineFailedError(f"Spark does not start{_reason(log)}") from error
    context.setLogLevel("ERROR")
    # What fails is raised; PySpark would print it as well.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    return context


def _launch(settings: SparkConf, log: Path | None) -> object:
    if log is None:
        return launch_gateway(settings, {"stdout": DEVNULL, "stderr": DEVNULL})
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as told:
        return launch_gateway(settings, {"stdout": told, "stderr": told})


def require_java() -> None:
    """See that there is a Java to start Spark in, unless somebody else has.

    Raises:
        EngineMissingError: there is none.
    """
    if _GATEWAY in os.environ or SparkContext._gateway is not None:
        return
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return
    if home or shutil.which("java") is None:
        where = f"JAVA_HOME names {home}, which holds none" if home else "there is none on the PATH"
        raise EngineMissingError(
            f"Spark needs Java, and {where}", "install Java 17 or newer, or set JAVA_HOME"
        )


def _reason(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if "rror" in line]
    return f": {lines[-1]}" if lines else f" (see {log})"
