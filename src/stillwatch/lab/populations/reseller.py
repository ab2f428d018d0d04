"""A reseller or aggregator: a few accounts that carry the prompts of many unrelated customers.

Customers are chat users through bots, developers with own projects and small products with a system prompt;
the reseller's proxy sends each conversation to one of its accounts, mostly sticky, sometimes to any. All
calls come from the proxy's servers with one program. Such a network is legitimate or not by contract, not by
its traffic, and it is the place where a campaign hides (conducts/reseller_mixture.py).
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER, Accounts, hex_names
from stillwatch.lab.behaviour.clocks import (
    DAY,
    HOUR,
    PRIVATE_HOURS,
    Rhythm,
    Sessions,
    heavy_tailed,
    human_sessions,
)
from stillwatch.lab.behaviour.living import conversation_rows, developer_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.writers import Product, Project, Writer
from stillwatch.lab.traffic import Rows, Traffic

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
    Parameter(
        "named_customers", 0.4, 0.0, 1.0, meaning="share of requests that name the customer as end user"
    ),
)


def live(stage: Stage) -> Traffic:
    """Its customers' requests."""
    rng = stage.rng
    turns = stage.number("customer_turns")
    customers = max(4, round(stage.accounts * stage.number("per_account") * stage.volume / turns))
    days = (stage.window[1] - stage.window[0]) / DAY
    per_day = heavy_tailed(rng, customers, turns / days, 1.1)
    sessions = human_sessions(rng, per_day, *stage.window, Rhythm(PRIVATE_HOURS, 0.9, turns=2.6))
    prompts, systems, kinds = _messages(stage, sessions, customers)
    usual = rng.choice(stage.accounts, customers, p=rng.dirichlet(np.full(stage.accounts, 4.0)))
    anywhere = rng.integers(0, stage.accounts, int(sessions.session.max(initial=0)) + 1)
    stick = rng.random(len(anywhere)) < stage.number("sticky")
    account = np.where(stick[sessions.session], usual[sessions.person], anywhere[sessions.session])
    rows = conversation_rows(stage, account, sessions, prompts, kinds)
    names = hex_names(rng, customers, 8, "u_")
    named = (rng.random(len(prompts)) < stage.number("named_customers")).tolist()
    users = [names[p] if n else None for p, n in zip(sessions.person.tolist(), named, strict=True)]
    favourite = stage.favourites(customers)[sessions.person]
    rows = Rows(
        account,
        rows.ts,
        prompts,
        systems,
        stage.models(favourite, rows.ts),
        kinds,
        rows.session,
        rows.turn,
        users,
        rows.n_tools,
    )
    return Traffic(_accounts(stage), rows)


def _messages(
    stage: Stage, sessions: Sessions, customers: int
) -> tuple[list[str], list[str | None], list[str]]:
    dice, library = stage.dice, stage.corpus
    products = [library.product(dice) for _ in range(5)]
    bots = [
        "You are a helpful assistant.",
        "Answer briefly and kindly.",
        "You are a friendly companion in a messenger.",
        None,
    ]
    writers: list[tuple[Writer, str | None]] = []
    for _ in range(customers):
        draw = dice.uniform()
        if draw < 0.55:
            writers.append((library.person(dice), dice.pick(bots)))
        elif draw < 0.8:
            writers.append((library.project(dice), None if dice.uniform() < 0.6 else bots[0]))
        else:
            product = dice.pick(products)
            writers.append((product, product.system))
    prompts, systems, kinds = [], [], []
    for person, turn in zip(sessions.person.tolist(), sessions.turn.tolist(), strict=True):
        writer, system = writers[person]
        prompts.append(writer.follow(dice) if turn else writer.ask(dice))
        systems.append(system)
        kinds.append(
            "code"
            if isinstance(writer, Project)
            else "short"
            if isinstance(writer, Product) and turn
            else "plain"
        )
    return prompts, systems, kinds


def _accounts(stage: Stage) -> Accounts:
    """Opened in a few goes, paid with some cards, called from the proxy's servers."""
    rng, count = stage.rng, stage.accounts
    accounts = developer_accounts(stage, count, [stage.around.catalogue.sdk(rng)] * count)
    servers = stage.around.internet.neighbours("cloud" if rng.random() < 0.5 else "hosting", 10, rng, 4)
    accounts.addresses = [[servers[int(i)] for i in rng.choice(10, 3, replace=False)] for _ in range(count)]
    cards = hex_names(rng, max(1, count // 9), 10)
    accounts.payment_id = [cards[int(rng.integers(0, len(cards)))] for _ in range(count)]
    goes = stage.window[0] - rng.integers(20, 400, 5) * DAY
    accounts.created_at[:] = goes[rng.integers(0, 5, count)] + rng.integers(0, 30 * HOUR, count)
    accounts.banned_at[:] = NEVER
    return accounts
