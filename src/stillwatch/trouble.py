"""What a computing engine complains of -> an error that says what the user can do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillwatch.engines.errors import (
    EngineDiskError,
    EngineFailedError,
    EngineMemoryError,
    EngineMissingError,
)
from stillwatch.exchange.errors import OutputError, UsageError
from stillwatch.exchange.output import written


@contextmanager
def computed(out: Path) -> Iterator[None]:
    """Turn an engine's or the operating system's complaint while `out` is made into an error with a remedy."""
    try:
        with written(out):
            yield
    except EngineMemoryError as error:
        raise UsageError(
            f"the engine's memory is too small: {error}",
            "allow it more with --memory-limit, or fewer threads with STILLWATCH_THREADS=1",
            file=out,
        ) from error
    except EngineMissingError as error:
        raise UsageError(str(error), error.remedy) from error
    except EngineFailedError as error:
        raise UsageError(
            f"the engine failed: {error}",
            "see docs/cluster.md; with --engine duckdb the same runs on this machine alone",
            file=out,
        ) from error
    except EngineDiskError as error:
        raise OutputError(
            f"the engine cannot go on: {error}", "make room, or choose another folder with --out", file=out
        ) from error
