"""Spark's complaints -> errors of an engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from stillwatch.engines.errors import EngineDiskError, EngineFailedError, EngineMemoryError

_MEMORY = (
    "OutOfMemoryError",
    "SparkOutOfMemoryError",
    "MemoryError",
    "exceeding memory limits",
    "exit code 137",
)
_DISK = ("No space left on device", "DiskErrorException", "Disk quota exceeded")


@contextmanager
def complaints(table: str) -> Iterator[None]:
    """Turn what Spark complains of while it works on a table into errors of an engine.

    Its messages hold stack traces of several languages; the line that says what happened is the last one of Python's,
    where a step's own code failed, and the first one elsewhere.
    """
    try:
        yield
    except (PySparkException, Py4JError) as error:
        text = str(error)
        words = f"{table}: {_telling_line(text)}"
        if any(sign in text for sign in _MEMORY):
            raise EngineMemoryError(words) from error
        if any(sign in text for sign in _DISK):
            raise EngineDiskError(words) from error
        raise EngineFailedError(words) from error
    except OSError as error:
        raise EngineDiskError(f"{table}: {error}") from error


def _telling_line(text: str) -> str:
    _, found, traced = text.rpartition("Traceback (most recent call last):")
    if found:
        # Lines of the traceback are indented; the exception's own is the first that is not.
        told = [line for line in traced.splitlines() if line.strip() and not line.startswith(" ")]
        if told:
            return told[0].strip()
    lines = [line.strip(": ") for line in text.splitlines() if line.strip()]
    # What Py4J says before Java's own words tells nothing.
    lines = [line for line in lines if not line.startswith("An error occurred while calling")]
    return lines[0] if lines else "Spark gave no reason"
