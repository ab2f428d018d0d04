"""A licensed customer that trains a smaller model: a queue of teacher templates dealt over its own accounts.

It does openly what campaigns do in secret, with the same machinery (conducts/_queue.py): one pool of tasks dealt
without replacement, paraphrases, two capabilities, a balancer. What tells it apart is that its accounts declare one
organisation, are verified, sit in a startup programme and share bill and servers. Distillation under a licence is
legitimate; a detector must not call it a campaign, and need not call it innocent traffic either.
"""

import numpy as np

from stillwatch.lab.behaviour.offices import employ, opened_together
from stillwatch.lab.behaviour.templated import machine_accounts
from stillwatch.lab.conducts._dispatch import Lives
from stillwatch.lab.conducts._queue import BALANCE, WORK, campaign_rows, deal_out
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic

SCALES = "groups"
BALANCED = True
MIN_ACCOUNTS = 5
PARAMETERS = (
    Parameter("accounts", 10, 2, 5000, meaning="accounts of the organisation"),
    *BALANCE,
    *WORK,
)


def live(stage: Stage) -> Traffic:
    """Its queue, dealt over its accounts."""
    rng, count = stage.rng, stage.accounts
    start, end = stage.window
    lives = Lives(np.full(count, start), np.full(count, end))
    rows = campaign_rows(stage, deal_out(stage, lives, start, end))
    rows = rows.moved(np.minimum(rows.ts, end - 1))
    accounts = machine_accounts(stage, count, [stage.catalogue.sdk(rng)] * count)
    firm = np.zeros(count, np.int64)
    employ(rng, accounts, firm, declared=True)
    opened_together(rng, accounts, firm, start, 20)
    servers = stage.internet.neighbours("cloud", 8, rng, 2)
    accounts.addresses = [servers] * count
    accounts.program = ["startup"] * count
    return Traffic(accounts, rows)
