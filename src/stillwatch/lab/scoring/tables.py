"""Reads a detector's results and a world's labels into plain sets."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.tables import LABELS

# What a score needs; a foreign detector may leave the other columns out.
_NEEDED = {
    "campaigns": ("campaign_id", "rung"),
    "members": ("campaign_id", "account_id", "probability"),
    "flagged": ("exchange_id", "campaign_id"),
    "labels": ("exchange_id", "account_id", "campaign_id", "stratum"),
}


@dataclass
class Truth:
    """What the labels say.

    Attributes:
        campaign: exchange -> true campaign, for the exchanges of campaigns only.
        exchanges: true campaign -> its exchanges.
        accounts: true campaign -> accounts with at least one exchange of it.
        shares: account -> true campaign -> number of its exchanges.
        stratum: exchange -> stratum.
        home: account -> stratum of most of its exchanges (the first by name where two tie).
    """

    campaign: dict[str, str] = field(default_factory=dict)
    exchanges: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    accounts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shares: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    stratum: dict[str, str] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)

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
        flagged: reported campaign -> its exchanges.
    """

    rung: dict[str, str]
    members: dict[str, dict[str, float]]
    flagged: dict[str, set[str]]


def read_truth(labels: Path) -> Truth:
    """Reads labels.parquet. Raises UnreadableInputError if it is missing or is no such table."""
    table = _read(labels, LABELS)
    truth = Truth()
    homes: dict[str, Counter[str]] = defaultdict(Counter)
    columns = (table[name].to_pylist() for name in _NEEDED["labels"])
    for exchange, account, campaign, stratum in zip(*columns, strict=True):
        truth.stratum[exchange] = stratum
        homes[account][stratum] += 1
        if campaign is not None:
            truth.campaign[exchange] = campaign
            truth.exchanges[campaign].add(exchange)
            truth.accounts[campaign].add(account)
            truth.shares[account][campaign] += 1
    truth.home = {account: most_common(counts) for account, counts in homes.items()}
    return truth


def read_reported(results: Path, truth: Truth) -> Reported:
    """Reads the three result tables of a detector and checks them against each other and the labels.

    Raises UnreadableInputError for a missing table or column, UsageError for a name that no other table has.
    """
    campaigns = _read(results / "campaigns.parquet", CAMPAIGNS)
    members = _read(results / "members.parquet", MEMBERS)
    flagged = _read(results / "flagged.parquet", FLAGGED)
    rung = dict(zip(campaigns["campaign_id"].to_pylist(), campaigns["rung"].to_pylist(), strict=True))
    found = Reported(rung, {c: {} for c in rung}, {c: set() for c in rung})
    rows = zip(*(members[name].to_pylist() for name in _NEEDED["members"]), strict=True)
    for row, (campaign, account, probability) in enumerate(rows):
        _known(campaign, rung, "campaign", results / "members.parquet", row)
        _known(account, truth.home, "account", results / "members.parquet", row)
        found.members[campaign][account] = max(probability, found.members[campaign].get(account, 0.0))
    seen: set[str] = set()
    rows = zip(*(flagged[name].to_pylist() for name in _NEEDED["flagged"]), strict=True)
    for row, (exchange, campaign) in enumerate(rows):
        _known(campaign, rung, "campaign", results / "flagged.parquet", row)
        _known(exchange, truth.stratum, "exchange", results / "flagged.parquet", row)
        if exchange in seen:
            what = f"exchange {exchange} stands twice"
            raise UsageError(what, "Flag each exchange once.", file=results / "flagged.parquet", row=row)
        seen.add(exchange)
        found.flagged[campaign].add(exchange)
    return found


def most_common(counts: Counter[str]) -> str:
    """The most frequent name; the first by name where several tie."""
    return min(counts, key=lambda name: (-counts[name], name))


def _known(name: str, names: object, kind: str, file: Path, row: int) -> None:
    if name not in names:  # type: ignore[operator]
        where = "campaigns.parquet" if kind == "campaign" else "the labels"
        remedy = (
            "Score results with the labels of the same simulation."
            if kind != "campaign"
            else "List it there."
        )
        raise UsageError(f"{kind} {name} does not stand in {where}", remedy, file=file, row=row)


def _read(path: Path, schema: TableSchema) -> pa.Table:
    needed = _NEEDED[schema.name]
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        remedy = (
            f"Write {schema.name}.parquet as docs/laboratory.md describes it, empty where nothing was found."
        )
        raise UnreadableInputError(f"cannot be read: {error}", remedy, file=path) from error
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        remedy = f"It needs {', '.join(needed)}."
        raise UnreadableInputError(f"no column {', '.join(missing)}", remedy, file=path)
    table = table.select(list(needed))
    for name in needed:
        if table[name].null_count and not schema[name].nullable:
            what = f"{table[name].null_count} rows have no {name}"
            raise UnreadableInputError(what, f"Give every row its {name}.", file=path)
    return table
