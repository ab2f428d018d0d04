"""Reads a detector's results and a world's labels; of exchanges only counts are kept, so any number of them fits."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.exchange.schema import TIMESTAMP, TableSchema
from stillwatch.exchange.tables import LABELS
from stillwatch.lab.scoring.store import Store, check_columns, check_filled, unreadable

# What a score needs; a foreign detector may leave the other columns out.
_NEEDED = {
    "campaigns": ("campaign_id", "rung"),
    "members": ("campaign_id", "account_id", "probability"),
    "flagged": ("exchange_id", "campaign_id"),
    "labels": ("exchange_id", "account_id", "campaign_id", "stratum"),
}
Origin = tuple[str | None, str]
"""True campaign (None = benign) and stratum of an exchange."""


@dataclass
class Truth:
    """What the labels say.

    Attributes:
        exchanges: true campaign -> number of its exchanges.
        accounts: true campaign -> accounts with at least one exchange of it.
        shares: account -> true campaign -> number of its exchanges.
        home: account -> stratum of most of its exchanges (the first by name where two tie).
        n_exchanges: exchanges in all.
    """

    exchanges: Counter[str] = field(default_factory=Counter)
    accounts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shares: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    home: dict[str, str] = field(default_factory=dict)
    n_exchanges: int = 0

    @property
    def members(self) -> set[str]:
        """Accounts of any campaign."""
        return set().union(*self.accounts.values())


@dataclass
class Reported:
    """What a detector says.

    Attributes:
        rung: reported campaign -> rung.
        members: reported campaign -> account -> probability.
        flagged: reported campaign -> origin of its exchanges -> their number.
        fdr: reported campaign -> smallest rate of false discovery at which it is reported; empty if not said.
        flagged_at: reported campaign -> event time of the verdict in microseconds; None for none.
        joined_at: reported campaign -> account -> event time in microseconds at which it became a member; empty
            if not said.
    """

    rung: dict[str, str]
    members: dict[str, dict[str, float]]
    flagged: dict[str, Counter[Origin]]
    fdr: dict[str, float] = field(default_factory=dict)
    flagged_at: dict[str, int | None] = field(default_factory=dict)
    joined_at: dict[str, dict[str, int]] = field(default_factory=dict)

    def hits(self, names: Sequence[str], campaign: str) -> int:
        """Exchanges of a true campaign that these reported ones flag."""
        return sum(n for name in names for (true, _), n in self.flagged[name].items() if true == campaign)


def read_truth(store: Store, labels: Path) -> Truth:
    """Reads labels.parquet.

    Raises UnreadableInputError if it is missing or is no such table, UsageError if an exchange stands twice.
    """
    store.attach(LABELS, labels, _NEEDED["labels"])
    twice = store.repeated("labels", "exchange_id")
    if twice:
        what = f"exchange {twice[0]} stands twice"
        raise UsageError(what, "Label each exchange once.", file=labels, row=twice[1])
    store.make(
        "cells",
        "SELECT account_id, campaign_id, stratum, count(*) AS n FROM labels GROUP BY ALL",
        "labels",
    )
    truth = Truth()
    # Of most exchanges, the first by name where two tie: as `most_common` says it.
    order = "row_number() OVER (PARTITION BY account_id ORDER BY n DESC, stratum)"
    counts = "SELECT account_id, stratum, sum(n) AS n FROM cells GROUP BY ALL"
    query = f"SELECT account_id, stratum, {order} AS place FROM ({counts})"
    homes = store.rows(f"SELECT account_id, stratum FROM ({query}) WHERE place = 1 ORDER BY ALL", "labels")
    truth.home = {account: intern(stratum) for account, stratum in homes}
    for account, campaign, n in store.rows(
        "SELECT account_id, campaign_id, sum(n)::BIGINT FROM cells GROUP BY ALL", "labels"
    ):
        truth.n_exchanges += n
        if campaign is not None:
            truth.exchanges[campaign] += n
            truth.accounts[campaign].add(account)
            truth.shares[account][campaign] += n
    return truth


def read_reported(store: Store, results: Path, truth: Truth) -> Reported:
    """Reads the three result tables of a detector and checks them against each other and the labels.

    The labels must have been read from the same store.

    Raises UnreadableInputError for a missing table or column, UsageError for a name that no other table has.
    """
    campaigns = _read(results / "campaigns.parquet", CAMPAIGNS, ("fdr", "flagged_at"))
    members = _read(results / "members.parquet", MEMBERS, ("joined_at",))
    names = campaigns["campaign_id"].to_pylist()
    rung = dict(zip(names, campaigns["rung"].to_pylist(), strict=True))
    found = Reported(rung, {c: {} for c in rung}, {c: Counter() for c in rung})
    if "fdr" in campaigns.column_names:
        rates = zip(names, campaigns["fdr"].to_pylist(), strict=True)
        found.fdr = {name: float(rate) for name, rate in rates if rate is not None}
    found.flagged_at = dict(
        zip(names, _instants(campaigns, "flagged_at", results / "campaigns.parquet"), strict=True)
    )
    rows = zip(*(members[name].to_pylist() for name in _NEEDED["members"]), strict=True)
    for row, (campaign, account, probability) in enumerate(rows):
        _known(campaign, rung, "campaign", results / "members.parquet", row)
        _known(account, truth.home, "account", results / "members.parquet", row)
        found.members[campaign][account] = max(probability, found.members[campaign].get(account, 0.0))
    joined = _instants(members, "joined_at", results / "members.parquet")
    places = zip(members["campaign_id"].to_pylist(), members["account_id"].to_pylist(), joined, strict=True)
    for campaign, account, moment in places:
        if moment is not None:
            found.joined_at.setdefault(campaign, {})[account] = moment
    _read_flagged(store, results / "flagged.parquet", found)
    return found


def most_common(counts: Counter[str]) -> str:
    """The most frequent name; the first by name where several tie."""
    return min(counts, key=lambda name: (-counts[name], name))


def _read_flagged(store: Store, path: Path, found: Reported) -> None:
    """One join counts what was flagged by its origin; the first row that does not fit is complained of."""
    store.attach(FLAGGED, path, _NEEDED["flagged"])
    cells = store.rows(
        "SELECT f.campaign_id, l.campaign_id, l.stratum, count(*), min(f.place) FROM flagged AS f "
        "LEFT JOIN labels AS l ON f.exchange_id = l.exchange_id GROUP BY ALL",
        "flagged",
    )
    unfit: list[tuple[int, int, str]] = []  # row, order of the complaints about one row, name
    for name, campaign, stratum, n, place in cells:
        if name not in found.rung:
            unfit.append((place, 0, name))
        elif stratum is None:
            unfit.append((place, 1, ""))
        else:
            found.flagged[name][campaign, stratum] += n
    twice = store.repeated("flagged", "exchange_id")
    if twice:
        unfit.append((twice[1], 2, twice[0]))
    if not unfit:
        return
    row, complaint, name = min(unfit)
    if complaint == 0:
        _known(name, found.rung, "campaign", path, row)
    if complaint == 1:
        (exchange,) = store.rows(f"SELECT exchange_id FROM flagged WHERE place = {row} LIMIT 1", "flagged")
        _known(exchange[0], (), "exchange", path, row)
    raise UsageError(f"exchange {name} stands twice", "Flag each exchange once.", file=path, row=row)


def _known(name: str, names: object, kind: str, file: Path, row: int) -> None:
    if name not in names:  # type: ignore[operator]
        where = "campaigns.parquet" if kind == "campaign" else "the labels"
        remedy = (
            "Score results with the labels of the same simulation."
            if kind != "campaign"
            else "List it there."
        )
        raise UsageError(f"{kind} {name} does not stand in {where}", remedy, file=file, row=row)


def _instants(table: pa.Table, name: str, path: Path) -> list[int | None]:
    """Event times in microseconds; none where the detector tells none."""
    if name not in table.column_names:
        return [None] * len(table)
    column = table[name]
    if pa.types.is_null(column.type):
        return [None] * len(table)
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            column = pc.assume_timezone(column, "UTC")
        instants: list[int | None] = column.cast(TIMESTAMP).cast(pa.int64()).to_pylist()
    except pa.ArrowException as error:
        what = f"{name} cannot be read as an instant: {error}"
        raise UnreadableInputError(what, "Write timestamps in UTC, or null.", file=path) from error
    return instants


def _read(path: Path, schema: TableSchema, optional: Sequence[str] = ()) -> Any:
    needed = _NEEDED[schema.name]
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(schema, path, error) from error
    check_columns(table.column_names, needed, path)
    table = table.select([*needed, *(name for name in optional if name in table.column_names)])
    check_filled({name: table[name].null_count for name in needed}, schema, path)
    return table
