"""One cell of a suite in a process of its own: simulate, run each detector, score, delete the dataset.

Reads one line of JSON (`Job`) from standard input, writes one line of JSON for each event to standard output.
When standard input ends the suite is gone: it stops the running detector and itself.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from stillwatch.exchange.errors import StillwatchError
from stillwatch.lab.score import score
from stillwatch.lab.simulate import simulate
from stillwatch.lab.suites.detectors import Detector
from stillwatch.lab.suites.records import kept_score
from stillwatch.lab.suites.settings import Cell

_MEASURED = Path(__file__).with_name("measured.py")
_SHOWN_ERROR = 300


@dataclass(frozen=True)
class Job:
    """What a worker does.

    Attributes:
        cell: the world.
        detectors: to run on it.
        folder: the suite's folder.
        timeout_s: for each detector.
        keep: leave the dataset and its labels in `folder/worlds/`.
    """

    cell: Cell
    detectors: tuple[Detector, ...]
    folder: Path
    timeout_s: float
    keep: bool

    def to_line(self) -> str:
        """For standard input."""
        return json.dumps(asdict(self), default=str) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Job":
        """From standard input."""
        told = json.loads(line)
        detectors = tuple(Detector(**{**d, "command": tuple(d["command"])}) for d in told["detectors"])
        return cls(
            Cell(**told["cell"]), detectors, Path(told["folder"]), float(told["timeout_s"]), told["keep"]
        )


class DetectorFailedError(Exception):
    """A detector did not give a result; the words say why."""


class Worker:
    """Works through one job."""

    def __init__(self, job: Job, events: TextIO) -> None:
        self._job = job
        self._events = events
        self._running: subprocess.Popen[bytes] | None = None
        self._world = job.folder / "worlds" / job.cell.name

    def work(self) -> None:
        """The whole job; a detector that fails is an event with its error."""
        cell = self._job.cell
        try:
            self._tell(doing=f"{cell.name}: simulating")
            shutil.rmtree(self._world, ignore_errors=True)
            simulate(cell.world, cell.seed, self._world, cell.scale, null=cell.null)
        except Exception as error:  # whatever it is: every run of this cell has failed, and is said to have
            for detector in self._job.detectors:
                self._tell(detector=detector.name, error=self._words(f"simulation: {_said(error)}"))
        else:
            for detector in self._job.detectors:
                self._tell(doing=f"{cell.name}: {detector.name}")
                self._tell(detector=detector.name, **self._measure(detector))
        finally:
            if not self._job.keep:
                shutil.rmtree(self._world, ignore_errors=True)
                with contextlib.suppress(OSError):  # another world is still in it
                    self._world.parent.rmdir()

    def stop(self) -> None:
        """Ends the detector that runs."""
        running = self._running
        if running is not None and running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()

    def _measure(self, detector: Detector) -> dict[str, Any]:
        try:
            results = self._results(detector)
            found = score(results, self._world / "labels.parquet")
        except (DetectorFailedError, StillwatchError) as error:
            return {"error": self._words(str(error))}
        except Exception as error:  # tables that the scorer cannot even refuse: still a row with a name
            return {"error": self._words(f"scoring: {_said(error)}")}
        return {"score": kept_score(found), "cost": _cost(results)}

    def _results(self, detector: Detector) -> Path:
        """Folder of the result tables, after the detector has made them."""
        cell = self._job.cell
        if detector.folder:
            folder = Path(detector.folder) / cell.name
            if not folder.is_dir():
                raise DetectorFailedError(f"there is no folder {cell.name} among the finished results")
            return folder
        out = self._job.folder / "results" / cell.name / detector.name
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        cost, log = (out.with_name(f"{detector.name}.{ending}") for ending in ("cost.json", "log"))
        command = [sys.executable, "-I", "-S", str(_MEASURED), str(cost)]
        try:
            self._call([*command, *detector.words(self._world / "dataset", out)], log)
            if not out.is_dir():
                raise DetectorFailedError("it ended without an error and wrote no results")
            cost.replace(out / "run.json")
        finally:
            for made in (cost, out.with_name(f"{detector.name}.key")):
                made.unlink(missing_ok=True)
        return out

    def _call(self, command: list[str], log: Path) -> None:
        with log.open("wb") as stream:
            self._running = subprocess.Popen(  # noqa: S603  (the command is the user's own, no shell reads it)
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
            )
            try:
                code = self._running.wait(self._job.timeout_s)
            except subprocess.TimeoutExpired:
                self.stop()
                raise DetectorFailedError(f"it took longer than {self._job.timeout_s:g} s") from None
            finally:
                self._running = None
        if code:
            words = log.read_text(encoding="utf-8", errors="replace").strip()[-_SHOWN_ERROR:]
            raise DetectorFailedError(f"exit code {code}: {words or 'it said nothing'}")

    def _words(self, text: str) -> str:
        """An error without the places of this machine, as it may be published."""
        for place, name in ((self._job.folder, "DIR"), (Path.cwd(), "."), (Path(sys.prefix), "PYTHON")):
            text = text.replace(str(place), name)
        return " ".join(text.split())[: 2 * _SHOWN_ERROR]

    def _tell(self, **event: Any) -> None:
        self._events.write(json.dumps(event, allow_nan=False) + "\n")
        self._events.flush()


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, StillwatchError) else f"{type(error).__name__}: {error}"


def _cost(results: Path) -> dict[str, float | int | None]:
    """What run.json beside the tables says: written by us, or by whoever made finished results."""
    try:
        told = json.loads((results / "run.json").read_text(encoding="utf-8"))
        return {
            "wall_s": float(told["wall_s"]),
            "cpu_s": float(told["cpu_s"]),
            "peak_bytes": int(told["peak_bytes"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return dict.fromkeys(("wall_s", "cpu_s", "peak_bytes"))


def main() -> None:
    """Entry point of the process."""
    # What detectors and libraries print must not mix with the events.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(Job.from_line(sys.stdin.readline()), events)

    def watch() -> None:
        os.read(0, 1)
        worker.stop()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()
