"""A campaign that buys from a reseller: its requests travel among those of the reseller's unrelated
customers.

The accounts are those of one benign population (`host`), or of two (`other_host`); the campaign adds its
own exchanges to each, between `low` and `high` of what the account then carries; at 1 the account carries
nothing else from the campaign's start on (the reseller has no other customer there). Address, program and
payment are the reseller's, the same for both parts. Cost to the attacker: the reseller's margin, and the
reseller's word.
"""

import numpy as np

from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._queue import (
    TIMES,
    WORK,
    Dealt,
    campaign_rows,
    capabilities,
    span,
    tasks,
    worked_off,
)
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Cost, Host, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 1
PARAMETERS = (
    Parameter("accounts", 60, 1, 200_000, meaning="accounts of each host that it uses, at most"),
    *TIMES,
    *WORK,
    Parameter("host", "unofficial_reseller", population=True, meaning="population whose accounts it uses"),
    Parameter("other_host", "", population=True, meaning="a second such population, or none"),
    Parameter("low", 0.3, 0.005, 0.995, meaning="smallest share of an account's exchanges"),
    Parameter("high", 0.6, 0.005, 0.995, meaning="largest share of an account's exchanges"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's requests."""
    begin, end = span(stage)
    hosts = [stage.host()] + ([stage.host("other_host")] if stage.word("other_host") else [])
    account = stage.rng.permutation(np.concatenate([_load(stage, host) for host in hosts]))
    ts = worked_off(stage.rng, len(account), begin, end)
    rows = campaign_rows(stage, Dealt(account, ts, tasks(stage, len(account))))
    texts = prices.wording_cost(
        stage.word("wording"), stage.word("language"), len(rows), int(stage.number("variants"))
    )
    money = len(rows) * prices.RESELLER_MARGIN + texts
    cost = Cost(0, round(money, 2), 0.0, "the reseller's margin on each request")
    return Traffic(None, rows, cost=cost, capabilities=capabilities(stage))


def _load(stage: Stage, host: Host) -> np.ndarray:
    """The account of each request, so many that the campaign has its share of each account that it uses."""
    used = stage.rng.permutation(host.count)[: stage.accounts]
    low = stage.number("low")
    share = stage.rng.uniform(low, max(low, stage.number("high")), len(used))
    counts = np.maximum(1, np.round(host.activity[used] * share / (1 - share))).astype(np.int64)
    return np.repeat(used + host.first, counts)
