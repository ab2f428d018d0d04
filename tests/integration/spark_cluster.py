"""A standalone Spark cluster on this machine: a master and workers, each a process of its own."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PATIENCE = 120.0


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs.

    Attributes:
        url: of the master, for --master.
        page: of the master's state, as JSON.
        workers: their processes; each leads a group in which its executors are.
    """

    url: str
    page: str
    workers: list[subprocess.Popen[bytes]]

    def alive(self) -> int:
        """Workers that the master knows to be alive."""
        return int(self._state().get("aliveworkers", 0))

    def kill(self, number: int) -> None:
        """What happens when the machine of a worker dies: it and its executors are gone at once."""
        worker = self.workers[number]
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def wait_for(self, workers: int) -> None:
        """Wait until so many workers are alive."""
        end = time.monotonic() + PATIENCE
        while self.alive() != workers:
            assert time.monotonic() < end, self._state()
            time.sleep(0.2)

    def _state(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(self.page, timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError:
            return {}
        return found


@contextmanager
def running(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers with one core and a gigabyte each, which end with the context."""
    port, page = _free_port(), _free_port()
    with ExitStack() as stack:
        _start(stack, folder, "master.Master", "--port", str(port), "--webui-port", str(page))
        url = f"spark://{HOST}:{port}"
        started = [
            _start(
                stack,
                folder / f"worker-{number}",
                "worker.Worker",
                *("--cores", "1", "--memory", "1g", "--webui-port", "0"),
                *("--work-dir", str(folder / f"worker-{number}"), url),
            )
            for number in range(workers)
        ]
        cluster = Cluster(url, f"http://{HOST}:{page}/json/", started)
        cluster.wait_for(workers)
        yield cluster


def _start(stack: ExitStack, folder: Path, role: str, *arguments: str) -> subprocess.Popen[bytes]:
    import pyspark

    folder.mkdir(parents=True, exist_ok=True)
    home = Path(pyspark.__file__).parent
    command = [
        str(home / "bin" / "spark-class"),
        f"org.apache.spark.deploy.{role}",
        "--host",
        HOST,
        *arguments,
    ]
    environment = os.environ | {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
    }
    log = stack.enter_context((folder / f"{role}.log").open("wb"))
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
