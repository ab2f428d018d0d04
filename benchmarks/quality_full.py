"""The long bench: medium worlds, replays by the hour, 200 simulations for calibration. Takes many hours.

    make bench-quality-full
    python -m benchmarks.quality_full --only jitter --only first --budget 90    # parts of it, 90 minutes at most
    python -m benchmarks.quality_full --budget 0                                # only the tables of what is there

Worlds and calibration go forward together, seed by seed, so that whatever was run says something of everything.
Finished runs of the same code are kept in out/quality-full; a world that was begun is finished. Writes
benchmarks/quality-full.json and the second table of docs/measured.md, which says what was run.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from stillwatch.cli.console import messages, output, progress
from stillwatch.lab.suite import SuiteRequest, run_suite
from stillwatch.lab.suites.detectors import chosen, variants_of
from stillwatch.lab.suites.readme import FULL, full_block, write_block
from stillwatch.lab.suites.records import write_json
from stillwatch.lab.suites.settings import Cell, Suite, read_suite
from stillwatch.lab.targets.render import to_table

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "benchmarks" / "quality-full.json"
OUT = ROOT / "out" / "quality-full"
PAGE = ROOT / "docs" / "measured.md"
PARTS = {"worlds": "quality_full", "calibration": "calibration"}


def main(
    wanted: list[str] | None = None, committed: Path = COMMITTED, out: Path = OUT, page: Path = PAGE
) -> None:
    given = _arguments(wanted)
    suites = [read_suite(PARTS[part]) for part in given.part or PARTS]
    suite = together(suites, given.only)
    request = SuiteRequest(
        suite, chosen(suite), given.jobs, variants=variants_of(suite), minutes=given.budget
    )
    with progress(f"Suite {suite.name}") as report:
        found = run_suite(request, out, report)
    for run in found.failed:
        messages.print(f"Failed: {run.cell.name}, {run.detector}: {run.error}", markup=False)
    output.print(to_table(found.quality["targets"]))
    write_json(committed, found.quality)
    write_block(page, full_block(found.quality), FULL)


def together(suites: list[Suite], only: Iterable[str] = ()) -> Suite:
    """Several suites as one: each goes forward seed by seed, and all of them at the same pace."""
    kept = set(only)
    places: list[tuple[float, Cell]] = []
    for suite in suites:
        cells = [cell for cell in by_seed(suite.cells) if not kept or cell.world_name in kept]
        places += [(place / len(cells), cell) for place, cell in enumerate(cells)]
    return replace(
        suites[0],
        cells=tuple(cell for _, cell in sorted(places, key=lambda one: one[0])),
        only={name: names for suite in suites for name, names in suite.only.items()},
        variants={name: names for suite in suites for name, names in suite.variants.items()},
    )


def by_seed(cells: Iterable[Cell]) -> list[Cell]:
    """The first seed of every world, then the second of every world, and so on."""
    seen: dict[tuple[str, bool], int] = {}
    ranked = []
    for cell in cells:
        key = (cell.world, cell.null)
        seen[key] = seen.get(key, 0) + 1
        ranked.append((seen[key], cell))
    return [cell for _, cell in sorted(ranked, key=lambda one: one[0])]


def _arguments(wanted: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality_full", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="this world; may be repeated")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="one part only")
    parser.add_argument("--budget", type=float, help="minutes after which no further world is begun")
    parser.add_argument("--jobs", type=int, default=2, help="worlds at the same time")
    return parser.parse_args(wanted)


if __name__ == "__main__":
    main()
