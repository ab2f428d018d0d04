"""A campaign that imitates a customer: it puts its tasks into a victim's product, or into a coding agent's
sessions.

`victim` names a population that shares what can be imitated: a product (its system prompt, its customers'
questions) or a coding agent (its system prompt of the current version, its tools). Every request carries
the victim's system prompt; a share `mimicry` of the requests is what the victim's own users ask, the rest
is the campaign's tasks. Addresses, cards and programs are clean. The same imitation frames the victim if
nobody looks at the content.

Cost to the attacker: the mimicry's tokens, and clean accounts.
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import DAY
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._infrastructure import clean_accounts
from stillwatch.lab.conducts._lives import biography
from stillwatch.lab.conducts._queue import QUEUE, campaign_rows, capabilities, deal_out, span
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.library import Agent
from stillwatch.lab.texts.product import Product
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.traffic import Cost, Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 12
PARAMETERS = (
    Parameter("accounts", 120, 2, 200_000, meaning="accounts"),
    *QUEUE,
    Parameter("victim", "coding_agent_a", population=True, meaning="population that it imitates"),
    Parameter("mimicry", 0.3, 0.0, 0.95, meaning="share of the requests that are the victim's own kind"),
    Parameter("bans_per_day", 0.0, 0.0, 0.9, meaning="share of the living accounts that is banned each day"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's accounts and requests."""
    begin, end = span(stage)
    bio = biography(stage, begin, end, hurry=False)
    accounts = clean_accounts(stage)
    accounts.created_at[:] = np.minimum(accounts.created_at, begin - DAY)
    accounts.banned_at[:] = np.where(bio.banned < end, bio.banned, accounts.banned_at)
    rows = _disguised(stage, campaign_rows(stage, deal_out(stage, bio.lives, begin, end)))
    months = stage.number("days") / 30
    each = prices.AGED_ACCOUNT + prices.VIRTUAL_CARD + prices.RESIDENTIAL_MONTH * months
    money = stage.accounts * each + len(rows) * stage.number("mimicry") * prices.REQUEST
    delay = stage.number("jitter_hours") + stage.number("mimicry") * stage.number("days") * 24
    cost = Cost(
        stage.accounts, round(money, 2), round(delay, 1), "aged accounts, and requests that only imitate"
    )
    return Traffic(accounts, rows, cost=cost, capabilities=capabilities(stage), replaces=bio.replaces)


def _disguised(stage: Stage, rows: Rows) -> Rows:
    """The victim's system prompt on every request, and the victim's kind of request on some."""
    shared = stage.host("victim").shared
    size = len(rows)
    own = np.flatnonzero(stage.rng.random(size) < stage.number("mimicry"))
    session = np.arange(len(own))
    seeds = stage.seeds(stage.accounts)
    if isinstance(shared, Agent):
        system, tools = shared.systems[-2], 7
        said, _ = stage.library.coding(rows.account[own], session, 0 * session, seeds, stage.rng)
    elif isinstance(shared, Product):
        system, tools = shared.system, 0
        said = shared.prompts(rows.account[own], session, 0 * session, seeds, stage.rng)
    else:
        raise TypeError(f"population {stage.word('victim')} shares neither a product nor an agent")
    source = np.arange(size)
    source[own] = size + np.arange(len(own))
    return Rows.of(
        rows.account,
        rows.ts,
        Recipes.concatenate([rows.prompt, said]).take(source),
        answer=rows.answer,
        system=stage.book.system(system),
        model=rows.model,
        n_tools=tools,
    )
