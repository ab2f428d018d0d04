"""A company that balances its product's end-user traffic over many keys, declared as an organisation or not.

Declared, the accounts carry one org_id; undeclared they share a payment instrument and a company e-mail
domain. The balancer draws a key at random for each request, so the account label says nothing about the
content, exactly as in a campaign's pool. But customers come back with follow-ups, popular questions repeat
word for word, and the end user is named. Keys, customers and their turns are assumed; their pauses are those of
RealHumanEval (behaviour/clocks.py).
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import PRIVATE_HOURS, Rhythm, heavy_tailed, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, developer_accounts
from stillwatch.lab.behaviour.offices import employ, opened_together
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic

SCALES = "groups"
BALANCED = True
MIN_ACCOUNTS = 6
PARAMETERS = (
    Parameter("accounts", 20, 2, 2000, meaning="keys, each billed as an account of its own"),
    Parameter("exchanges", 6000, 1, 50_000_000, meaning="requests of its customers"),
    Parameter(
        "declared", "yes", choices=("yes", "no"), meaning="whether the accounts declare their organisation"
    ),
    Parameter("customer_turns", 14.0, 1.0, 1000.0, meaning="mean requests of a customer in the whole time"),
)
_ZONES = np.array([-5.0, 0.0, 1.0])


def live(stage: Stage) -> Traffic:
    """Its customers' requests, dealt over its keys."""
    rng = stage.rng
    exchanges = stage.number("exchanges") * stage.volume
    turns = stage.number("customer_turns")
    customers = max(2, round(exchanges / turns))
    per_day = heavy_tailed(rng, customers, turns / stage.days, 1.0)
    sessions = human_sessions(
        rng, per_day, *stage.window, Rhythm(PRIVATE_HOURS, 0.7, turns=2.4, zones=_ZONES)
    )
    product = stage.texts.product(stage.dice)
    prompts = product.prompts(sessions.person, sessions.session, sessions.turn, stage.seeds(customers), rng)
    key = rng.integers(0, stage.accounts, len(prompts))
    rows = conversation_rows(stage, key, sessions, prompts)
    rows = replace(
        rows,
        system=np.full(len(rows), stage.book.system(product.system)),
        model=stage.models(np.full(len(rows), 2), rows.ts),
        end_user=sessions.person,
    )
    return Traffic(_accounts(stage), rows, shared=product)


def _accounts(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    accounts = developer_accounts(stage, count, [stage.catalogue.sdk(rng)] * count)
    servers = stage.internet.neighbours("cloud", 6, rng, 3)
    firm = np.zeros(count, np.int64)
    employ(rng, accounts, firm, declared=stage.word("declared") == "yes")
    opened_together(rng, accounts, firm, stage.window[0], 50)
    accounts.addresses = [servers] * count
    accounts.verified = [True] * count
    return accounts
