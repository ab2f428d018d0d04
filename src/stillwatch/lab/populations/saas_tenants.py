"""A SaaS that opens one account per tenant: the same system prompt everywhere, each tenant's own customers
and words.

The accounts look alike in all that the vendor's software fixes (system prompt, program, servers), and differ
in what the tenants' customers talk about. Volumes are assumed; pauses are those of RealHumanEval (behaviour/clocks.py).
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.accounts import hex_names
from stillwatch.lab.behaviour.clocks import OFFICE_HOURS, Rhythm, heavy_tailed, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, developer_accounts
from stillwatch.lab.behaviour.offices import shared_chance
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic

SCALES = "groups"
CELLS = True
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
_POPULAR = 0.1  # tenants' customers have less in common than those of one company
_ZONES = np.array([-6.0, -5.0, 0.0, 1.0])


def live(stage: Stage) -> Traffic:
    """The tenants' requests."""
    rng, count = stage.rng, stage.accounts
    vendor = shared_chance(stage)
    product = replace(stage.texts.product(stage.common), share=_POPULAR)
    accounts = developer_accounts(stage, count, [stage.catalogue.sdk(vendor)] * count)
    servers = stage.internet.neighbours("cloud", 4, vendor, 2)
    if stage.word("one_server") == "yes":
        accounts.addresses = [servers] * count
    accounts.email_domain = [f"{name}.example" for name in hex_names(rng, count, 3)]
    per_day = heavy_tailed(rng, count, stage.number("per_day") * stage.volume, 1.0)
    rhythm = Rhythm(OFFICE_HOURS, 0.5, turns=2.2, zones=_ZONES)
    sessions = human_sessions(rng, per_day, *stage.window, rhythm)
    prompts = product.prompts(sessions.person, sessions.session, sessions.turn, stage.seeds(count), rng)
    rows = conversation_rows(stage, sessions.person, sessions, prompts)
    # About three conversations of a tenant have the same end user.
    number = np.unique(np.stack([sessions.person, sessions.session // 3]), axis=1, return_inverse=True)[1]
    rows = replace(
        rows,
        system=np.full(len(rows), stage.book.system(product.system)),
        model=stage.models(np.full(len(rows), 2), rows.ts),
        end_user=number.reshape(-1).astype(np.int64),
    )
    return Traffic(accounts, rows, shared=product)
