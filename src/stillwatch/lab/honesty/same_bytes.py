"""The same seed gives the same bytes on any machine: a world is made here, and once more as on another machine.

The other run is a fresh process with other hash seeds, time zone and number of writing processes and threads,
in which numpy, OpenBLAS and the C library must do without every instruction beyond the oldest processors that
they support. Their results differ in the last digit there; what is written must not. (Versions of the libraries
are the same in both: other versions of Parquet's writer may write the same table as other bytes.)
"""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lab.simulate import Pace, Simulation, run, simulation

_PART_ROWS = 1_500  # several parts even of a tiny world, so that processes share the work
_OLD_C_LIBRARY = "glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4,-AVX512F,-AVX2_Usable,-FMA_Usable,-ERMS"


@dataclass(frozen=True)
class SameBytes:
    """Whether two runs wrote the same.

    Attributes:
        files: names of all files.
        different: those that differ or are missing in one; with the columns where they differ.
    """

    files: tuple[str, ...]
    different: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all are the same."""
        return bool(self.files) and not self.different


def check_bytes(world: str, seed: int, scale: str, folder: Path) -> SameBytes:
    """Simulate a world here and as on another machine, and compare.

    Args:
        world: name of a shipped world, or a TOML file.
        seed: of the world.
        scale: of the world.
        folder: two worlds are written below it.

    Raises:
        RuntimeError: where the other process fails; with its last words.
    """
    run(_small_parts(world, seed, scale), folder / "here", Pace(processes=1))
    _elsewhere(world, seed, scale, folder / "elsewhere")
    return compare(folder / "here", folder / "elsewhere")


def _small_parts(world: str, seed: int, scale: str) -> Simulation:
    wanted = simulation(world, seed, scale)
    return Simulation(wanted.world, wanted.seed, wanted.scale, part_rows=_PART_ROWS)


def other_machine(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a process that is to behave as on another, older machine."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {
        **environment,
        "PYTHONHASHSEED": "20011",
        "TZ": "Pacific/Auckland",
        "NPY_DISABLE_CPU_FEATURES": " ".join(found),
        "OPENBLAS_CORETYPE": "Nehalem",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ARROW_NUM_THREADS": "1",
        "GLIBC_TUNABLES": _OLD_C_LIBRARY,
    }


def _elsewhere(world: str, seed: int, scale: str, out: Path) -> None:
    command = [sys.executable, "-m", __name__, json.dumps([world, seed, scale, str(out)])]
    done = subprocess.run(  # noqa: S603  (our own command, no shell reads it)
        command, env=other_machine(dict(os.environ)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the second simulation failed: {done.stderr.strip()[-2000:]}")


def compare(one: Path, other: Path) -> SameBytes:
    """Compares all files of two folders by their SHA-256, and the columns of those tables that differ."""
    first, second = _digests(one), _digests(other)
    files = sorted({*first, *second})
    different = [name for name in files if first.get(name) != second.get(name)]
    return SameBytes(tuple(files), tuple(f"{n}{_columns(one / n, other / n)}" for n in different))


def _digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _columns(one: Path, other: Path) -> str:
    """Names of the columns that differ, in brackets."""
    if not (one.exists() and other.exists()):
        return " (missing in one)"
    a, b = pq.read_table(one), pq.read_table(other)
    if a.num_rows != b.num_rows or a.column_names != b.column_names:
        return f" ({a.num_rows} and {b.num_rows} rows)"
    return f" ({', '.join(name for name in a.column_names if not a[name].equals(b[name])) or 'encoding'})"


def _main(argument: str) -> None:
    world, seed, scale, out = json.loads(argument)
    pa.set_cpu_count(1)
    run(_small_parts(world, seed, scale), Path(out), Pace(processes=2))


if __name__ == "__main__":
    _main(sys.argv[1])
