"""A reseller or aggregator: a few accounts that carry the prompts of many unrelated customers.

Customers are chat users through bots, developers with own projects and small products with a system prompt;
the reseller's proxy sends each conversation to one of its accounts, mostly sticky, sometimes to any. All
calls come from the proxy's servers with one program. Such a network is legitimate or not by contract, not by
its traffic, and it is the place where a campaign hides (conducts/reseller_mixture.py). An aggregator declares
its organisation, pays one bill and names its end users; an unofficial reseller opens accounts in a few goes on
some cards. What share of the customers is of which kind is assumed.
"""

from dataclasses import dataclass, replace

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER, Accounts, hex_names
from stillwatch.lab.behaviour.clocks import (
    DAY,
    HOUR,
    PRIVATE_HOURS,
    Ints,
    Rhythm,
    Sessions,
    heavy_tailed,
    human_sessions,
)
from stillwatch.lab.behaviour.living import conversation_rows, developer_accounts
from stillwatch.lab.behaviour.offices import employ, opened_together
from stillwatch.lab.behaviour.templated import system_of, woven
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts import answers
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.traffic import NONE, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 5
PARAMETERS = (
    Parameter("accounts", 40, 2, 100_000, meaning="accounts of the reseller"),
    Parameter(
        "per_account", 95.0, 1.0, 100_000.0, meaning="mean customer requests of an account in the whole time"
    ),
    Parameter("customer_turns", 9.0, 1.0, 1000.0, meaning="mean requests of a customer in the whole time"),
    Parameter(
        "sticky", 0.7, 0.0, 1.0, meaning="share of conversations that go to the customer's usual account"
    ),
    Parameter("named_customers", 0.4, 0.0, 1.0, meaning="share of the customers that it names as end users"),
    Parameter(
        "declared",
        "no",
        choices=("yes", "no"),
        meaning="whether it is a declared organisation with one bill (an aggregator)",
    ),
)
_BOTS = (
    "You are a helpful assistant.",
    "Answer briefly and kindly.",
    "You are a friendly companion in a messenger.",
    None,
)
_PRODUCTS = 5
_CHAT, _CODE, _PRODUCT = range(3)


@dataclass(frozen=True)
class _Said:
    """Columns of the customers' requests: recipes, system prompt (int64), kind of answer (int64)."""

    prompts: Recipes
    system: Ints
    answer: Ints


def live(stage: Stage) -> Traffic:
    """Its customers' requests."""
    rng = stage.rng
    turns = stage.number("customer_turns")
    customers = max(4, round(stage.accounts * stage.number("per_account") * stage.volume / turns))
    per_day = heavy_tailed(rng, customers, turns / stage.days, 1.1)
    sessions = human_sessions(rng, per_day, *stage.window, Rhythm(PRIVATE_HOURS, 0.9, turns=2.6))
    said = _messages(stage, sessions, customers)
    account = _dealt(stage, sessions, customers)
    rows = conversation_rows(stage, account, sessions, said.prompts, said.answer)
    named = (rng.random(customers) < stage.number("named_customers"))[sessions.person]
    rows = replace(
        rows,
        system=said.system,
        model=stage.models(stage.favourites(customers)[sessions.person], rows.ts),
        end_user=np.where(named, sessions.person, NONE),
    )
    return Traffic(_accounts(stage), rows)


def _dealt(stage: Stage, sessions: Sessions, customers: int) -> Ints:
    """The account of each request: the customer's usual one, or any for a whole conversation."""
    rng, count = stage.rng, stage.accounts
    usual = rng.choice(count, customers, p=rng.dirichlet(np.full(count, 4.0)))
    conversations = int(sessions.session.max(initial=0)) + 1
    anywhere = rng.integers(0, count, conversations)
    stick = rng.random(conversations) < stage.number("sticky")
    dealt: Ints = np.where(stick[sessions.session], usual[sessions.person], anywhere[sessions.session])
    return dealt


def _messages(stage: Stage, sessions: Sessions, customers: int) -> _Said:
    """What each customer says: a person through a bot, a developer, or a small product's own customers."""
    rng, library = stage.rng, stage.texts
    kind = rng.choice(3, customers, p=(0.55, 0.25, 0.2))
    products = [library.product(stage.dice) for _ in range(_PRODUCTS)]
    which = rng.integers(0, _PRODUCTS, customers)
    seeds = stage.seeds(customers)
    answer = np.full(len(sessions.ts), answers.kind("plain"))
    parts = []
    for number in range(_PRODUCTS + 2):
        mine = (kind == min(number, _PRODUCT)) & ((number < _PRODUCT) | (which == number - _PRODUCT))
        place = np.flatnonzero(mine[sessions.person])
        turns = (sessions.person[place], sessions.session[place], sessions.turn[place], seeds, rng)
        if number == _CHAT:
            parts.append((place, library.chat(*turns)))
        elif number == _CODE:
            prompts, _ = library.coding(*turns)
            parts.append((place, prompts))
            answer[place] = answers.kind("code")
        else:
            parts.append((place, products[number - _PRODUCT].prompts(*turns)))
    bots = np.array([system_of(stage, text) for text in _BOTS])
    bare = rng.random(customers) < 0.6
    own = np.array([stage.book.system(product.system) for product in products])[which]
    system = np.where(
        kind == _CHAT,
        bots[rng.integers(0, len(bots), customers)],
        np.where(kind == _CODE, np.where(bare, NONE, bots[0]), own),
    )
    return _Said(woven(parts), system[sessions.person], answer)


def _accounts(stage: Stage) -> Accounts:
    """Called from the proxy's servers; opened in a few goes and paid with some cards, or all on one bill."""
    rng, count = stage.rng, stage.accounts
    accounts = developer_accounts(stage, count, [stage.catalogue.sdk(rng)] * count)
    servers = stage.internet.neighbours("cloud" if rng.random() < 0.5 else "hosting", 10, rng, 4)
    accounts.addresses = [[servers[i] for i in rng.permutation(10)[:3].tolist()] for _ in range(count)]
    if stage.word("declared") == "yes":
        firm = np.zeros(count, np.int64)
        employ(rng, accounts, firm, declared=True)
        opened_together(rng, accounts, firm, stage.window[0], 55)
        return accounts
    cards = hex_names(rng, max(1, count // 9), 10)
    accounts.payment_id = [cards[c] for c in rng.integers(0, len(cards), count).tolist()]
    goes = stage.window[0] - rng.integers(20, 400, 5) * DAY
    accounts.created_at[:] = goes[rng.integers(0, 5, count)] + rng.integers(0, 30 * HOUR, count)
    accounts.banned_at[:] = NEVER
    return accounts
