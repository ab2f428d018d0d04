"""What true and wrong verdicts on the first half of a world do to its second half.

    python -m benchmarks.analyst_verdicts --world first --world slow --seed 41

Each world is simulated and cut in two by time; the first half is scanned, every group of it is judged by the truth
(confirmed where most of its accounts are of campaigns, else benign), and the second half is scanned with it --known.
Its groups are tested once and judged under each table: the true one, five with a fifth of the rows flipped, and one in
which every row is wrong. Runs of the same code are taken up from out/verdicts.
"""

import argparse
import datetime as dt
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.campaigns.analyst_verdicts import AnalystVerdict, Opinion
from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.known import KnownResults, read_known
from stillwatch.campaigns.labelled import Labelled, labelled
from stillwatch.campaigns.prior import labels
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.cli.console import progress
from stillwatch.lab.ablation import JudgedWorld, read_tested
from stillwatch.lab.simulate import simulate
from stillwatch.lab.suites.records import package_digest
from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import ScanSettings, load_settings
from stillwatch.signals.templates import families

OUT = Path(__file__).parent.parent / "out" / "verdicts"
WORLDS = ("first", "slow", "jitter")
FLIPPED = 0.2
FLIPS = 5
OTHER = {Opinion.CONFIRMED: Opinion.BENIGN, Opinion.BENIGN: Opinion.CONFIRMED}


@dataclass(frozen=True)
class Halves:
    """The second half of a world, tested, and what is known of the first; skeletons of the second half's prompts."""

    world: JudgedWorld
    known: KnownResults
    skeletons: pa.Table

    def truth_of(self, group: JudgedGroup) -> str | None:
        """The campaign that most of a group's accounts belong to."""
        entities = self.world.usage.entities[group.tests.candidate.entities].tolist()
        campaign_of = self.campaign_of
        counts = Counter(campaign_of.get(a) for entity in entities for a in self.world.accounts[entity])
        name, n = counts.most_common(1)[0]
        return name if 2 * n >= counts.total() else None

    @property
    def campaign_of(self) -> dict[str, str]:
        """Account -> true campaign."""
        found = self.world.truth.accounts.items()
        return {account: name for name, accounts in found for account in accounts}

    def true_table(self) -> dict[str, Opinion]:
        """Known group -> what the truth says of it."""
        hostile = self.campaign_of.keys()
        return {
            name: Opinion.CONFIRMED
            if 2 * len(hostile & group.accounts.keys()) >= len(group.accounts)
            else Opinion.BENIGN
            for name, group in self.known.groups.items()
        }

    def under(self, table: Mapping[str, Opinion]) -> Labelled:
        """The groups under a table of verdicts."""
        entity_of = {account: entity for entity, ones in self.world.accounts.items() for account in ones}
        verdicts = [AnalystVerdict(opinion, name, None) for name, opinion in table.items()]
        found = labels(verdicts, self.known.groups, self.world.usage, entity_of)
        return labelled(self.world.groups, found, self.world.usage, self.world.rates)


def halves(world: str, seed: int, scale: str, settings: ScanSettings) -> Halves:
    """Simulate, cut, scan, test."""
    folder = OUT / f"{world}-{seed}"
    code = package_digest()
    if not (folder / "code").exists() or (folder / "code").read_text() != code:
        shutil.rmtree(folder, ignore_errors=True)
        made = simulate(world, seed, folder / "world", scale)
        parts = _cut(made.dataset, folder)
        scan(ScanRequest((str(parts[0]),)), folder / "first", settings)
        known = settings.model_copy(update={"known": folder / "first"})
        scan(ScanRequest((str(parts[1]),), keep_steps=True), folder / "second", known)
        (folder / "code").write_text(code)
    tested = read_tested(folder / "second" / "steps", folder / "world" / "labels.parquet", settings)
    skeletons = pq.read_table(folder / "second" / "steps" / "prompt_skeletons.parquet")
    return Halves(tested, read_known(folder / "first"), skeletons)


def _cut(dataset: Path, folder: Path) -> tuple[Path, Path]:
    exchanges = pq.read_table(dataset / "exchanges")
    first, last = pc.min_max(exchanges["ts"]).as_py().values()
    middle: dt.datetime = first + (last - first) / 2
    early = pc.less(exchanges["ts"], pa.scalar(middle))
    parts = folder / "early", folder / "late"
    for part, half in zip(parts, (early, pc.invert(early)), strict=True):
        part.mkdir()
        pq.write_table(exchanges.filter(half), part / "exchanges.parquet")
        shutil.copy(dataset / "accounts.parquet", part / "accounts.parquet")
    return parts


def tables(true: Mapping[str, Opinion]) -> dict[str, list[dict[str, Opinion]]]:
    """Name -> tables of that kind."""
    rng = np.random.default_rng(1)
    flipped = [
        {name: OTHER[said] if rng.random() < FLIPPED else said for name, said in true.items()}
        for _ in range(FLIPS)
    ]
    return {
        "none": [{}],
        "true": [dict(true)],
        f"{FLIPPED:.0%} of the rows flipped": flipped,
        "every row wrong": [{name: OTHER[said] for name, said in true.items()}],
    }


def row(world: str, kind: str, found: list[Labelled], half: Halves) -> str:
    """One line of the table; figures of several tables are their averages."""
    truth = [half.truth_of(group) for group in half.world.groups]
    moved = np.array([[_decades(one, at) for at in range(len(truth))] for one in found])
    hostile = np.array([name is not None for name in truth])
    campaigns, accused = [], []
    for one in found:
        names = [name for name, group in zip(truth, one.groups, strict=True) if group.reported]
        campaigns.append(len({name for name in names if name is not None}))
        accused.append(names.count(None))
    return (
        f"| {world} | {kind} | {_middle(moved[:, hostile])} | {_middle(moved[:, ~hostile])} | "
        f"{moved.min():+.2f} to {moved.max():+.2f} | {np.mean(campaigns):.1f} | {np.mean(accused):.1f} |"
    )


def naming(half: Halves) -> tuple[float, float]:
    """Share of the second half's prompts with a template whose name the first half has: without, with --known."""
    known = half.known.families["prompt"]
    names = pa.array(set(known["template_id"].to_pylist()))
    shares = []
    for told in (None, known):
        found = families(half.skeletons, told)
        same = found.filter(pc.is_in(found["template_id"], names))
        shares.append(pc.sum(same["n_exchanges"]).as_py() / pc.sum(found["n_exchanges"]).as_py())
    return shares[0], shares[1]


def _decades(found: Labelled, at: int) -> float:
    return (found.groups[at].standing.required_log_e - found.without[at].required_log_e) / LN10


def _middle(moved: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> str:
    return f"{np.median(moved):+.2f}" if moved.size else "-"


def main(wanted: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="analyst_verdicts", description=__doc__)
    parser.add_argument("--world", action="append")
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--scale", default="small")
    given = parser.parse_args(wanted)
    lines, named = [], []
    with progress("Verdicts") as report:
        worlds = given.world or WORLDS
        for n, world in enumerate(worlds):
            report(world, n, len(worlds))
            half = halves(world, given.seed, given.scale, load_settings(None, {"key_file": OUT / "key"}))
            named.append("{}: {:.0%} without, {:.0%} with what is known".format(world, *naming(half)))
            for kind, some in tables(half.true_table()).items():
                lines.append(row(world, kind, [half.under(table) for table in some], half))
    print(
        "| world | table of verdicts | threshold of campaigns' groups, decades | of benign groups | all | campaigns "
        "reported | benign groups reported |"
    )
    print("|---|---|---|---|---|---|---|")
    print("\n".join(lines))
    print("\nPrompts of the second half under template names of the first\n" + "\n".join(named))


if __name__ == "__main__":
    main()
