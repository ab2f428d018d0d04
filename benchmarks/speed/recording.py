"""One scan in a process of its own, step by step: wall time, CPU time, peak memory, bytes; and the floor beside it.

The floor is the time that this machine needs to decode the same Parquet files, all columns, with pyarrow on as many
threads as the scan has. It is taken before and after the scan, and the smaller one counts.
"""

import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import load_settings

THREADS = 2


@dataclass(frozen=True)
class Spent:
    """What a step took: seconds of wall and CPU time, bytes of memory at most, bytes of its tables."""

    step: str
    wall: float
    cpu: float
    memory: int
    bytes: int = 0


@dataclass
class Recorded:
    """A scan.

    Attributes:
        rows: exchanges.
        accounts: accounts that made them.
        input_bytes: of the Parquet files.
        floor: see the module; `cpu` too.
        total: of the whole scan, the floor left out.
        campaigns: campaigns reported.
        steps: in order.
    """

    rows: int
    accounts: int
    input_bytes: int
    floor: Spent
    total: Spent
    campaigns: int
    steps: list[Spent] = field(default_factory=list)


class Recorder:
    """A scan's `report` that measures what stands between two words."""

    def __init__(self) -> None:
        self.steps: list[Spent] = []
        self.peak = 0
        self._words = "reading the settings"
        self._start = (time.perf_counter(), time.process_time())
        reset_peak()

    def __call__(self, words: str, done: int, total: int) -> None:
        """Take note of what begins."""
        if words != self._words:
            self.end(words)

    def end(self, words: str = "") -> None:
        """Take note of what ends."""
        now, memory = (time.perf_counter(), time.process_time()), peak_memory()
        spent = Spent(self._words, now[0] - self._start[0], now[1] - self._start[1], memory)
        self.steps.append(spent)
        self.peak = max(self.peak, memory)
        self._words, self._start = words, now
        reset_peak()


def peak_memory() -> int:
    """Most bytes that this process had resident since `reset_peak`."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def reset_peak() -> None:
    """Begin to measure the peak anew; where the system cannot (Linux can), the peak is the one so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return


def decoded(files: list[Path]) -> Spent:
    """Decode all columns of all files."""
    pa.set_cpu_count(THREADS)
    start = time.perf_counter(), time.process_time()
    for file in files:
        pq.read_table(file, use_threads=True)
    return Spent("floor", time.perf_counter() - start[0], time.process_time() - start[1], peak_memory())


def record(dataset: Path, out: Path) -> Recorded:
    """Scan a dataset and measure it."""
    files = sorted((dataset / "exchanges").glob("*.parquet"))
    before = decoded(files)
    recorder = Recorder()
    start = time.perf_counter(), time.process_time()
    given = {"key_file": out.with_suffix(".key"), "threads": THREADS}
    outcome = scan(ScanRequest((str(dataset),), keep_steps=True), out, load_settings(None, given), recorder)
    recorder.end()
    total = Spent("whole scan", time.perf_counter() - start[0], time.process_time() - start[1], recorder.peak)
    floor = min(before, decoded(files), key=lambda spent: spent.wall)
    counts = outcome.summary["counts"]
    sizes = _sizes(out / "steps")
    shutil.rmtree(out, ignore_errors=True)
    return Recorded(
        counts["exchanges"],
        counts["accounts"],
        sum(file.stat().st_size for file in files),
        floor,
        total,
        counts["campaigns"],
        [Spent(**{**asdict(one), "bytes": sizes.get(one.step, 0)}) for one in recorder.steps],
    )


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of each step's table, by the words of the step."""
    found: dict[str, int] = {}
    for file in folder.rglob("*.parquet"):
        name = file.relative_to(folder).parts[0].removesuffix(".parquet").replace("_", " ")
        found[name] = found.get(name, 0) + file.stat().st_size
    return found


def read(text: str) -> Recorded:
    """What `main` has printed."""
    raw = json.loads(text)
    parts = {name: Spent(**raw.pop(name)) for name in ("floor", "total")}
    return Recorded(**{**raw, **parts, "steps": [Spent(**step) for step in raw["steps"]]})


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(record(Path(sys.argv[1]), Path(sys.argv[2])))))
