"""What is true of a world, written apart from the dataset: labels, campaigns with their price, replacements."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import LABELS
from stillwatch.lab.plan.planner import Plan, Waged

SCENARIOS = pa.schema(
    {
        "campaign_id": pa.string(),
        "kind": pa.string(),
        "family": pa.string(),
        "dose": pa.float64(),
        "capabilities": pa.list_(pa.string()),
        "n_accounts": pa.int64(),
        "n_exchanges": pa.int64(),
        "first_seen": TIMESTAMP,
        "last_seen": TIMESTAMP,
        "cost_accounts": pa.int64(),
        "cost_money_eur": pa.float64(),
        "cost_delay_hours": pa.float64(),
        "note": pa.string(),
    }
)
"""scenarios.parquet: one row a campaign; `family` and `dose` say which evasion it shows and how much of it."""

REPLACEMENTS = pa.schema(
    {
        "campaign_id": pa.string(),
        "account_id": pa.string(),
        "replaces": pa.string(),
        "created_at": TIMESTAMP,
    }
)
"""replacements.parquet: accounts of a campaign that were opened after the ban of another one."""


class Tally:
    """Writes labels.parquet part by part and counts what the other tables need."""

    def __init__(self, made: Plan, file: Path) -> None:
        self._made = made
        names = [actor.name for actor in made.actors]
        benign = len(names) - sum(actor.is_campaign for actor in made.actors)
        self._stratum = pa.array(names)
        self._campaign = pa.array([None] * benign + names[benign:], pa.string())
        self._exchanges = np.zeros(len(names), np.int64)
        self._used = [np.zeros(made.accounts, bool) for _ in names]
        self._first = np.full(len(names), np.iinfo(np.int64).max)
        self._last = np.full(len(names), np.iinfo(np.int64).min)
        self._writer = pq.ParquetWriter(file, LABELS.arrow, compression="zstd", compression_level=1)

    def add(self, part: pa.Table) -> None:
        """One part: exchange_id, account_id, actor, account, ts."""
        actor = part["actor"]
        columns = {
            "exchange_id": part["exchange_id"],
            "account_id": part["account_id"],
            "campaign_id": self._campaign.take(actor.combine_chunks()),
            "stratum": self._stratum.take(actor.combine_chunks()),
        }
        self._writer.write_table(pa.table(columns, LABELS.arrow))
        self._count(np.asarray(actor), np.asarray(part["account"]), np.asarray(part["ts"].cast(pa.int64())))

    def _count(self, actor: np.ndarray, account: np.ndarray, ts: np.ndarray) -> None:
        self._exchanges += np.bincount(actor, minlength=len(self._exchanges))
        np.minimum.at(self._first, actor, ts)
        np.maximum.at(self._last, actor, ts)
        for number in np.unique(actor).tolist():
            self._used[number][account[actor == number]] = True

    def close(self) -> None:
        """Finish labels.parquet."""
        self._writer.close()

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Exchanges and accounts by stratum, for those that have any."""
        return {
            name: (int(count), int(used.sum()))
            for name, count, used in zip(self._stratum.to_pylist(), self._exchanges, self._used, strict=True)
            if count
        }

    def scenarios(self) -> pa.Table:
        """The campaigns; one row each, copies of a campaign together."""
        rows = [self._scenario(number) for number in dict.fromkeys(w.actor for w in self._made.campaigns)]
        return pa.Table.from_pylist(rows, SCENARIOS)

    def _scenario(self, number: int) -> dict[str, object]:
        actor = self._made.actors[number]
        copies = [waged for waged in self._made.campaigns if waged.actor == number]
        return {
            "campaign_id": actor.name,
            "kind": actor.module.__name__.rsplit(".", 1)[-1],
            "family": str(actor.values["family"]) or actor.module.__name__.rsplit(".", 1)[-1],
            "dose": float(actor.values["dose"]),
            "capabilities": sorted({c for waged in copies for c in waged.capabilities}),
            "n_accounts": int(self._used[number].sum()),
            "n_exchanges": int(self._exchanges[number]),
            "first_seen": int(self._first[number]) if self._exchanges[number] else None,
            "last_seen": int(self._last[number]) if self._exchanges[number] else None,
            "cost_accounts": sum(waged.cost.accounts for waged in copies),
            "cost_money_eur": round(sum(waged.cost.money_eur for waged in copies), 2),
            "cost_delay_hours": max(waged.cost.delay_hours for waged in copies),
            "note": copies[0].cost.note,
        }

    def replacements(self) -> pa.Table:
        """Accounts that replaced a banned one."""
        accounts = pa.concat_tables(self._made.public).combine_chunks() if self._made.public else None
        parts = [self._heirs(waged, accounts) for waged in self._made.campaigns if len(waged.replaced)]
        return pa.concat_tables(parts) if parts else REPLACEMENTS.empty_table()

    def _heirs(self, waged: Waged, accounts: pa.Table) -> pa.Table:
        heirs, gone = (pa.array(waged.replaced[:, side]) for side in (0, 1))
        name = self._made.actors[waged.actor].name
        columns = {
            "campaign_id": pa.array([name] * len(heirs), pa.string()),
            "account_id": accounts["account_id"].take(heirs),
            "replaces": accounts["account_id"].take(gone),
            "created_at": accounts["created_at"].take(heirs),
        }
        return pa.table(columns, REPLACEMENTS)


def sorted_accounts(tables: Iterable[pa.Table]) -> pa.Table:
    """All accounts by their names, which are random."""
    table = pa.concat_tables(list(tables))
    return table.take(pc.sort_indices(table["account_id"]))
