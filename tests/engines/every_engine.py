"""One place that knows which engines there are: a test decorated with `every_engine` runs on each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.engine import Engine
from stillwatch.engines.memory import MemoryEngine

OpenEngine = Callable[[Path], Engine]

ENGINES: dict[str, OpenEngine] = {
    "duckdb": lambda folder: DuckdbEngine(folder, "1GB", 1),
    "memory": lambda folder: MemoryEngine(folder / "spill", "1GB", 1),
}


def every_engine(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run a test with `open_engine` (working folder -> engine) of each engine."""
    opened = [pytest.param(function, id=name) for name, function in ENGINES.items()]
    decorated: Callable[..., Any] = pytest.mark.parametrize("open_engine", opened)(test)
    return decorated
