"""Ours and others' on the same data, in turns; renews a section of docs/performance.md.

make bench-peers
python -m benchmarks.peers --rows 20000 --rounds 1 --dry
python -m benchmarks.peers --only signatures --only linear_signals --dry
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers.installing import NOTE
from benchmarks.peers.material import CHARACTERS, SEED, WORLD, make
from benchmarks.peers.measuring import ROOT, Errand, SideFailed, Spent, in_turns, run_child
from benchmarks.peers.page import Measured, section, told_versions
from benchmarks.peers.side import Comparison, Side
from stillwatch.cli.console import output, progress
from stillwatch.lab.suites.readme import Place, write_block

COMPARISONS = ("signatures", "signature_kernels", "linear_signals", "account_linking", "window_test")
PLACE = Place("make bench-peers")
PAGE = ROOT / "docs" / "performance.md"
VENV = ROOT / ".venv-peers"
_VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def main(wanted: list[str] | None = None) -> None:
    given = _arguments(wanted)
    names = given.only or COMPARISONS
    with tempfile.TemporaryDirectory(prefix="stillwatch-peers-") as folder, progress("Peers") as report:
        report("simulating", 0, len(names) + 1)
        material = given.material or Path(folder) / "material"
        if given.material is None or not material.exists():
            make(material, given.rows)
        measured = []
        for n, name in enumerate(names, 1):
            report(name.replace("_", " "), n, len(names) + 1)
            measured.append(_measured(name, material, given))
    words = section(measured, _about(given, [each.comparison for each in measured]))
    output.print(words, markup=False, highlight=False, soft_wrap=True)
    if not given.dry:
        write_block(PAGE, PLACE.block(words), PLACE)


def _measured(name: str, material: Path, given: argparse.Namespace) -> Measured:
    comparison: Comparison = importlib.import_module(f"benchmarks.peers.{name}").COMPARISON
    missing = not_installed(given.venv)

    def run(side: Side, facts: bool) -> Spent:
        errand = Errand(name, comparison.sides.index(side), material, facts)
        if side.package is None:
            return run_child(Path(sys.executable), errand)
        if missing is None or side.package in missing:
            why = "`make bench-peers` was not run" if missing is None else missing[side.package]
            raise SideFailed(f"could not be installed: {why}")
        return run_child(given.venv / "bin" / "python", errand)

    return Measured(comparison, comparison.count(material), in_turns(comparison.sides, given.rounds, run))


def not_installed(venv: Path) -> Mapping[str, str] | None:
    """Package -> why it could not be installed (benchmarks.peers.installing); None without an environment."""
    note = venv / NOTE
    found: dict[str, str] | None = json.loads(note.read_text("utf-8")) if note.exists() else None
    return found


def versions(venv: Path, comparisons: list[Comparison]) -> dict[str, str]:
    """Installed packages of the peers, and their versions."""
    missing = not_installed(venv)
    if missing is None:
        return {}
    packages = {side.package for one in comparisons for side in one.sides if side.package} - missing.keys()
    command = [str(venv / "bin" / "python"), "-c", _VERSIONS, *sorted(packages)]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def load() -> str:
    """How busy the machine was in the last quarter of an hour; empty where the system does not tell it."""
    if not hasattr(os, "getloadavg"):
        return ""
    return f" Load of the machine {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores."


def _about(given: argparse.Namespace, comparisons: list[Comparison]) -> str:
    return (
        f"World `{WORLD}`, seed {SEED}, prompts lengthened to {CHARACTERS} characters on average; "
        f"medians of at least {given.rounds} rounds, Python {platform.python_version()}, {platform.machine()}. "
        f"Peers: {told_versions(versions(given.venv, comparisons)) or 'none'}.{load()}"
    )


def _arguments(wanted: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rows", type=int, default=80_000, help="exchanges of the world, about")
    parser.add_argument("--rounds", type=int, default=3, help="least times that every side is run")
    parser.add_argument("--only", action="append", choices=COMPARISONS, help="this one; may be repeated")
    parser.add_argument("--venv", type=Path, default=VENV, help="environment of the peers")
    parser.add_argument("--material", type=Path, help="keep what the sides are given here, and take it again")
    parser.add_argument("--dry", action="store_true", help="print the tables and write no page")
    given = parser.parse_args(wanted)
    if not 1_000 <= given.rows <= 2_000_000:
        parser.error("--rows: 1,000 to 2,000,000")
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    return given


if __name__ == "__main__":
    main()
