"""Where a scan's time goes, on worlds of several sizes; renews a section of docs/performance.md.

make bench-speed
python -m benchmarks.speed --size 0.2m --size 1m --dry
python -m benchmarks.speed --worlds /somewhere/large     # keeps the worlds for the next run
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.speed import recording
from benchmarks.speed.page import section
from benchmarks.speed.recording import Recorded
from benchmarks.speed.world import world
from stillwatch.cli.console import messages, output
from stillwatch.lab.suites.readme import Place, write_block

SIZES = ("2m", "8m", "28.8m")
PLACE = Place("make bench-speed")
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def main() -> None:
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="stillwatch-speed-") as scratch:
        folder = given.worlds or Path(scratch)
        recorded = {size: _recorded(folder, size) for size in given.size or SIZES}
    words = section(recorded)
    output.print(words, markup=False, highlight=False, soft_wrap=True)
    if given.json is not None:
        given.json.write_text(json.dumps({size: asdict(one) for size, one in recorded.items()}), "utf-8")
    if not given.dry:
        write_block(PAGE, PLACE.block(words), PLACE)


def _recorded(folder: Path, size: str) -> Recorded:
    messages.print(f"Simulating {size} ...")
    dataset = world(folder, size)
    messages.print(f"Scanning {size} ...")
    command = [sys.executable, "-m", recording.__name__, str(dataset), str(folder / f"out-{size}")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the scan of {size} failed:\n{done.stderr}")
    return recording.read(done.stdout)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--size", action="append", help=f"exchanges, such as 2m; default {', '.join(SIZES)}")
    parser.add_argument("--worlds", type=Path, help="folder where worlds are kept and taken from")
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--dry", action="store_true", help="print the table and write no page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
