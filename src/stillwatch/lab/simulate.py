"""`stillwatch lab simulate`: a world and a seed -> a dataset folder and, apart from it, the truth.

First everything is planned as numbers (plan/), then it is rendered slice by slice in the order of time
(render/). Only a slice of texts is in memory at any time.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import OutputError, UsageError
from stillwatch.exchange.tables import RELEASES
from stillwatch.lab.behaviour.clients import Catalogue
from stillwatch.lab.behaviour.clocks import DAY
from stillwatch.lab.behaviour.network import Internet
from stillwatch.lab.plan.planner import Plan, Progress, plan
from stillwatch.lab.plan.scales import Scale, scale_named
from stillwatch.lab.plan.spill import Slice, Spill
from stillwatch.lab.render.parts import render_parts, save_wardrobe
from stillwatch.lab.stage import MODELS, Surroundings, sequence_of
from stillwatch.lab.texts.book import Book
from stillwatch.lab.texts.corpus import Library
from stillwatch.lab.texts.folder import FolderLibrary
from stillwatch.lab.truth import Tally, sorted_accounts
from stillwatch.lab.worldfile import World, read_world

_SLICE = 100_000
_SCRATCH = "_planned"


@dataclass(frozen=True)
class Simulated:
    """What `simulate` made.

    Attributes:
        dataset: folder with exchanges/, accounts.parquet and releases.parquet.
        labels: labels.parquet, apart from the dataset; scenarios.parquet and replacements.parquet stand
            beside it.
        n_exchanges: exchanges written.
        n_accounts: accounts written.
        counts: exchanges and accounts by stratum, in the order of the world.
    """

    dataset: Path
    labels: Path
    n_exchanges: int
    n_accounts: int
    counts: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Simulation:
    """What is to be simulated.

    Attributes:
        world: settings.
        seed: any whole number from 0.
        scale: see plan/scales.py.
        null: leave out the campaigns; every benign row stays as it is.
        corpora: folder with the real corpora (docs/laboratory.md); None for the shipped one.
        part_rows: exchanges in a file of the dataset, about; None for the usual number.
    """

    world: World
    seed: int
    scale: Scale
    null: bool = False
    corpora: Path | None = None
    part_rows: int | None = None


@dataclass(frozen=True)
class Pace:
    """How a simulation is carried out; changes nothing of what it makes.

    Attributes:
        processes: how many write side by side; None for one a processor, where the world is large enough.
        progress: told what is done, and how much of how much.
    """

    processes: int | None = None
    progress: Progress = field(default=lambda *_: None)


def simulate(
    world: str | Path | World,
    seed: int,
    out: Path,
    scale: str = "small",
    *,
    null: bool = False,
    corpora: Path | None = None,
) -> Simulated:
    """Simulates a world by name, file or settings (see `run`).

    Args:
        world: name of a shipped world, path of a TOML file, or settings that were read.
        seed: any whole number from 0.
        out: folder; made if missing, files of an earlier run in it are replaced.
        scale: tiny (for tests), small, medium, large or 28.8m.
        null: leave out the campaigns.
        corpora: folder with the real corpora (docs/laboratory.md); None for the shipped one.

    Raises:
        UsageError: for settings, seed or scale that are not allowed.
        UnreadableInputError: where the world or the corpora cannot be read.
        OutputError: where `out` cannot be written.
    """
    return run(simulation(world, seed, scale, null=null, corpora=corpora), out)


def simulation(
    world: str | Path | World, seed: int, scale: str, *, null: bool = False, corpora: Path | None = None
) -> Simulation:
    """Checks what is wanted. Raises UsageError, and UnreadableInputError for a world that cannot be read."""
    if seed < 0:
        raise UsageError(f"seed = {seed} is not allowed", "Set seed to a whole number from 0.")
    settings = world if isinstance(world, World) else read_world(world)
    if not settings.populations and (null or not settings.campaigns):
        raise UsageError(f"the world {settings.name} has nobody in it", "Add a [[population]].")
    return Simulation(settings, seed, scale_named(scale, settings.full), null, corpora)


def run(wanted: Simulation, out: Path, pace: Pace | None = None) -> Simulated:
    """Writes `out/dataset/`, `out/labels.parquet`, `out/scenarios.parquet` and `out/replacements.parquet`.

    The same world, seed and scale give the same bytes on any machine and with any number of processes. With
    `null` the campaigns are left out and every benign row stays as it is, so a detector that reports anything
    there is wrong.

    Raises:
        UnreadableInputError: where the corpora cannot be read.
        OutputError: where `out` cannot be written.
    """
    pace = pace or Pace()
    with _writing(out):
        scratch = _fresh(out)
        try:
            return _run(wanted, out, scratch, pace)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _run(wanted: Simulation, out: Path, scratch: Path, pace: Pace) -> Simulated:
    around = surroundings(wanted)
    spill = Spill(scratch, around.start, around.end)
    made = plan(around, wanted.scale, spill, null=wanted.null, progress=pace.progress)
    save_wardrobe(around.texts, pa.concat_tables(made.rendering), wanted.world.logged, scratch)
    made.rendering.clear()  # a copy stands on disk, where the renderers read it
    spill.save()
    tally = _render(made, spill.slices(wanted.part_rows or _SLICE), out, pace)
    _save(sorted_accounts(made.public), out / "dataset" / "accounts.parquet")
    _save(_releases(around), out / "dataset" / "releases.parquet")
    _save(tally.scenarios(), out / "scenarios.parquet")
    _save(tally.replacements(), out / "replacements.parquet")
    return Simulated(out / "dataset", out / "labels.parquet", spill.rows, made.accounts, tally.counts)


def surroundings(wanted: Simulation) -> Surroundings:
    """What the populations of this simulation share."""
    chance = np.random.Generator(np.random.PCG64(sequence_of(wanted.seed, "surroundings", 0)))
    book = Book()
    library: Library = FolderLibrary(wanted.corpora, wanted.seed, book) if wanted.corpora else Library(book)
    return Surroundings(wanted.world, wanted.seed, Internet(chance), Catalogue(chance), library)


def _render(made: Plan, slices: list[Slice], out: Path, pace: Pace) -> Tally:
    # A second process takes seconds to start: not worth it below a million exchanges.
    wanted = pace.processes or (os.cpu_count() or 1 if len(slices) > 10 else 1)
    tally = Tally(made, out / "labels.parquet")
    parts = render_parts(out / _SCRATCH, out / "dataset" / "exchanges", slices, wanted)
    for number, part in enumerate(parts, 1):
        tally.add(part)
        pace.progress("exchanges", number, len(slices))
    tally.close()
    return tally


def _fresh(out: Path) -> Path:
    """Makes the folders and removes what an earlier run left: no truth of another world may stay if this one fails."""
    folder = out / "dataset" / "exchanges"
    folder.mkdir(parents=True, exist_ok=True)
    made = [out / "dataset" / "accounts.parquet", out / "dataset" / "releases.parquet"]
    truth = [out / f"{name}.parquet" for name in ("labels", "scenarios", "replacements")]
    for old in [*folder.glob("part-*.parquet"), *made, *truth]:
        old.unlink(missing_ok=True)
    scratch = out / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return scratch


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write: {error}", "Free space or choose another --out folder.", file=out
        ) from error


def _releases(around: Surroundings) -> pa.Table:
    instants = [around.released_at if age is None else around.start - age * DAY for _, age, _ in MODELS]
    names = pa.array([name for name, _, _ in MODELS])
    released = pa.array(instants, pa.int64()).cast(RELEASES.arrow.field("released_at").type)
    return pa.Table.from_arrays([names, released], schema=RELEASES.arrow)


def _save(table: pa.Table, path: Path) -> None:
    pq.write_table(table.combine_chunks(), path, compression="zstd", write_statistics=True)
