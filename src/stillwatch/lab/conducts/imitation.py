"""A campaign that imitates a customer: it puts its tasks into a victim's product, or into a coding agent's
sessions.

`victim` names a population that shares what can be imitated: a product (its system prompt, its customers'
questions) or a coding agent (its system prompt of the current version, its tools, its program). Every
request carries the victim's system prompt; a share `mimicry` of the requests is what the victim's own users
ask, the rest is the campaign's tasks. Requests of an account follow each other in conversations, as the
victim's do. Addresses and cards are clean; a product's servers cannot be had, an agent's program can. The
same imitation frames the victim if nobody looks at the content.

Modelled after the disclosed use of coding agents and of other firms' products as a front; the share of
mimicry is ours. Cost to the attacker: the mimicry's tokens, clean accounts, and the time that they take.
"""

from dataclasses import dataclass

import numpy as np

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.behaviour.accounts import NEVER, Accounts
from stillwatch.lab.behaviour.clocks import Ints
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
from stillwatch.lab.texts.answers import KINDS
from stillwatch.lab.texts.corpus import Agent
from stillwatch.lab.texts.product import Product
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.turns import turns_of
from stillwatch.lab.traffic import NONE, Cost, Host, Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 12
PARAMETERS = (
    Parameter("accounts", 120, 2, 200_000, meaning="accounts"),
    *QUEUE,
    Parameter("victim", "coding_agent_a", population=True, meaning="population that it imitates"),
    Parameter("mimicry", 0.3, 0.0, 0.95, meaning="share of the requests that are the victim's own kind"),
    infrastructure("clean"),
    Parameter("bans_per_day", 0.0, 0.0, 0.9, meaning="share of the living accounts that is banned each day"),
)
_TURNS = {Agent: 7.0, Product: 2.5}
_TOOLS = 7  # that an agent's current version offers


def wage(stage: Stage) -> Traffic:
    """The campaign's accounts and requests."""
    victim = stage.host("victim")
    if not isinstance(victim.shared, Agent | Product):
        raise UsageError(
            f"{stage.name}: victim = {stage.word('victim')!r} is not allowed",
            "Set victim to a population that shares a product or a coding agent, such as one of the kind "
            "enterprise or coding_agent.",
        )
    begin, end = span(stage)
    bio = biography(stage, begin, end, hurry=False)
    accounts = pool_accounts(stage, bio.born, begin)
    _take_program(stage, accounts, victim)
    accounts.banned_at[:] = np.where(bio.banned < end, bio.banned, NEVER)
    rows = _disguised(stage, campaign_rows(stage, deal_out(stage, bio.lives, begin, end)), victim.shared)
    cost = _cost(stage, len(rows))
    return Traffic(accounts, rows, cost=cost, capabilities=capabilities(stage), replaces=bio.replaces)


def _take_program(stage: Stage, accounts: Accounts, victim: Host) -> None:
    """Everybody can install an agent, in the versions that its users have."""
    if isinstance(victim.shared, Agent) and victim.accounts is not None:
        like = stage.rng.integers(0, len(victim.accounts), len(accounts))
        accounts.software = [victim.accounts.software[n] for n in like.tolist()]


@dataclass(frozen=True)
class _Front:
    """What the victim's users send: recipes and kinds of answer of some requests, system prompt and tools of all."""

    prompts: Recipes
    answer: Ints
    system: str
    tools: int


def _disguised(stage: Stage, rows: Rows, shared: Agent | Product) -> Rows:
    """The victim's system prompt on every request, and the victim's kind of request on some."""
    rows = rows.take(np.lexsort((rows.ts, rows.account)))
    size = len(rows)
    session, turn = _conversations(stage, rows.account, _TURNS[type(shared)])
    own = np.flatnonzero(stage.rng.random(size) < stage.number("mimicry"))
    front = _front(stage, shared, (rows.account[own], session[own], turn[own]))
    source = np.arange(size)
    source[own] = size + np.arange(len(own))
    answer = rows.answer.copy()
    answer[own] = front.answer
    # An agent asks for titles without its system prompt and tools.
    bare = (answer == KINDS.index("short")) & (front.tools > 0)
    return Rows.of(
        rows.account,
        rows.ts,
        Recipes.concatenate([rows.prompt, front.prompts]).take(source),
        answer=answer,
        system=np.where(bare, NONE, stage.book.system(front.system)),
        model=rows.model,
        session=session,
        turn=turn,
        n_tools=np.where(bare, 0, front.tools),
    )


def _front(stage: Stage, shared: Agent | Product, turns: tuple[Ints, Ints, Ints]) -> _Front:
    """What the victim's users say at these turns (account, conversation, place in it)."""
    seeds = stage.seeds(stage.accounts)
    if isinstance(shared, Agent):
        said, kinds = stage.texts.coding(*turns, seeds, stage.rng)
        return _Front(said, kinds, shared.systems[-2], _TOOLS)
    said = shared.prompts(*turns, seeds, stage.rng)
    return _Front(said, np.full(len(said), KINDS.index("plain")), shared.system, 0)


def _conversations(stage: Stage, account: Ints, turns: float) -> tuple[Ints, Ints]:
    """Cuts the requests of each account, which stand together and in order, into conversations."""
    size = len(account)
    opens = stage.rng.random(size) < 1 / turns
    opens |= np.diff(account, prepend=-1) != 0
    session = np.cumsum(opens) - 1
    return session, turns_of(session)


def _cost(stage: Stage, requests: int) -> Cost:
    kind, mimicry = stage.word("infrastructure"), stage.number("mimicry")
    texts = wording_price(stage, requests)
    idle = requests * (mimicry + (1 - mimicry) * wasted(stage)) * prices.REQUEST
    money = stage.accounts * prices.account_cost(kind, stage.number("days")) + texts + idle
    # As many tasks, through the same accounts at the same pace, with nothing but tasks.
    delay = stage.number("jitter_hours") + mimicry * stage.number("days") * 24
    return Cost(
        stage.accounts,
        round(money, 2),
        round(delay, 1),
        f"{prices.account_note(kind)}, requests that only imitate",
    )
