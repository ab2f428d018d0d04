"""The process of one side: python -m benchmarks.peers.child COMPARISON SIDE MATERIAL facts|times SPENT.json

Pinned to one core where the system allows it, so that no library's own pool of threads helps it.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

from benchmarks.peers.side import Comparison


def main() -> None:
    name, number, material, wanted, told = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    comparison: Comparison = importlib.import_module(f"benchmarks.peers.{name}").COMPARISON
    task = comparison.sides[int(number)].prepare(Path(material))
    task.warm()
    cpu, wall = processor_seconds(), time.perf_counter()
    result = task.work()
    spent = {"cpu": processor_seconds() - cpu, "wall": time.perf_counter() - wall}
    facts = {key: float(value) for key, value in task.facts(result).items()} if wanted == "facts" else {}
    Path(told).write_text(json.dumps(spent | {"facts": facts}), encoding="utf-8")


def processor_seconds() -> float:
    """User and system time of this process and of the children it has waited for."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
