"""A SaaS that opens one account per tenant: the same system prompt everywhere, each tenant's own customers
and words.

The accounts look alike in all that the vendor's software fixes (system prompt, program, servers), and differ
in what the tenants' customers talk about.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import hex_names
from stillwatch.lab.behaviour.clocks import OFFICE_HOURS, Rhythm, heavy_tailed, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, conversations, developer_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.writers import Product, own_part
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "groups"
MIN_ACCOUNTS = 8
PARAMETERS = (
    Parameter("accounts", 80, 2, 100_000, meaning="tenants, one account each"),
    Parameter("per_day", 2.2, 0.01, 1000.0, meaning="mean requests a day and tenant"),
    Parameter(
        "one_server",
        "yes",
        choices=("yes", "no"),
        meaning="whether all tenants' calls come from the vendor's servers",
    ),
)


def live(stage: Stage) -> Traffic:
    """The tenants' requests."""
    rng, dice = stage.rng, stage.dice
    base = stage.corpus.product(dice)
    count = stage.accounts
    accounts = developer_accounts(stage, count, [stage.around.catalogue.sdk(rng)] * count)
    if stage.word("one_server") == "yes":
        servers = stage.around.internet.neighbours("cloud", 4, rng, 2)
        accounts.addresses = [servers] * count
    accounts.email_domain = [f"{name}.example" for name in hex_names(rng, count, 3)]
    per_day = heavy_tailed(rng, count, stage.number("per_day") * stage.volume, 1.0)
    sessions = human_sessions(
        rng,
        per_day,
        *stage.window,
        Rhythm(OFFICE_HOURS, 0.5, turns=2.2, zones=np.array([-6.0, -5.0, 0.0, 1.0])),
    )
    prompts = conversations(sessions, lambda _: _tenant(stage, base), stage)
    rows = conversation_rows(stage, sessions.person, sessions, prompts, "plain")
    users = hex_names(rng, int(sessions.session.max(initial=0)) + 1, 8, "u_")
    end_users: list[str | None] = [users[s] for s in (sessions.session // 3).tolist()]
    model = stage.models(np.full(len(prompts), 2), rows.ts)
    return Traffic(
        accounts,
        Rows(
            rows.account,
            rows.ts,
            prompts,
            [base.system] * len(prompts),
            model,
            rows.answer,
            rows.session,
            rows.turn,
            end_users,
            rows.n_tools,
        ),
    )


def _tenant(stage: Stage, base: Product) -> Product:
    """The product in one tenant's hands: a narrow range of wares and places."""
    rules = {
        name: [
            "".join(literal + ("{" + slot + "}" if slot else "") for literal, slot in parts)
            for parts in base.grammar.rules[name]
        ]
        for name in ("ware", "city", "country", "merchant", "bankthing", "company_word")
    }
    return Product(base.grammar.with_rules(own_part(rules, tuple(rules), stage.dice, 4)), base.system, 0.1)
