"""Every family of evidence alone and left out: campaigns found, benign accounts accused.

    make bench-ablation
    python -m benchmarks.ablation --world jitter --world first --seed 47
    python -m benchmarks.ablation --scanned FOLDER      # scans that are there: FOLDER/*/{world,out/steps}

Each world is simulated and scanned once, with its steps kept, in out/ablation; a second run of the same code takes
what is there. The tests run once for each world; only what they may say is switched. Writes docs/detection.md.
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

from stillwatch.cli.console import output, progress
from stillwatch.lab.ablation import (
    FAMILIES,
    TIES,
    Effect,
    JudgedWorld,
    alone,
    left_out,
    read_tested,
    unexplained,
)
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.simulate import simulate
from stillwatch.lab.suites.readme import ABLATION, write_block
from stillwatch.lab.suites.records import package_digest
from stillwatch.lab.targets.adaptivity import Side
from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import load_settings

ROOT = Path(__file__).parent.parent
OUT = ROOT / "out" / "ablation"
PAGE = ROOT / "docs" / "detection.md"
WORLDS = ("first", "slow", "resellers", "wording", "jitter", "evading", "personas", "sittings", "imitation")
QUIET = ("quiet",)
ALL = "every family"
Row = tuple[str, Effect, Effect | None]


def main(wanted: list[str] | None = None, out: Path = OUT, page: Path = PAGE) -> None:
    given = _arguments(wanted)
    settings = load_settings(None, {})
    with progress("Ablation") as report:
        if given.scanned is not None:
            folders = sorted(path.parent.parent for path in given.scanned.glob("*/out/steps"))
        else:
            worlds = given.world or [*WORLDS, *QUIET]
            folders = []
            for n, world in enumerate(worlds):
                report(f"scanning {world}", n, len(worlds))
                folders.append(scanned(world, given.seed, given.scale, out))
        effects: dict[str, list[tuple[Effect | None, Effect]]] = {}
        for n, folder in enumerate(folders):
            report(f"testing {folder.name}", n, len(folders))
            tested = read_tested(folder / "out" / "steps", folder / "world" / "labels.parquet", settings)
            for name, pair in both(tested):
                effects.setdefault(name, []).append(pair)
    text = table([(name, *_added(pairs)) for name, pairs in effects.items()])
    names = ", ".join(f"`{folder.name}`" for folder in folders)
    told = (
        f"Simulations: {names}. Campaigns are matched by their member accounts; intervals are exact, at 95 %."
    )
    words = f"{told}\n\n{text}"
    output.print(words, markup=False, highlight=False, soft_wrap=True)
    if not given.dry:
        write_block(page, ABLATION.block(words), ABLATION)


def both(tested: JudgedWorld) -> Iterator[tuple[str, tuple[Effect | None, Effect]]]:
    """Name of a row, and what it finds alone and when left out."""
    yield ALL, (None, left_out(tested, ()))
    for family in FAMILIES:
        yield family, (alone(tested, family), left_out(tested, (family,)))
    yield "every shared attribute", (None, left_out(tested, TIES))
    yield "innocent explanations", (None, unexplained(tested))


def _added(pairs: list[tuple[Effect | None, Effect]]) -> tuple[Effect, Effect | None]:
    by_itself = [effect for effect, _ in pairs if effect is not None]
    return Effect.add(effect for _, effect in pairs), Effect.add(by_itself) if by_itself else None


def scanned(world: str, seed: int, scale: str, out: Path) -> Path:
    """Folder with the simulation and a scan that kept its steps; made unless the same code has made it."""
    null = world in QUIET
    folder = out / f"{world}-{seed + (100 if null else 0)}"
    mark = folder / "made_by"
    if mark.exists() and mark.read_text() == package_digest():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    simulate(world, seed + (100 if null else 0), folder / "world", scale, null=null)
    settings = load_settings(None, {"key_file": folder / "key"})
    scan(ScanRequest((str(folder / "world" / "dataset"),), keep_steps=True), folder / "out", settings)
    mark.write_text(package_digest())
    return folder


def table(rows: list[Row]) -> str:
    """Markdown; ends with a line break."""
    sides = [str(side) for side in Side]
    head = ["family"]
    for which in ("alone", "left out"):
        head += [f"{which}: {side} campaigns found" for side in sides]
        head += [f"{which}: benign accounts accused", f"{which}: false campaigns"]
    head.append("left out: campaigns found on the last rung")
    lines = [_line(head), _line(["---"] * len(head))]
    for name, without, by_itself in rows:
        lines.append(_line([name, *_cells(by_itself), *_cells(without), str(without.shaped)]))
    return "\n".join(lines) + "\n"


def _cells(effect: Effect | None) -> list[str]:
    if effect is None:
        return ["-"] * (len(Side) + 2)
    return [*(_told(effect.found[side]) for side in Side), _told(effect.accused), str(effect.false)]


def _told(rate: Rate) -> str:
    if not rate.total:
        return "-"
    assert rate.low is not None and rate.high is not None
    return f"{rate.hits:,} of {rate.total:,} ({100 * rate.low:.2g} to {100 * rate.high:.3g} %)"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _arguments(wanted: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument(
        "--world", action="append", help="this world instead of the standing ones; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=431, help="seed; of worlds without campaigns 100 more")
    parser.add_argument("--scale", default="small", help="scale of the worlds")
    parser.add_argument("--scanned", type=Path, help="folder of scans with their steps, instead of worlds")
    parser.add_argument("--dry", action="store_true", help="print the table and write no page")
    return parser.parse_args(wanted)


if __name__ == "__main__":
    main()
