"""A campaign that buys from a reseller: its requests travel among those of the reseller's unrelated
customers.

The accounts are those of a benign population (`host`); the campaign adds its own exchanges to each, between
`low` and `high` of what the account then carries. Address, program and payment are the reseller's, the same
for both parts. Cost to the attacker: the reseller's margin, and the reseller's word.
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import DAY, machine_times
from stillwatch.lab.conducts._pool import CAPABILITIES, QUEUE, campaign_rows
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 1
_UNUSED = ("per_day", "dispatch")  # the share and the reseller decide
PARAMETERS = (
    Parameter("accounts", 60, 1, 200_000, meaning="accounts of the host that it uses, at most"),
    *(parameter for parameter in QUEUE if parameter.name not in _UNUSED),
    Parameter("host", "unofficial_reseller", meaning="population whose accounts it uses"),
    Parameter("low", 0.3, 0.01, 0.99, meaning="smallest share of an account's exchanges"),
    Parameter("high", 0.6, 0.01, 0.99, meaning="largest share of an account's exchanges"),
    Parameter("first", "rubric", choices=CAPABILITIES, meaning="capability that it collects"),
    Parameter("second", "reasoning", choices=("", *CAPABILITIES), meaning="further capability, or none"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's requests."""
    rng = stage.rng
    host = stage.host()
    begin = stage.window[0] + int(stage.number("start_day") * DAY)
    end = min(stage.window[1], begin + int(stage.number("days") * DAY))
    benign = np.bincount(host.rows.account, minlength=len(host.accounts))
    used = rng.permutation(len(host.accounts))[: stage.accounts]
    share = rng.uniform(stage.number("low"), max(stage.number("low"), stage.number("high")), len(used))
    counts = np.maximum(1, np.round(benign[used] * share / (1 - share))).astype(np.int64)
    account = rng.permutation(np.repeat(used, counts))
    ts = machine_times(rng, len(account), begin, end, roughness=0.6)
    wanted = [c for c in (stage.word("first"), stage.word("second")) if c]
    return Traffic(host.accounts, campaign_rows(stage, wanted, account, ts), own_accounts=False)
