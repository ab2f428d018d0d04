"""One small world with a campaign and one without, each simulated and scanned once for all tests of a worker."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.lab.simulate import Simulated, simulate
from tests.cli.command import Finished, run

WORLD = Path(__file__).with_name("world.toml")
SEED = 3
VERDICTS = {"campaigns": "campaign_id", "members": "account_id", "flagged": "exchange_id"}


@pytest.fixture(scope="session")
def own_key_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or makes the user's own key, or takes settings from the environment.

    Each folder of tests has this fixture to itself, so all of a worker's name one file: with a key of its own, one of
    them would change the hashes of a scan that another compares with.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("STILLWATCH_")]:
            patch.delenv(name)
        patch.setenv("STILLWATCH_KEY_FILE", str(tmp_path_factory.getbasetemp() / "identifier.key"))
        yield


@dataclass(frozen=True)
class Scanned:
    """A scan by the command line."""

    folder: Path
    finished: Finished

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return found

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"{name}.parquet")

    def verdicts(self) -> dict[str, list[dict[str, Any]]]:
        """The three tables that any detector writes, each in the order of its rows' names."""
        return {
            name: self.table(name).sort_by([("campaign_id", "ascending"), (key, "ascending")]).to_pylist()
            for name, key in VERDICTS.items()
        }


def scan(out: Path, *arguments: str | Path) -> Scanned:
    return Scanned(out, run("scan", *arguments, "--out", out, "--json").done())


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulate(WORLD, SEED, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def null_world(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulate(WORLD, SEED, tmp_path_factory.mktemp("null"), null=True)


@pytest.fixture(scope="session")
def scanned(world: Simulated, tmp_path_factory: pytest.TempPathFactory, own_key_file: None) -> Scanned:
    return scan(tmp_path_factory.mktemp("results"), world.dataset)


@pytest.fixture(scope="session")
def null_scan(null_world: Simulated, tmp_path_factory: pytest.TempPathFactory, own_key_file: None) -> Scanned:
    return scan(tmp_path_factory.mktemp("null-results"), null_world.dataset, "--keep-steps")


def exchanges(world: Simulated) -> pa.Table:
    return pq.read_table(world.dataset / "exchanges")


def as_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """Canonical JSON lines; nulls are left out, as loggers do."""
    plain = ({name: value for name, value in row.items() if value is not None} for row in rows)
    return "".join(
        json.dumps(row, default=lambda moment: moment.isoformat()) + "\n" for row in plain
    ).encode()
