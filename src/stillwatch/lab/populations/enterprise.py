"""A company that balances its product's end-user traffic over many keys, declared as an organisation or not.

Declared, the accounts carry one org_id; undeclared they share a payment instrument and a company e-mail
domain. The balancer draws a key at random for each request, so the account label says nothing about the
content, exactly as in a campaign's pool. But customers come back with follow-ups, popular questions repeat
word for word, and the end user is named.
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER, Accounts, hex_names
from stillwatch.lab.behaviour.clocks import DAY, PRIVATE_HOURS, Rhythm, heavy_tailed, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, conversations, developer_accounts
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


def live(stage: Stage) -> Traffic:
    """Its customers' requests, dealt over its keys."""
    rng = stage.rng
    exchanges = stage.number("exchanges") * stage.volume
    days = (stage.window[1] - stage.window[0]) / DAY
    customers = max(2, round(exchanges / stage.number("customer_turns")))
    per_day = heavy_tailed(rng, customers, stage.number("customer_turns") / days, 1.0)
    sessions = human_sessions(
        rng, per_day, *stage.window, Rhythm(PRIVATE_HOURS, 0.7, turns=2.4, zones=np.array([-5.0, 0.0, 1.0]))
    )
    product = stage.corpus.product(stage.dice)
    prompts = conversations(sessions, lambda _: product, stage)
    key = rng.integers(0, stage.accounts, len(prompts))
    rows = conversation_rows(stage, key, sessions, prompts, "plain")
    names = hex_names(rng, customers, 8, "u_")
    rows = replace(
        rows,
        system=[product.system] * len(rows),
        model=stage.models(np.full(len(rows), 2), rows.ts),
        end_user=[names[p] for p in sessions.person.tolist()],
    )
    return Traffic(_accounts(stage), rows)


def _accounts(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    software = stage.around.catalogue.sdk(rng)
    accounts = developer_accounts(stage, count, [software] * count)
    servers = stage.around.internet.neighbours("cloud", 6, rng, 3)
    domain = f"{hex_names(rng, 1, 3)[0]}.example"
    opened = int(rng.integers(60, 600)) * DAY
    accounts.created_at[:] = stage.window[0] - opened + np.sort(rng.integers(0, 50 * DAY, count))
    accounts.banned_at[:] = NEVER
    accounts.payment_id = [hex_names(rng, 1, 10)[0]] * count
    accounts.email_domain = [domain] * count
    accounts.addresses = [servers] * count
    accounts.verified = [True] * count
    if stage.word("declared") == "yes":
        accounts.org_id = [hex_names(rng, 1, 6, "org_")[0]] * count
    return accounts
