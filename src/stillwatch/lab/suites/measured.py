"""Runs one command and writes what it cost; started as a script, with the standard library alone.

The kernel counts a child's peak from the moment of the fork, when it still shares its parent's memory.
This parent is small, so that the peak is the command's own.

    python measured.py COST.json COMMAND...

COST.json gets wall_s, cpu_s (user and system, of the command and every process it has waited for) and
peak_bytes (resident memory of the largest of these processes), as getrusage(2) tells them.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Ends with the command's exit code, 127 where there is no such command."""
    started = time.perf_counter()
    try:
        code = subprocess.call(sys.argv[2:], stdin=subprocess.DEVNULL)  # noqa: S603  (the user's own command)
    except OSError as error:
        sys.stderr.write(f"{sys.argv[2]}: {error.strerror}\n")
        sys.exit(127)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    cost = {
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "peak_bytes": used.ru_maxrss * unit,
        "wall_s": round(time.perf_counter() - started, 3),
    }
    Path(sys.argv[1]).write_text(json.dumps(cost) + "\n", encoding="utf-8")
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
