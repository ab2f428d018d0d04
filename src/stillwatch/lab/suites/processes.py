"""The processes of a suite: one a world, each with its part of the cores."""

import os
import subprocess
import sys
import threading
from typing import TextIO

from stillwatch.lab.suites.worker import Job

_THREADS = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "STILLWATCH_THREADS",
)


class Workers:
    """The processes of a suite; none outlives it."""

    def __init__(self, at_once: int) -> None:
        self._environment = _environment(at_once)
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._stopped = False

    def start(self, job: Job, trouble: TextIO) -> subprocess.Popen[str] | None:
        """The worker of a job; None after `stop`."""
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "stillwatch.lab.suites.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=trouble,
                text=True,
                encoding="utf-8",
                env=self._environment,
                start_new_session=True,  # an interruption of the suite is told by the end of standard input
            )
            self._processes.append(process)
        assert process.stdin is not None
        process.stdin.write(job.to_line())
        process.stdin.flush()
        return process

    @property
    def stopped(self) -> bool:
        """Whether the suite has ended or was interrupted."""
        return self._stopped

    def stop(self) -> None:
        """Ends what still runs: a worker ends when its standard input does."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                if process.stdin is not None:
                    process.stdin.close()


def _environment(at_once: int) -> dict[str, str]:
    """The user's, without settings of scans (a suite measures the defaults), the cores dealt out."""
    threads = str(max(1, (os.cpu_count() or 1) // at_once))
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("STILLWATCH_") or key == "STILLWATCH_DEBUG"
    }
    return kept | dict.fromkeys(_THREADS, threads)
