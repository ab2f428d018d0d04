"""Steps from members and templates of campaigns to the probability of each exchange and the share of each account."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.campaigns.cells import cells_of_users_step, read_cells, read_settings, settings_step
from stillwatch.campaigns.exchange_probability import (
    ExchangeProbabilities,
    Traffic,
    exchange_probabilities,
)
from stillwatch.campaigns.shares import account_share
from stillwatch.engines.step import DriverStep, Step
from stillwatch.exchange.numbering import coded

PROBABILITIES_SCHEMA = pa.schema(
    [
        pa.field("candidate", pa.int64(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("prompt_template", pa.string(), nullable=False),
        pa.field("system_template", pa.string(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("n", pa.float64(), nullable=False),
        pa.field("member", pa.float64(), nullable=False),
        pa.field("shared", pa.float64(), nullable=False),
        pa.field("dedicated", pa.float64(), nullable=False),
        pa.field("dedicated_most", pa.float64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
    ]
)
SHARES_SCHEMA = pa.schema(
    [
        pa.field("candidate", pa.int64(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("share_low", pa.float64(), nullable=False),
        pa.field("share_high", pa.float64(), nullable=False),
    ]
)
_PUT = ("campaign_templates", "campaign_members")


def belonging_steps() -> list[Step]:
    """Steps from `signals`, `account_profiles`, `user_cells` (of all reported groups' templates), `campaign_templates`
    (candidate, template_id) and `campaign_members` (candidate, entity, probability).

    Makes, last:
        cell_probabilities: candidate, account_id, prompt_template, system_template, settings, n, and the
            probability of each such exchange; `member` (of the account), `shared` and `dedicated` are what it is
            made of (see `ExchangeProbabilities`).
        account_shares: candidate, account_id, share, share_low, share_high (of the account's exchanges, given that
            it is a member).
    """
    return [
        cells_of_users_step("campaign_cells", "user_cells", "campaign_templates"),
        settings_step(),
        DriverStep(
            "cell_probabilities",
            ("campaign_cells", "account_settings", "account_profiles", *_PUT),
            cell_probabilities,
        ),
        DriverStep("account_shares", ("cell_probabilities",), account_shares),
    ]


def cell_probabilities(tables: Mapping[str, pa.Table]) -> pa.Table:
    """See `belonging_steps`."""
    cells = read_cells(tables["campaign_cells"])
    total = float(np.sum(tables["account_profiles"].column("n_exchanges").to_numpy()))
    traffic = Traffic(cells, read_settings(tables["account_settings"], cells), total)
    templates, members = tables["campaign_templates"], tables["campaign_members"]
    parts = []
    suspects = np.isin(cells.entities, np.asarray(members.column("entity").to_pylist(), dtype=np.str_))
    for candidate in np.unique(templates.column("candidate").to_numpy()).tolist():
        own = templates.filter(pc.equal(templates.column("candidate"), candidate))
        core = cells.touching(own.column("template_id").to_pylist())
        of_account = _of_accounts(members, candidate, cells.entities)
        found = exchange_probabilities(traffic, core, of_account > 0, suspects)
        parts.append(_rows(traffic, found, candidate, of_account))
    return pa.concat_tables([PROBABILITIES_SCHEMA.empty_table(), *parts])


def _of_accounts(members: pa.Table, candidate: int, entities: NDArray[np.str_]) -> NDArray[np.float64]:
    """Probability of each account; 0 for those that are no members."""
    rows = members.filter(pc.equal(members.column("candidate"), candidate))
    names, values = rows.column("entity").to_pylist(), rows.column("probability").to_pylist()
    known = dict(zip(names, values, strict=True))
    return np.array([known.get(entity, 0.0) for entity in entities.tolist()], dtype=np.float64)


def _rows(
    traffic: Traffic, found: ExchangeProbabilities, candidate: int, of_account: NDArray[np.float64]
) -> pa.Table:
    cells, at = traffic.cells, found.cell
    account = cells.account[at]
    columns: list[Any] = [
        np.full(len(at), candidate),
        _taken(cells.accounts, account),
        _taken(cells.templates, cells.prompt[at]),
        _taken(cells.templates, cells.system[at]),
        _taken(cells.settings, cells.setting[at]),
        cells.n[at],
        of_account[account],
        found.shared,
        found.dedicated[account],
        found.dedicated_most[account],
        found.given_member * of_account[account],
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, PROBABILITIES_SCHEMA, strict=True)
    ]
    return pa.table(arrays, schema=PROBABILITIES_SCHEMA)


def _taken(names: NDArray[np.str_], at: NDArray[np.int64]) -> pa.Array:
    return pa.array(names.tolist(), pa.string()).take(pa.array(at))


def account_shares(tables: Mapping[str, pa.Table]) -> pa.Table:
    """See `belonging_steps`."""
    table = tables["cell_probabilities"].sort_by([("candidate", "ascending"), ("account_id", "ascending")])
    candidate = table.column("candidate").to_numpy()
    accounts, names = coded(table.column("account_id"))
    shared, least, most, n = (
        table.column(name).to_numpy() for name in ("shared", "dedicated", "dedicated_most", "n")
    )
    changes = (candidate[1:] != candidate[:-1]) | (names[1:] != names[:-1])
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), len(n)] if len(n) else [0]
    rows = []
    for start, stop in pairwise(bounds):
        own = slice(start, stop)
        share = account_share(shared[own], n[own], float(least[start]), float(most[start]))
        rows.append(
            (int(candidate[start]), accounts[names[start]].as_py(), share.mean, share.low, share.high)
        )
    return pa.table(
        {name: [row[place] for row in rows] for place, name in enumerate(SHARES_SCHEMA.names)},
        schema=SHARES_SCHEMA,
    )
