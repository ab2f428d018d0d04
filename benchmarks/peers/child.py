"""The process of one side: python -m benchmarks.peers.child COMPARISON SIDE MATERIAL facts|times SPENT.json

Pinned to one core where the system allows it, so that no library's own pool of threads helps it. Short work is
done again until a second has passed, and its median is told.
"""

import importlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.side import Comparison

LEAST_SECONDS = 1.0


def main() -> None:
    name, number, material, wanted, told = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    comparison: Comparison = importlib.import_module(f"benchmarks.peers.{name}").COMPARISON
    task = comparison.sides[int(number)].prepare(Path(material))
    task.warm()
    result, spent = measured(task.work)
    facts = {key: float(value) for key, value in task.facts(result).items()} if wanted == "facts" else {}
    Path(told).write_text(json.dumps(spent | {"facts": facts}), encoding="utf-8")


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What the work gave, and its median seconds on the processor (`cpu`) and on the clock (`wall`)."""
    cpu: list[float] = []
    wall: list[float] = []
    result = None
    while sum(wall) < LEAST_SECONDS:
        result = None  # let go of before it is made again: at no time are there two
        used, start = processor_seconds(), time.perf_counter()
        result = work()
        wall.append(time.perf_counter() - start)
        cpu.append(processor_seconds() - used)
    return result, {"cpu": statistics.median(cpu), "wall": statistics.median(wall)}


def processor_seconds() -> float:
    """User and system time of this process and of the children it has waited for."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
