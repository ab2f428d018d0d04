"""Baseline (a): accounts that share a payment instrument, a /24, or a TLS fingerprint are one campaign.

The rule of Glasswally, the open-source peer (Rust, MIT): its state store makes one cluster of all accounts
that share a payment method, an organisation, an IPv4 /24 or a JA3 TLS fingerprint, each value counting the
same however common it is, and forgets none of these; a cluster counts from three accounts on
(`state/window.rs`, `workers/hydra.rs`, `engine/dispatcher.rs`). Beside it, a system prompt that ten accounts
share (its first 512 characters in lower case, letters and digits only) gets the highest score for shared
prompts in `workers/role_preamble.rs`, with a confidence of 0.9. Here both are ties of one union, and every component of
at least three accounts is a campaign with all its exchanges.

Differences, all but the first in the rule's favour: Glasswally's clusters may be left half merged when two of
them meet, ours are true components. It fuses ten signals with weights, among which a cluster alone (0.11,
and 0.08 more from five accounts on) never reaches the 0.35 of an alarm: we take the cluster for the alarm.
Our datasets hold JA4 in place of JA3, which changes less from release to release. Ties by declared
organisation are left out unless asked for, since they make a campaign of each company.

Blind to: residential addresses, a card an account and a common client. Hits: everybody behind one NAT, one
popular client or one popular coding agent, and so, once a client is popular enough, everybody.
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.compute as pc

from stillwatch.campaigns.tables import Rung
from stillwatch.exchange.errors import UsageError
from stillwatch.lab.baselines._components import components, members_of
from stillwatch.lab.baselines.reading import reading
from stillwatch.lab.baselines.tables import Found
from stillwatch.lab.parameters import Parameter, Value

NAME = "shared_infrastructure"
TITLE = "Shared infrastructure"
SOURCE = "Glasswally (m0rs3c0d3, 2026), https://github.com/m0rs3c0d3/Glasswally"
PARAMETERS = (
    Parameter(
        "ties",
        "payment,prefix,tls,system_prompt",
        meaning="what ties accounts, separated by commas: payment, prefix, tls, system_prompt, organisation",
    ),
    Parameter("min_accounts", 3, 2, 1_000_000, meaning="smallest component that is a campaign"),
    Parameter("prompt_accounts", 10, 2, 1_000_000, meaning="accounts of which one system prompt makes a tie"),
)

# Empty values tie nobody. Only dotted addresses have a /24, as in the source.
_TIES = {
    "payment": "SELECT account_id, payment_id AS value FROM accounts SEMI JOIN active USING (account_id)",
    "organisation": "SELECT DISTINCT account_id, org_id AS value FROM exchanges",
    "prefix": r"""
        SELECT DISTINCT account_id, regexp_extract(client_ip, '^(\d+\.\d+\.\d+)\.\d+$', 1) AS value
        FROM exchanges""",
    "tls": "SELECT DISTINCT account_id, ja4 AS value FROM exchanges",
    "system_prompt": """
        SELECT DISTINCT account_id, trim(regexp_replace(lower(head), '[^a-z0-9]+', ' ', 'g')) AS value
        FROM (SELECT DISTINCT account_id, left(system_prompt, 512) AS head FROM exchanges)""",
}

_SHARED = """
CREATE TEMP TABLE shared AS
SELECT account_id, dense_rank() OVER (ORDER BY kind, value) - 1 AS value, kind
FROM ties
QUALIFY COUNT(*) OVER (PARTITION BY kind, value) >= CASE kind WHEN 'system_prompt' THEN {least} ELSE 2 END
"""


def run(dataset: Path, settings: Mapping[str, Value]) -> Found:
    """Components of the union of all ties.

    Raises UsageError for a kind of tie that does not exist.
    """
    kinds = _kinds(str(settings["ties"]))
    with reading(dataset) as connection:
        _shared(connection, kinds, int(settings["prompt_accounts"]))
        shared = connection.sql("SELECT account_id, value FROM shared").to_arrow_table()
        notes = _notes(connection)
    accounts = shared["account_id"].combine_chunks().dictionary_encode()
    values = np.unique(shared["value"].to_numpy(), return_inverse=True)[1]
    codes = accounts.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    n = len(accounts.dictionary)
    labels = components(n + len(np.unique(values)), codes, n + values)[:n]
    members = members_of(NAME, accounts.dictionary, labels, int(settings["min_accounts"]))
    sizes = pc.value_counts(members["campaign_id"]).field("counts")
    largest = int(pc.max(sizes).as_py() or 0)
    return Found(Rung.COORDINATED, members, families=kinds, notes={**notes, "largest_campaign": largest})


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for kind in kinds:
        if kind not in _TIES:
            raise UsageError(
                f"baseline {NAME}: ties = {text!r} is not allowed",
                f"Set ties to some of: {', '.join(_TIES)}.",
            )
    return kinds


def _shared(connection: duckdb.DuckDBPyConnection, kinds: tuple[str, ...], least: int) -> None:
    connection.execute("CREATE TEMP TABLE active AS SELECT DISTINCT account_id FROM exchanges")
    connection.execute("CREATE TEMP TABLE ties (account_id VARCHAR, kind VARCHAR, value VARCHAR)")
    for kind in kinds:
        connection.execute(
            f"INSERT INTO ties SELECT account_id, '{kind}', value FROM ({_TIES[kind]}) WHERE value <> ''"
        )
    connection.execute(_SHARED.format(least=least))


def _notes(connection: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """How many values of each kind tie accounts, and how many accounts the commonest has."""
    rows = connection.sql(
        "SELECT kind, COUNT(*), MAX(n) FROM (SELECT kind, value, COUNT(*) AS n FROM shared GROUP BY ALL) "
        "GROUP BY kind ORDER BY kind"
    ).fetchall()
    return {
        "tying_values": {kind: n for kind, n, _ in rows},
        "accounts_of_the_commonest": {kind: most for kind, _, most in rows},
    }
