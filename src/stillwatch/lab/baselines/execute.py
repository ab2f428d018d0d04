"""One baseline on one dataset: settings in, result tables and a summary with its time and memory out."""

import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillwatch.lab.baselines.registry import named, read_settings
from stillwatch.lab.baselines.tables import write_tables


def execute(name: str, dataset: Path, out: Path, given: Mapping[str, object]) -> dict[str, Any]:
    """Run a baseline and write campaigns, members and flagged.parquet and summary.json.

    Args:
        name: of the baseline.
        dataset: dataset folder; labels are not read.
        out: folder for the results; made if missing.
        given: settings that differ from the defaults.

    Returns:
        What stands in summary.json. `peak_memory_bytes` is that of the whole process so far.

    Raises UsageError for an unknown baseline or setting, UnreadableInputError for a folder that is no
    dataset, OutputError where nothing can be written.
    """
    baseline = named(name)
    settings = read_settings(baseline, given)
    start = time.perf_counter()
    found = baseline.run(dataset, settings)
    about = {
        "baseline": baseline.name,
        "title": baseline.title,
        "source": baseline.source,
        "settings": settings,
        "seconds": round(time.perf_counter() - start, 3),
        "peak_memory_bytes": _peak_memory(),
    }
    return write_tables(found, dataset, out, about)


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
