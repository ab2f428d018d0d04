"""What a baseline found -> the three result tables and `summary.json`, as `stillwatch lab score` reads them.

The tables are those of `campaigns/tables.py`, which asks of each campaign an e-value and a false-discovery
rate. A baseline has neither: `log10_e` is 0 (no evidence for or against is claimed) and `fdr` is 1 (no rate
is promised). `rung` is what a rule's alarm means in our words: `coordinated` for rules that tie accounts to
each other, `repetitive` for those that see one account or one stream. A baseline names no capabilities.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS, Rung
from stillwatch.exchange.output import as_json, partial_of, written
from stillwatch.exchange.schema import TableSchema
from stillwatch.lab.baselines.reading import reading

SUMMARY_FILE = "summary.json"
_BATCH_ROWS = 65_536
_MEMBER_COLUMNS = ["campaign_id", "account_id", "probability"]


@dataclass(frozen=True)
class Found:
    """What a baseline found in a dataset.

    Attributes:
        rung: what its alarm means.
        members: one row a member: campaign_id, account_id (strings), probability (double; 1 if left out).
            Every account must have an exchange.
        flagged: one row an exchange: exchange_id, campaign_id (strings), probability (double; 1 if left
            out). None flags all exchanges of the members; then no account may stand in two campaigns.
        families: names of the evidence, such as "payment".
        flagged_at: event time at which the rule first held, by campaign_id; empty for a look back.
        notes: further figures for `summary.json`, such as what was capped.
    """

    rung: Rung
    members: pa.Table
    flagged: pa.Table | None = None
    families: tuple[str, ...] = ()
    flagged_at: Mapping[str, dt.datetime] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


def write_tables(found: Found, dataset: Path, out: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write campaigns, members and flagged.parquet and summary.json into a folder.

    Args:
        found: what the baseline found.
        dataset: the dataset folder that it looked at.
        out: folder; made if missing.
        about: what the summary says first: name, source and settings of the baseline, seconds it took.

    Returns:
        What stands in summary.json.

    Raises ValueError where `found` breaks its contract, OutputError where nothing can be written.
    """
    with written(out):
        out.mkdir(parents=True, exist_ok=True)
    with reading(dataset) as connection:
        connection.register("found_members", _checked_members(found))
        flagged = out / "flagged.parquet"
        _write(flagged, FLAGGED.arrow, _flagged(connection, found))
        _count(connection, flagged)
        members = _completed(connection.sql(_MEMBERS_SQL).to_arrow_table(), MEMBERS)
        campaigns = _campaigns(connection, found)
    _write(out / "members.parquet", MEMBERS.arrow, iter(members.to_batches()))
    _write(out / "campaigns.parquet", CAMPAIGNS.arrow, iter(campaigns.to_batches()))
    summary = {
        **about,
        "rung": found.rung.value,
        "n_campaigns": campaigns.num_rows,
        "n_accounts": pc.count_distinct(members["account_id"]).as_py(),
        "n_exchanges": pq.read_metadata(flagged).num_rows,
        "notes": dict(found.notes),
    }
    with written(out / SUMMARY_FILE):
        (out / SUMMARY_FILE).write_text(as_json(summary, str), encoding="utf-8")
    return summary


def _completed(table: pa.Table, schema: TableSchema) -> pa.Table:
    """The table with every column of its schema; what a baseline cannot say is null."""
    for name in schema.names:
        if name not in table.column_names and schema[name].nullable:
            table = table.append_column(name, pa.nulls(len(table), schema[name].type))
    return table.select(schema.names).cast(schema.arrow)


_COUNTS_SQL = """
CREATE TEMP TABLE counted AS
SELECT f.campaign_id, e.account_id, e.model, COUNT(*) AS n, MIN(e.ts) AS first_seen, MAX(e.ts) AS last_seen
FROM read_parquet($file) f JOIN exchanges e USING (exchange_id)
GROUP BY ALL
"""

_TOTALS_SQL = """
CREATE TEMP TABLE totals AS
SELECT account_id, COUNT(*) AS n, MIN(ts) AS first_seen, MAX(ts) AS last_seen
FROM exchanges WHERE account_id IN (SELECT account_id FROM found_members) GROUP BY account_id
"""

_MEMBERS_SQL = """
SELECT m.campaign_id, m.account_id, m.probability, COALESCE(c.n, 0)::BIGINT AS n_exchanges,
       COALESCE(c.n, 0) / t.n AS share
FROM found_members m JOIN totals t USING (account_id)
LEFT JOIN (SELECT campaign_id, account_id, SUM(n) AS n FROM counted GROUP BY ALL) c
    USING (campaign_id, account_id)
ORDER BY m.campaign_id, m.account_id
"""

# A campaign of which no exchange is flagged is as old as its members.
_CAMPAIGNS_SQL = """
WITH members AS (
    SELECT campaign_id, COUNT(*) AS n_accounts, MIN(first_seen) AS first_seen, MAX(last_seen) AS last_seen
    FROM found_members JOIN totals USING (account_id) GROUP BY campaign_id
), by_model AS (
    SELECT campaign_id, model, SUM(n) AS n, MIN(first_seen) AS first_seen, MAX(last_seen) AS last_seen
    FROM counted GROUP BY ALL
), flagged AS (
    SELECT campaign_id, SUM(n)::BIGINT AS n_exchanges, MIN(first_seen) AS first_seen,
           MAX(last_seen) AS last_seen, LIST(model ORDER BY n DESC, model) AS models
    FROM by_model GROUP BY campaign_id
)
SELECT m.campaign_id, m.n_accounts, COALESCE(f.n_exchanges, 0) AS n_exchanges,
       COALESCE(f.first_seen, m.first_seen) AS first_seen, COALESCE(f.last_seen, m.last_seen) AS last_seen,
       COALESCE(f.models, []) AS models
FROM members m LEFT JOIN flagged f USING (campaign_id) ORDER BY m.campaign_id
"""


def _checked_members(found: Found) -> pa.Table:
    members = _with_probability(found.members).select(_MEMBER_COLUMNS)
    keys = ["campaign_id", "account_id"]
    if members.group_by(keys).aggregate([]).num_rows != members.num_rows:
        raise ValueError("an account stands twice in one campaign")
    if found.flagged is None and pc.count_distinct(members["account_id"]).as_py() != members.num_rows:
        raise ValueError("an account stands in two campaigns, so its exchanges must be given one by one")
    return members


def _with_probability(table: pa.Table) -> pa.Table:
    if "probability" in table.column_names:
        return table
    return table.append_column("probability", pa.array([1.0] * table.num_rows, pa.float64()))


def _flagged(connection: duckdb.DuckDBPyConnection, found: Found) -> Iterator[pa.RecordBatch]:
    if found.flagged is None:
        sql = (
            "SELECT e.exchange_id, m.campaign_id, m.probability "
            "FROM exchanges e JOIN found_members m USING (account_id)"
        )
        yield from connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
        return
    flagged = _with_probability(found.flagged).select(FLAGGED.names)
    if pc.count_distinct(flagged["exchange_id"]).as_py() != flagged.num_rows:
        raise ValueError("an exchange is flagged twice")
    if set(flagged["campaign_id"].unique().to_pylist()) - set(found.members["campaign_id"].to_pylist()):
        raise ValueError("an exchange is flagged for a campaign without members")
    yield from flagged.to_batches(_BATCH_ROWS)


def _count(connection: duckdb.DuckDBPyConnection, flagged: Path) -> None:
    connection.execute(_COUNTS_SQL, {"file": str(flagged)})
    connection.execute(_TOTALS_SQL)
    lost = connection.sql("SELECT COUNT(*) FROM found_members ANTI JOIN totals USING (account_id)").fetchall()
    if lost[0][0]:
        raise ValueError(f"{lost[0][0]} member accounts have no exchange in the dataset")


def _campaigns(connection: duckdb.DuckDBPyConnection, found: Found) -> pa.Table:
    table = connection.sql(_CAMPAIGNS_SQL).to_arrow_table()
    n = table.num_rows
    moments = [found.flagged_at.get(name) for name in table["campaign_id"].to_pylist()]
    columns = {name: table[name] for name in table.column_names} | {
        "rung": pa.array([found.rung.value] * n, pa.string()),
        "log10_e": pa.array([0.0] * n, pa.float64()),
        "fdr": pa.array([1.0] * n, pa.float64()),
        "flagged_at": pa.array(moments, CAMPAIGNS["flagged_at"].type),
        "capabilities": pa.array([[]] * n, CAMPAIGNS["capabilities"].type),
        "families": pa.array([list(found.families)] * n, CAMPAIGNS["families"].type),
    }
    return _completed(pa.table(columns), CAMPAIGNS)


def _write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    partial = partial_of(path)
    with written(path):
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch.cast(schema))
        partial.replace(path)
