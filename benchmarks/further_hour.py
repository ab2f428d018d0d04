"""Processor time of a further hour on top of days or weeks of state; renews a section of docs/performance.md.

make bench-replay
python -m benchmarks.further_hour --days 3 --days 6 --dry
python -m benchmarks.further_hour --dataset FOLDER --days 13 --dry

A world of the same traffic on every day is replayed day by day. At some ages the state is copied, and the next hours
are replayed on the copy. Hours in which groups are tested are told apart from those in which none was due, or in which
nothing had grown enough to look for groups at all; the first hour of a day, which makes the daily models, stands alone.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.speed.page import growth
from stillwatch.campaigns.candidates import CandidateSettings
from stillwatch.campaigns.judge import Rates
from stillwatch.cli.console import messages, output
from stillwatch.engines.memory import MemoryEngine
from stillwatch.lab.simulate import simulate
from stillwatch.lab.suites.readme import Place, write_block
from stillwatch.replaying.intake import Intake
from stillwatch.replaying.looking import Looks
from stillwatch.replaying.loop import Loop
from stillwatch.replaying.slices import DAY_US, microseconds
from stillwatch.replaying.source import Source, make_source
from stillwatch.replaying.state import load
from stillwatch.settings import ScanSettings, load_settings
from stillwatch.signals.classifiers import load_classifiers

DAYS = (7, 14, 28)
HOURS = 24
SEED = 41
PLACE = Place("make bench-replay")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
KINDS = ("no look", "looked, none due", "tested", "first of the day")
WORLD = """
[world]
start = "2026-03-02T00:00:00Z"
days = {days}

[[population]]
kind = "chat_users"
accounts = 1500
per_day = 0.7

[[population]]
kind = "coding_agent"
name = "coding_agent_a"
number = 0
accounts = 300
per_day = 1.9

[[population]]
kind = "saas_tenants"
accounts = 80
groups = 2

[[campaign]]
kind = "hydra"
name = "hydra"
accounts = 100
start_day = 1.0
days = {campaign_days}
per_day = 10
infrastructure = "dirty"
bans_per_day = 0.03
dispatch = "least_recently_used"
first = "reasoning"
variants = 6
"""


class _Enough(Exception):  # noqa: N818
    """Ends a replay."""


@dataclass(frozen=True)
class Watched(Looks):
    """Looks that tell what each slice came to."""

    kinds: list[str] = field(default_factory=list)

    def look(self, *given: Any) -> bool:
        """Look, and say so."""
        self.kinds.append(KINDS[0])
        return super().look(*given)

    def _communities(self, *given: Any) -> Any:
        self.kinds[-1] = KINDS[1]
        return super()._communities(*given)

    def _judge(self, *given: Any) -> Any:
        self.kinds[-1] = KINDS[2]
        return super()._judge(*given)


@dataclass(frozen=True)
class Age:
    """What hours cost on a state of some age.

    Attributes:
        days: of traffic before.
        live: exchanges in the state.
        seconds: processor seconds of each hour, the first of the day first.
        kinds: what each came to (`KINDS`).
    """

    days: int
    live: int
    seconds: list[float]
    kinds: list[str]

    def of(self, kind: str) -> list[float]:
        """Milliseconds of the hours of a kind."""
        return [1_000 * spent for spent, what in zip(self.seconds, self.kinds, strict=True) if what == kind]


def measured(dataset: Path, work: Path, days: Sequence[int], hours: int) -> list[Age]:
    """Build the state day by day; at each age, replay hours on a copy of it."""
    settings = load_settings(None, {"key_file": work / "key", "threads": 1})
    source = make_source((str(dataset),), work, work / "input", settings, lambda words, done, total: None)
    built, found = work / "built", []
    for age in sorted(days):
        messages.print(f"Replaying {age} days ...")
        _run(source, built, settings, DAY_US, age)
        shutil.copytree(built, work / f"day{age}")
        messages.print(f"Replaying {hours} hours ...")
        seconds, kinds = _run(source, work / f"day{age}", settings, DAY_US // 24, 24 * age + hours)
        kinds = [KINDS[3], *kinds[1:]]
        parts = (work / f"day{age}" / "parts").glob("*.parquet")
        live = sum(pq.ParquetFile(file).metadata.num_rows for file in parts)
        found.append(Age(age, live, seconds, kinds))
        shutil.rmtree(work / f"day{age}")
    return found


def _run(
    source: Source, folder: Path, settings: ScanSettings, every: int, slices: int
) -> tuple[list[float], list[str]]:
    """Replay up to a slice from the first one on; processor seconds of each, and what it came to."""
    live = MemoryEngine(folder / "spill", settings.memory_limit, 1)
    intake = Intake(source, folder / "parts", live, folder / "spill", settings.memory_limit)
    state = load(folder / "checkpoints")
    intake.restore(state)
    rates = Rates(settings.fdr, settings.shape_error, load_classifiers().benign_training_form_rate)
    groups = CandidateSettings(minimum_entities=settings.minimum_accounts)
    days = microseconds(settings.horizon, "horizon") // DAY_US
    looks = Watched(live, intake.engine, intake.accounts, groups, rates, settings.tested_exchanges, days)
    stamps = [time.process_time()]

    def progress(at: int, done: int, total: int) -> None:
        stamps.append(time.process_time())
        # An hour without exchanges looks at nothing.
        looks.kinds.extend(KINDS[:1] * (len(stamps) - 1 - len(looks.kinds)))
        # Stopped before the checkpoint of a day, which the next day would stand on: so it is stopped a slice later.
        if done >= slices + (every == DAY_US):
            raise _Enough

    loop = Loop(
        intake, looks, folder / "checkpoints", folder / "history.parquet", every, days * DAY_US, progress
    )
    try:
        # The last slice of a replay tests everything for the report; it is put off beyond the data.
        last = source.found["last_ts"] + 2 * DAY_US
        loop.run(state, source.found["first_ts"], last, settings.unreported_groups)
    except _Enough:
        pass
    finally:
        intake.close()
        live.close()
    return np.diff(stamps).tolist(), looks.kinds


def section(ages: Sequence[Age], hours: int) -> str:
    """The tables."""
    names = " | ".join(f"{age.days} days, {age.live:,} exchanges" for age in ages)
    lines = [
        f"Processor milliseconds of each of {hours} further hours: median, 95th percentile, number of hours. Growth is "
        "the exponent of the median by days.",
        "",
        f"| an hour | {names} | growth |",
        f"|---|{'---|' * len(ages)}---|",
    ]
    for kind in KINDS:
        spent = [age.of(kind) for age in ages]
        if not any(spent):
            continue
        cells = [
            f"{np.median(values):,.0f}, {np.percentile(values, 95):,.0f} ({len(values)})" if values else "-"
            for values in spent
        ]
        there = [(age.days, float(np.median(v))) for age, v in zip(ages, spent, strict=True) if v]
        slope = growth([day for day, _ in there], [middle for _, middle in there])
        told = "-" if slope is None else f"{slope:.2f}"
        lines.append(f"| {kind} | {' | '.join(cells)} | {told} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Print the table and renew the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.further_hour", description=__doc__)
    parser.add_argument("--days", type=int, action="append", help="ages of the state; default 7, 14 and 28")
    parser.add_argument("--hours", type=int, default=HOURS, help="hours at each age")
    parser.add_argument("--dataset", type=Path, help="replay this one instead of the world of the bench")
    parser.add_argument("--dry", action="store_true", help="print the table and write no page")
    given, _ = parser.parse_known_args()
    days = given.days or list(DAYS)
    with tempfile.TemporaryDirectory(prefix="stillwatch-replay-") as scratch:
        work = Path(scratch)
        dataset = given.dataset
        if dataset is None:
            text = WORLD.format(days=max(days) + 1, campaign_days=max(days))
            (work / "world.toml").write_text(text, encoding="utf-8")
            dataset = simulate(work / "world.toml", SEED, work / "world").dataset
        words = section(measured(dataset, work, days, given.hours), given.hours)
    output.print(words, markup=False, highlight=False, soft_wrap=True)
    if not given.dry:
        write_block(PAGE, PLACE.block(words), PLACE)


if __name__ == "__main__":
    main()
