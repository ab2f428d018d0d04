"""A campaign that buys from a reseller: its requests travel among those of the reseller's unrelated
customers.

The accounts are those of one benign population (`host`), or of two (`other_host`); the campaign adds its
own exchanges to each, between `low` and `high` of what the account then carries. Address, program and
payment are the reseller's, the same for both parts. Where both are 1 the reseller opens further accounts
for the campaign, on the same cards, servers and program and as busy as his others, which serve nobody else.
What the disclosures tell of such networks is that they mix distillation with unrelated customers' requests;
no share is told, so the worlds try many.

Cost to the attacker: the reseller's margin on each request, and trust in the reseller's word.
"""

import numpy as np

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import Ints
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._infrastructure import sisters
from stillwatch.lab.conducts._queue import (
    TIMES,
    WORK,
    Dealt,
    campaign_rows,
    capabilities,
    span,
    tasks,
    wasted,
    wording_price,
    worked_off,
)
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Cost, Host, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 1
_MIXED = 0.95  # largest share of what is still a mixture
PARAMETERS = (
    Parameter("accounts", 60, 1, 200_000, meaning="accounts of each host that it uses, at most"),
    *TIMES,
    *WORK,
    Parameter("host", "unofficial_reseller", population=True, meaning="population whose accounts it uses"),
    Parameter("other_host", "", population=True, meaning="a second such population, or none"),
    Parameter("low", 0.3, 0.005, 1.0, meaning="smallest share of an account's exchanges"),
    Parameter("high", 0.6, 0.005, 1.0, meaning="largest share of an account's exchanges"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's requests."""
    begin, end = span(stage)
    hosts = [stage.host()] + ([stage.host("other_host")] if stage.word("other_host") else [])
    accounts, load = _own(stage, hosts) if _alone(stage) else (None, _shared(stage, hosts))
    account = stage.rng.permutation(load)
    ts = worked_off(stage.rng, len(account), begin, end)
    rows = campaign_rows(stage, Dealt(account, ts, tasks(stage, len(account))))
    texts = wording_price(stage, len(rows))
    repeats = len(rows) * wasted(stage) * prices.REQUEST
    money = len(rows) * prices.RESELLER_MARGIN + texts + repeats
    cost = Cost(0, round(money, 2), 0.0, "the reseller's margin on each request")
    return Traffic(accounts, rows, cost=cost, capabilities=capabilities(stage))


def _alone(stage: Stage) -> bool:
    """Whether the accounts serve nobody else. Raises UsageError for shares that cannot be."""
    low, high = stage.number("low"), stage.number("high")
    if low > high:
        raise UsageError(
            f"{stage.name}: low = {low:g} is not allowed", f"Set low to a number up to high ({high:g})."
        )
    if high > _MIXED and low < 1:
        raise UsageError(
            f"{stage.name}: high = {high:g} is not allowed",
            f"Set high to a number up to {_MIXED:g}, or both low and high to 1 for accounts of its own.",
        )
    return low == 1


def _shared(stage: Stage, hosts: list[Host]) -> Ints:
    """The account of each request, so many that the campaign has its share of each account that it uses."""
    loads = []
    for host in hosts:
        used = _used(stage, host)
        share = stage.rng.uniform(stage.number("low"), stage.number("high"), len(used))
        counts = _rounded(stage, host.activity[used] * share / (1 - share))
        loads.append(np.repeat(used + host.first, counts))
    return np.concatenate(loads)


def _own(stage: Stage, hosts: list[Host]) -> tuple[Accounts, Ints]:
    """Further accounts of the resellers, each as busy as one that they have, and the account of each request."""
    opened, counts = [], []
    for host in hosts:
        assert host.accounts is not None
        used = _used(stage, host)
        opened.append(sisters(stage, host.accounts, used))
        counts.append(host.activity[used])
    load = np.concatenate(counts)
    return Accounts.concatenate(opened), np.repeat(np.arange(len(load)), load)


def _used(stage: Stage, host: Host) -> Ints:
    """Places of the host's accounts that it uses."""
    return stage.rng.permutation(host.count)[: stage.accounts]


def _rounded(stage: Stage, wanted: np.ndarray) -> Ints:
    """Whole numbers with these means, so that small shares stay what they are."""
    counts: Ints = np.floor(wanted + stage.rng.random(len(wanted))).astype(np.int64)
    return counts
