"""Small worlds with everything that a score can read, written as files and computed by hand."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS
from stillwatch.exchange.schema import TIMESTAMP, TableSchema
from stillwatch.exchange.tables import LABELS

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
SCENARIOS = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("kind", pa.string()),
        ("family", pa.string()),
        ("dose", pa.float64()),
        ("n_accounts", pa.int64()),
        ("n_exchanges", pa.int64()),
        ("cost_accounts", pa.int64()),
        ("cost_money_eur", pa.float64()),
        ("cost_delay_hours", pa.float64()),
        ("note", pa.string()),
    ]
)
REPLACEMENTS = pa.schema(
    [("campaign_id", pa.string()), ("account_id", pa.string()), ("replaces", pa.string())]
)


def minute(number: float) -> dt.datetime:
    return START + dt.timedelta(minutes=number)


def write(path: Path, schema: TableSchema | pa.Schema, rows: list[dict[str, Any]]) -> None:
    arrow = schema.arrow if isinstance(schema, TableSchema) else schema
    columns = {f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in arrow}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def write_results(folder: Path, campaigns: list[Any], members: list[Any], flagged: list[Any]) -> Path:
    """campaigns: (campaign, rung, fdr, flagged_at); members: (campaign, account); flagged: (exchange, campaign)."""
    keys = ("campaign_id", "rung", "fdr", "flagged_at")
    write(folder / "campaigns.parquet", CAMPAIGNS, [dict(zip(keys, c, strict=True)) for c in campaigns])
    rows = [{"campaign_id": c, "account_id": a, "probability": 1.0} for c, a in members]
    write(folder / "members.parquet", MEMBERS, rows)
    write(folder / "flagged.parquet", FLAGGED, [{"exchange_id": e, "campaign_id": c} for e, c in flagged])
    return folder


def write_labels(folder: Path, labels: list[tuple[str, str, str | None, str]]) -> Path:
    """labels: (exchange, account, campaign, stratum); the n-th exchange of the list comes at minute n."""
    write(folder / "labels.parquet", LABELS, [dict(zip(LABELS.names, row, strict=True)) for row in labels])
    times = pa.array([minute(n) for n in range(len(labels))], TIMESTAMP)
    exchanges = folder / "dataset" / "exchanges"
    exchanges.mkdir(parents=True, exist_ok=True)
    table = pa.table({"exchange_id": [row[0] for row in labels], "ts": times})
    half = len(labels) // 2  # two files: joins go over all of them
    pq.write_table(table.slice(0, half), exchanges / "part-00000.parquet")
    pq.write_table(table.slice(half), exchanges / "part-00001.parquet")
    return folder / "labels.parquet"


def write_rich_world(folder: Path) -> tuple[Path, Path]:
    """Results and labels of a world in which every part of a score has something to say.

    Jitter of 0, 2 and 6 hours over 40 exchanges each, of which 36, 24 and 8 are flagged; two mixtures of which
    one is missed; chat users, one of them reported by a false campaign.
    """
    labels: list[tuple[str, str, str | None, str]] = []
    plan = (("jitter_0", 20), ("jitter_2", 50), ("jitter_6", 20), ("mixture_20", 4), ("mixture_50", 4))
    for campaign, accounts in plan:
        labels += [(f"{campaign}-{n}", f"{campaign}-a{n % accounts}", campaign, campaign) for n in range(40)]
        labels += [(f"{campaign}-b{n}", f"{campaign}-a{n}", campaign, campaign) for n in range(40, accounts)]
    labels += [(f"c{n}", f"chat{n % 60}", None, "chat_users") for n in range(120)]
    labels += [(f"d{n}", f"cron{n % 5}", None, "cron <fleet>") for n in range(50)]
    taken = {"jitter_0": 36, "jitter_2": 30, "jitter_6": 8, "mixture_20": 38}
    flagged = [(f"{c}-{n}", f"r-{c}") for c, count in taken.items() for n in range(min(count, 40))]
    flagged += [(f"c{n}", "r-wrong") for n in range(3)] + [("d0", "r-wrong")]
    members = sorted(
        {
            (f"r-{c}", f"{c}-a{n}")
            for c, count in taken.items()
            for n in range(min(count, 20, 4 if c == "mixture_20" else 20))
        }
    )
    members += [("r-wrong", "chat0"), ("r-wrong", "chat1")]
    place = {row[0]: n for n, row in enumerate(labels)}
    campaigns = [
        ("r-jitter_0", "training_shaped", 0.0005, minute(place["jitter_0-9"])),
        ("r-jitter_2", "one_task_pool", 0.004, minute(place["jitter_2-19"] + 0.5)),
        ("r-jitter_6", "one_task_pool", 0.008, None),
        ("r-mixture_20", "training_shaped", 0.002, minute(place["mixture_20-0"] - 1)),
        ("r-wrong", "coordinated", 0.009, minute(0)),
    ]
    world, results = folder / "world", folder / "results"
    write_results(results, campaigns, members, flagged)
    (results / "run.json").write_text(
        json.dumps({"wall_s": 12.5, "cpu_s": 20.25, "peak_bytes": 1_500_000_000})
    )
    (results / "summary.json").write_text(json.dumps({"fdr": 0.01, "steps": [{"seconds": 1.0}]}))
    costs = {
        "jitter_0": ("jitter", 0.0, 20, 20.0, 0.0),
        "jitter_2": ("jitter", 2.0, 50, 50.0, 2.0),
        "jitter_6": ("jitter", 6.0, 20, 60.0, 6.0),
        "mixture_20": ("mixture", 20.0, 4, 8.0, 0.0),
        "mixture_50": ("mixture", 50.0, 4, 4.0, 0.0),
    }
    rows = [
        {
            "campaign_id": c,
            "kind": "hydra",
            "family": family,
            "dose": dose,
            "n_accounts": accounts,
            "n_exchanges": sum(row[2] == c for row in labels),
            "cost_accounts": accounts,
            "cost_money_eur": money,
            "cost_delay_hours": delay,
        }
        for c, (family, dose, accounts, money, delay) in costs.items()
    ]
    write(world / "scenarios.parquet", SCENARIOS, rows)
    pairs = [("jitter_0", 1, 0), ("jitter_0", 2, 1), ("jitter_2", 30, 0), ("mixture_50", 1, 0)]
    rows = [
        {"campaign_id": c, "account_id": f"{c}-a{new}", "replaces": f"{c}-a{old}"} for c, new, old in pairs
    ]
    rows.append({"campaign_id": "jitter_0", "account_id": "never-asked", "replaces": "jitter_0-a2"})
    write(world / "replacements.parquet", REPLACEMENTS, rows)
    return results, write_labels(world, labels)
