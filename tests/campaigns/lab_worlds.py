"""Small laboratory worlds by a few lines of TOML, simulated and taken through the product's own steps."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.run import Run
from stillwatch.lab.simulate import simulate
from stillwatch.links.attributes import attribute_steps

SETTING = """
[world]
start = "2026-03-02T00:00:00Z"
days = 21
release_day = 9.4

[[population]]
kind = "chat_users"
accounts = 150
per_day = 0.3
"""


def simulated(campaign: dict[str, object], folder: Path, seed: int = 1, setting: str = SETTING) -> Path:
    """Dataset of a small world with one campaign (kind `hydra` unless said otherwise) at scale small."""
    settings = {"kind": "hydra", "name": "planted", **campaign}
    lines = (
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in settings.items()
    )
    world = folder / "world.toml"
    world.write_text(setting + "\n[[campaign]]\n" + "\n".join(lines) + "\n")
    return simulate(world, seed, folder / "simulated").dataset


def with_entities(dataset: Path, folder: Path) -> DuckdbEngine:
    """An engine with the dataset's exchanges and accounts, and the steps up to `account_entities`."""
    engine = DuckdbEngine(folder, "1GB", 1)
    engine.attach("exchanges", sorted((dataset / "exchanges").glob("*.parquet")))
    engine.put("accounts", pq.read_table(dataset / "accounts.parquet"))
    Run(engine, lambda *report: None, 50).steps(attribute_steps()[:1])
    return engine


def labelled(dataset: Path, campaign: str = "planted") -> set[str]:
    """Accounts of the campaign."""
    labels: pa.Table = pq.read_table(dataset.parent / "labels.parquet", columns=["account_id", "campaign_id"])
    return {row["account_id"] for row in labels.to_pylist() if row["campaign_id"] == campaign}
