"""One trial of the attacker (adversary.py): a campaign among benign life, scanned and scored, and the log of trials."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch.exchange.errors import StillwatchError
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.parameters import Value
from stillwatch.lab.score import score
from stillwatch.lab.simulate import simulate
from stillwatch.lab.suites.detectors import built_in
from stillwatch.lab.suites.variants import STILLWATCH

Settings = dict[str, Value]
NAME = "attacker"
_FIXED: Settings = {"accounts": 80, "start_day": 3.0, "days": 7.0, "first": "reasoning"}
_TIMEOUT_S = 3600


@dataclass(frozen=True)
class Outcome:
    """What became of one campaign in one world.

    Attributes:
        flagged: share of its exchanges that were flagged.
        evidence: largest log10 e-value of the verdicts that match it; 0 without any.
        price_eur: euros for a thousand useful exchanges.
        delay_hours: by which the data came later.
    """

    flagged: float
    evidence: float
    price_eur: float
    delay_hours: float


@dataclass(frozen=True)
class Trial:
    """Settings and what became of them, averaged over the seeds."""

    settings: Settings
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"settings": self.settings, "outcome": asdict(self.outcome)}


def world_text(base: str, settings: Mapping[str, Value], comment: str = "") -> str:
    """A world in TOML: the benign life of `base` and a campaign with these settings."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    values = {"name": NAME, "family": NAME, **_FIXED, **settings}
    body = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    return f'{head}extends = "{base}"\n\n[[campaign]]\n{body}'


def useful_share(settings: Mapping[str, Value]) -> float:
    """Share of a campaign's requests that bring a new task: no cover, no follow-up, no repetition."""
    tasks = 1.0
    if settings["kind"] == "disguise":
        cover = float(settings.get("cover_share", 0.0)) if settings["cover"] != "none" else 0.0
        later = 1 - 1 / float(settings["sitting"])  # only these can be follow-ups
        tasks = (
            (1 - cover) * (1 - float(settings["follow_ups"]) * later) * (1 - float(settings["own_repeats"]))
        )
    return tasks * (1 - float(settings["planted"])) / (1 + float(settings["again"]))


def expected_price(settings: Mapping[str, Value]) -> float:
    """Euros for a thousand useful exchanges, as anybody can reckon who knows the prices."""
    days, kind = float(_FIXED["days"]), str(settings["infrastructure"])
    each = prices.account_cost(kind, days) + (prices.PERSONA if settings["kind"] == "disguise" else 0.0)
    requests, useful = float(settings["per_day"]) * days, useful_share(settings)
    return 1000 * (each / requests + (1 - useful) * prices.REQUEST) / useful


class Scanned:
    """Simulates a campaign among benign life and lets a scan in a process of its own look for it."""

    def __init__(self, world: str, scale: str, work: Path) -> None:
        self._world = world
        self._scale = scale
        self._work = work

    def __call__(self, settings: Settings, seed: int) -> Outcome:
        """What becomes of these settings in the world of this seed."""
        folder = self._work / "world"
        file = self._work / "candidate.toml"
        file.write_text(world_text(self._world, settings), encoding="utf-8")
        try:
            self._simulate(file, seed, folder)
            self._scan(folder)
            return self._outcome(folder, settings)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            file.unlink(missing_ok=True)

    def _simulate(self, file: Path, seed: int, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        simulate(file, seed, folder, self._scale)

    def _scan(self, folder: Path) -> None:
        command = built_in()[STILLWATCH].words(folder / "dataset", folder / "results")
        done = subprocess.run(  # noqa: S603  (our own command, no shell reads it)
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise ScanFailedError(f"the scan ended with {done.returncode}: {done.stderr.strip()[-300:]}")

    def _outcome(self, folder: Path, settings: Settings) -> Outcome:
        found = score(folder / "results", folder / "labels.parquet")
        mine = pq.read_table(folder / "scenarios.parquet").to_pylist()[0]
        verdicts = pq.read_table(folder / "results" / "campaigns.parquet").to_pylist()
        matched = {name for campaign in found.campaigns for name in campaign.reported}
        evidence = [float(v["log10_e"]) for v in verdicts if v["campaign_id"] in matched]
        useful = max(1.0, mine["n_exchanges"] * useful_share(settings))
        return Outcome(
            found.exchanges.recall.share or 0.0,
            max(evidence, default=0.0),
            1000 * mine["cost_money_eur"] / useful,
            mine["cost_delay_hours"],
        )


class ScanFailedError(StillwatchError):
    """A scan that ended with an error: there is no verdict to tune against."""

    exit_code = 70

    def __init__(self, what: str) -> None:
        super().__init__(
            what, "Run `stillwatch scan` on the world by hand to see why; trials so far are kept."
        )


class Log:
    """Trials on disk, one line each; lines of another attack, or cut off, do not count."""

    def __init__(self, file: Path, world: str, scale: str, seeds: tuple[int, ...]) -> None:
        self._file = file
        told = (world, seeds, scale, _FIXED)
        self._of = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
        self.known: dict[str, Outcome] = {}
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            file.write_text("".join(whole), encoding="utf-8")
        for line in whole:
            entry = json.loads(line)
            if entry["of"] == self._of:
                self.known[key_of(entry["settings"])] = Outcome(**entry["outcome"])

    def add(self, settings: Settings, outcome: Outcome) -> None:
        """Write a trial down before the next one begins."""
        entry = {"of": self._of, **Trial(settings, outcome).to_dict()}
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        self.known[key_of(settings)] = outcome


def key_of(settings: Mapping[str, Value]) -> str:
    """The same for equal settings."""
    return json.dumps(settings, sort_keys=True)
