"""Small laboratory worlds by a few lines of TOML, simulated and taken through the product's own steps."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.campaigns.sample import GroupSample, content_bytes, unit_vectors
from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.run import Run
from stillwatch.lab.simulate import simulate
from stillwatch.links.attributes import attribute_steps
from stillwatch.signals.stage import family_steps, take_signatures
from stillwatch.signals.steps import signal_steps

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


def signals_of(dataset: Path, folder: Path) -> pa.Table:
    """The table `signals` of a dataset, in the order of time."""
    engine = with_entities(dataset, folder)
    run = Run(engine, lambda *report: None, 50)
    take_signatures(run)
    run.steps(family_steps())
    run.steps(signal_steps())
    signals = engine.table("signals")
    engine.close()
    return signals.sort_by([("ts", "ascending"), ("exchange_id", "ascending")])


def users_of_shared_templates(signals: pa.Table, accounts: set[str]) -> pa.Table:
    """Exchanges of these accounts in prompt templates that at least five of them use."""
    theirs = signals.filter(pc.is_in(signals.column("account_id"), pa.array(sorted(accounts))))
    theirs = theirs.filter(pc.is_valid(theirs.column("prompt_template")))
    users = theirs.group_by("prompt_template").aggregate([("entity", "count_distinct")])
    shared = users.filter(pc.greater_equal(users.column("entity_count_distinct"), 5))
    return theirs.filter(pc.is_in(theirs.column("prompt_template"), shared.column("prompt_template")))


def sample_of(rows: pa.Table) -> GroupSample:
    """The exchanges of one group as the tests get them."""
    entity, template = (codes(rows, name) for name in ("entity", "prompt_template"))
    ts = rows.column("ts").cast(pa.int64()).to_numpy()
    task = codes(rows, "task")
    first = np.full(int(task.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, task, ts)
    n = int(entity.max()) + 1
    span = np.column_stack([np.full(n, ts.max()), np.full(n, ts.min())])
    np.minimum.at(span[:, 0], entity, ts)
    np.maximum.at(span[:, 1], entity, ts)
    return GroupSample(
        n_entities=n,
        entity=entity,
        template=template,
        ts=ts,
        content=unit_vectors(content_bytes(rows.column("content"))),
        repeated=ts > first[task] + 3_600_000_000,
        held_out=rows.column("held_out").to_numpy(zero_copy_only=False).astype(bool),
        span=span,
        exposure=np.bincount(entity, minlength=n).astype(np.float64),
    )


def codes(rows: pa.Table, name: str) -> np.ndarray:
    """Values of a column as numbers, in the order in which they come."""
    encoded = rows.column(name).combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
