"""Baseline (b): an API key that makes 500 calls within an hour raises an alarm.

The rule of security-information systems (SIEM). We follow Elastic's "AWS Bedrock High-Frequency Single-Model
Inference API Probing" (June 2026): successful inference calls are counted by principal over the last 60
minutes, and 500 of them raise an alarm. Its own text says that paced traffic, and traffic spread over
credentials, evades it. Differences: their search runs every ten minutes, ours slides from call to call
(`window = "clock"` counts whole hours instead); they count each model by itself, which we do with
`by_model = "yes"`; and a rule that can name one key only makes one campaign of each account it hits, of all
the account's exchanges.

Blind to: everything that is spread over accounts or paced. Hits: any heavy customer.
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from stillwatch.campaigns.tables import Rung
from stillwatch.lab.baselines.reading import reading
from stillwatch.lab.baselines.tables import Found
from stillwatch.lab.parameters import Parameter, Value

NAME = "key_volume"
TITLE = "Volume per key"
SOURCE = (
    "Elastic detection-rules, integrations/aws/exfiltration_bedrock_high_frequency_inference_api_probing.toml "
    "(rule 56312ef5, 2026-06-05), https://github.com/elastic/detection-rules"
)
PARAMETERS = (
    Parameter("calls", 500, 1, 1_000_000, meaning="calls within the window that raise the alarm"),
    Parameter("minutes", 60, 1, 1440, meaning="length of the window"),
    Parameter(
        "window", "sliding", choices=("sliding", "clock"), meaning="any window, or whole ones by the clock"
    ),
    Parameter("per", "key", choices=("key", "account"), meaning="what is counted by"),
    Parameter(
        "by_model", "no", choices=("no", "yes"), meaning="count each model by itself, as the source does"
    ),
)

# Failed calls are left out, as in the source. An exchange without a key counts for its account.
_CALLS = """
CREATE TEMP VIEW calls AS
SELECT account_id, {unit} AS unit, {model} AS model, ts,
       (epoch_us(ts) // $length)::BIGINT AS part
FROM exchanges WHERE status IS NULL OR status < 400
"""

_PARTS = """
CREATE TEMP TABLE parts AS
SELECT account_id, unit, model, part, COUNT(*) AS n FROM calls GROUP BY ALL
"""

# A sliding window touches two neighbouring whole ones at most: only there can it hold too many.
_BUSY = """
CREATE TEMP TABLE busy AS
SELECT DISTINCT p.account_id, p.unit, p.model FROM parts p
LEFT JOIN parts q ON p.account_id = q.account_id AND p.unit = q.unit AND p.model = q.model
                 AND q.part = p.part + 1
WHERE p.n + COALESCE(q.n, 0) >= $calls
"""

_SLIDING = """
WITH earlier AS (
    SELECT account_id, ts,
           LAG(ts, $calls - 1) OVER (PARTITION BY account_id, unit, model ORDER BY ts) AS before
    FROM calls SEMI JOIN busy USING (account_id, unit, model)
)
SELECT account_id, MIN(ts) AS flagged_at FROM earlier
WHERE epoch_us(ts) - epoch_us(before) < $length GROUP BY account_id ORDER BY account_id
"""

_CLOCK = """
WITH numbered AS (
    SELECT account_id, ts,
           ROW_NUMBER() OVER (PARTITION BY account_id, unit, model, part ORDER BY ts) AS number
    FROM calls SEMI JOIN busy USING (account_id, unit, model)
)
SELECT account_id, MIN(ts) AS flagged_at FROM numbered WHERE number = $calls
GROUP BY account_id ORDER BY account_id
"""


def run(dataset: Path, settings: Mapping[str, Value]) -> Found:
    """Accounts with a key over the limit, each a campaign of its own."""
    with reading(dataset) as connection:
        hit = _hit(connection, settings)
    accounts = hit["account_id"].to_pylist()
    names = [f"{NAME}-{account}" for account in accounts]
    members = pa.table(
        {"campaign_id": pa.array(names, pa.string()), "account_id": pa.array(accounts, pa.string())}
    )
    moments = dict(zip(names, hit["flagged_at"].to_pylist(), strict=True))
    return Found(Rung.REPETITIVE, members, families=("volume",), flagged_at=moments)


def _hit(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Value]) -> pa.Table:
    """account_id, flagged_at: the call that filled the window."""
    length = int(settings["minutes"]) * 60_000_000
    unit = "COALESCE(key_id, account_id)" if settings["per"] == "key" else "account_id"
    calls = _CALLS.format(unit=unit, model="model" if settings["by_model"] == "yes" else "''")
    # A view takes no parameters.
    connection.execute(calls.replace("$length", str(length)))
    connection.execute(_PARTS)
    connection.execute(_BUSY, {"calls": settings["calls"]})
    sliding = settings["window"] == "sliding"
    sql = (_SLIDING if sliding else _CLOCK).replace("$calls", str(settings["calls"]))
    return connection.sql(sql.replace("$length", str(length))).to_arrow_table()
