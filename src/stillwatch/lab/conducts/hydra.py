"""A hydra cluster: many accounts behind one queue, dirty or clean, with bans and replacement.

Shaped like the disclosed campaigns: about 25 requests a day and account (16 million exchanges over 24,000
accounts), shared payment methods, timing that looks like load balancing, banned accounts replaced within
hours, one campaign moving half of its traffic to a new model within 24 hours of its release.

`dirty`: accounts born in cohorts of an hour or two, cards shared by clusters of accounts, rented servers
and VPN exits in few prefixes, throw-away mail domains, one program. Cost to the attacker: accounts and
cards at bulk prices. `clean`: residential addresses, a card for nearly each account, births spread over
months, the programs that everybody uses. Cost: several euros for each account and month more.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER
from stillwatch.lab.behaviour.clocks import DAY
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._infrastructure import clean_accounts, dirty_accounts
from stillwatch.lab.conducts._lives import biography
from stillwatch.lab.conducts._queue import QUEUE, campaign_rows, capabilities, deal_out, span
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Cost, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 12
PARAMETERS = (
    Parameter("accounts", 250, 2, 200_000, meaning="accounts, replacements included"),
    *QUEUE,
    Parameter(
        "infrastructure", "dirty", choices=("dirty", "clean"), meaning="addresses, cards, births and programs"
    ),
    Parameter("bans_per_day", 0.0, 0.0, 0.9, meaning="share of the living accounts that is banned each day"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's accounts and requests."""
    begin, end = span(stage)
    dirty = stage.word("infrastructure") == "dirty"
    bio = biography(stage, begin, end, hurry=dirty)
    accounts = dirty_accounts(stage, bio.born) if dirty else clean_accounts(stage)
    if not dirty:
        # The few replacements are young; all others were bought with an age.
        aged = np.minimum(accounts.created_at, begin - DAY)
        accounts.created_at[:] = np.where(bio.born >= begin, bio.born, aged)
    accounts.banned_at[:] = np.where(bio.banned < end, bio.banned, NEVER)
    rows = campaign_rows(stage, deal_out(stage, bio.lives, begin, end))
    return Traffic(
        accounts,
        rows,
        cost=_cost(stage, len(rows), dirty),
        capabilities=capabilities(stage),
        replaces=bio.replaces,
    )


def _cost(stage: Stage, requests: int, dirty: bool) -> Cost:
    months = stage.number("days") / 30
    if dirty:
        each = prices.ACCOUNT + prices.SHARED_CARD + prices.SERVER_MONTH * months
        note = "accounts and cards in bulk, rented servers"
    else:
        each = prices.AGED_ACCOUNT + prices.VIRTUAL_CARD + prices.RESIDENTIAL_MONTH * months
        note = "aged accounts with a card each, residential addresses"
    texts = prices.wording_cost(
        stage.word("wording"), stage.word("language"), requests, int(stage.number("variants"))
    )
    repeats = requests * (1 - 1 / stage.number("best_of") + stage.number("planted")) * prices.REQUEST
    money = stage.accounts * each + texts + repeats
    return Cost(stage.accounts, round(money, 2), stage.number("jitter_hours"), note)
