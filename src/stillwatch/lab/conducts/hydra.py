"""A hydra cluster: many accounts behind one queue, dirty or clean, with bans and replacement.

Shaped like the disclosed campaigns: about 25 requests a day and account (16 million exchanges over 24,000
accounts), shared payment methods, timing that looks like load balancing, banned accounts replaced within
hours, one campaign moving half of its traffic to a new model within 24 hours of its release.

`dirty`: accounts born in cohorts of an hour or two, cards shared by clusters of accounts, rented servers
and VPN exits in few prefixes, throw-away mail domains, one program. Cost to the attacker: accounts and
cards at bulk prices. `clean`: residential addresses, a third of them lent by rotating proxies, a card for
nearly each account, births spread over months, the programs that everybody uses. `proxied`: the same with
every account behind such a proxy. Cost: several euros for each account and month more.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._infrastructure import infrastructure, pool_accounts
from stillwatch.lab.conducts._lives import biography
from stillwatch.lab.conducts._queue import (
    QUEUE,
    campaign_rows,
    capabilities,
    deal_out,
    span,
    wasted,
    wording_price,
)
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Cost, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 12
PARAMETERS = (
    Parameter("accounts", 250, 2, 200_000, meaning="accounts, replacements included"),
    *QUEUE,
    infrastructure("dirty"),
    Parameter("bans_per_day", 0.0, 0.0, 0.9, meaning="share of the living accounts that is banned each day"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's accounts and requests."""
    begin, end = span(stage)
    bio = biography(stage, begin, end, hurry=stage.word("infrastructure") == "dirty")
    accounts = pool_accounts(stage, bio.born, begin)
    accounts.banned_at[:] = np.where(bio.banned < end, bio.banned, NEVER)
    rows = campaign_rows(stage, deal_out(stage, bio.lives, begin, end))
    return Traffic(
        accounts,
        rows,
        cost=_cost(stage, len(rows)),
        capabilities=capabilities(stage),
        replaces=bio.replaces,
    )


def _cost(stage: Stage, requests: int) -> Cost:
    kind = stage.word("infrastructure")
    each = prices.account_cost(kind, stage.number("days"))
    texts = wording_price(stage, requests)
    repeats = requests * wasted(stage) * prices.REQUEST
    money = stage.accounts * each + texts + repeats
    return Cost(stage.accounts, round(money, 2), stage.number("jitter_hours"), prices.account_note(kind))
