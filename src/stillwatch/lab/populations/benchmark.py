"""A research group's benchmark harness, sharded over many accounts, not declared as one organisation.

The same public items are run again for several models and checkpoints on several days; within a run the items
are dealt over the accounts from one queue, workers in parallel. Short answers in a fixed format. It is
coordinated, and it draws from one pool of tasks, but every run covers the whole set again and each account in
the end sees much of it.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import DAY, HOUR, machine_times
from stillwatch.lab.behaviour.living import developer_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import MODELS, NEWEST, Stage
from stillwatch.lab.traffic import Rows, Traffic, plain_rows

SCALES = "groups"
BALANCED = True
MIN_ACCOUNTS = 8
PARAMETERS = (
    Parameter("accounts", 16, 2, 2000, meaning="accounts that the items are dealt over"),
    Parameter("items", 420, 10, 100_000, meaning="items of the public set"),
    Parameter("runs", 12, 1, 500, meaning="runs of the whole set (model, prompt or checkpoint changed)"),
)


def live(stage: Stage) -> Traffic:
    """All runs."""
    rng, dice = stage.rng, stage.dice
    n_items = max(12, round(stage.number("items") * stage.volume))
    items = stage.corpus.benchmark_items(n_items, dice)
    formats = [stage.corpus.benchmark_format(dice) for _ in range(2)]
    start, end = stage.window
    prompts: list[str] = []
    ts, key, model = [], [], []
    software = [stage.around.catalogue.sdk(rng)] * stage.accounts
    begins = np.sort(rng.integers(start, end - 6 * HOUR, int(stage.number("runs"))))
    for run, begin in enumerate(begins.tolist()):
        form = formats[int(rng.random() < 0.25)]
        order = rng.permutation(n_items)
        prompts += [form.fill(items[i]) for i in order.tolist()]
        span = int(rng.uniform(1.0, 6.0) * HOUR)
        ts.append(machine_times(rng, n_items, begin, begin + span, 0.5))
        key.append(rng.integers(0, stage.accounts, n_items))
        released = begin > stage.around.released_at
        choice = NEWEST if released and run % 2 else run % (len(MODELS) - 1)
        model.append(np.full(n_items, choice))
    accounts = developer_accounts(stage, stage.accounts, software)
    _one_group(stage, accounts)
    rows: Rows = plain_rows(np.concatenate(key), np.concatenate(ts), prompts, "short", np.concatenate(model))
    return Traffic(accounts, rows)


def _one_group(stage: Stage, accounts: Accounts) -> None:
    """Members of one lab opened the accounts within some weeks, with two cards, calling from one cluster."""
    rng, count = stage.rng, stage.accounts
    cards = [c for c in accounts.payment_id if c][:2]
    accounts.payment_id = [cards[i % len(cards)] for i in range(count)]
    domain = "research-institute.example"
    accounts.email_domain = [domain if rng.random() < 0.7 else d for d in accounts.email_domain]
    cluster = stage.around.internet.neighbours("cloud", 12, rng, 2)
    accounts.addresses = [[cluster[i % 12], cluster[(i + 5) % 12]] for i in range(count)]
    opened = stage.window[0] - int(rng.integers(20, 200)) * DAY
    accounts.created_at[:] = opened + rng.integers(0, 18 * DAY, count)
