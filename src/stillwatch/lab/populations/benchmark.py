"""A research group's benchmark harness, sharded over many accounts or whole on one, not declared as an organisation.

The same public items are run again for several models and checkpoints on several days; within a run the items
are dealt over the accounts from one queue, workers in parallel. Short answers in a fixed format. It is
coordinated, and it draws from one pool of tasks, but every run covers the whole set again and each account in
the end sees much of it. With `sharded = "no"` each account is a group of its own that runs everything by
itself. Sets are public: other groups run the same items. Runs take one to six hours and one in four uses a
second format (assumed); one request an item and batches in parallel are what lm-evaluation-harness does.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import DAY, HOUR, Ints, machine_arrivals
from stillwatch.lab.behaviour.public_sets import PUBLIC_SETS, popular_sets, public_benchmark
from stillwatch.lab.behaviour.templated import asked, machine_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import MODELS, NEWEST, Stage
from stillwatch.lab.texts.templates import Template
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "groups"
BALANCED = True
MIN_ACCOUNTS = 8
PARAMETERS = (
    Parameter("accounts", 16, 2, 2000, meaning="accounts that the items are dealt over"),
    Parameter("items", 420, 10, 100_000, meaning="items of the public set"),
    Parameter("runs", 12, 1, 500, meaning="runs of the whole set (model, prompt or checkpoint changed)"),
    Parameter(
        "sharded",
        "yes",
        choices=("yes", "no"),
        meaning="no: every account is a group that runs the whole set",
    ),
)


def live(stage: Stage) -> Traffic:
    """All runs."""
    if stage.word("sharded") == "yes":
        accounts = _laboratory(stage)
        forms = public_benchmark(stage, int(popular_sets(stage.rng, 1)[0]))
        return Traffic(accounts, _runs(stage, np.arange(stage.accounts), forms))
    accounts = machine_accounts(stage, stage.accounts)
    public = [public_benchmark(stage, number) for number in range(PUBLIC_SETS)]
    sets = popular_sets(stage.rng, stage.accounts).tolist()
    parts = [_runs(stage, np.array([place]), public[number]) for place, number in enumerate(sets)]
    return Traffic(accounts, Rows.concatenate(parts))


def _runs(stage: Stage, accounts: Ints, forms: list[Template]) -> Rows:
    """All runs of one group: its accounts share the items of each run."""
    rng = stage.rng
    items, runs = max(12, round(stage.number("items") * stage.volume)), int(stage.number("runs"))
    start, end = stage.window
    begins = np.sort(rng.integers(start, end - 6 * HOUR, runs))
    run = np.repeat(np.arange(runs), items)
    item = np.concatenate([rng.permutation(items) for _ in range(runs)])
    parts = [
        machine_arrivals(rng, np.array([items]), begin, begin + int(rng.uniform(1.0, 6.0) * HOUR))[1]
        for begin in begins.tolist()
    ]
    form = (rng.random(runs) < 0.25).astype(np.int64)
    newest = (begins > stage.around.released_at) & (np.arange(runs) % 2 == 1)
    model = np.where(newest, NEWEST, np.arange(runs) % (len(MODELS) - 1))
    requests = asked(stage, forms[:2], form[run], item, 0)
    who = accounts[rng.integers(0, len(accounts), len(run))]
    return Rows.of(
        who,
        np.concatenate(parts),
        requests.prompts,
        system=requests.system,
        answer=requests.answer,
        model=model[run],
    )


def _laboratory(stage: Stage) -> Accounts:
    """Members of one lab opened the accounts within some weeks, with two cards, calling from one cluster."""
    rng, count = stage.rng, stage.accounts
    accounts = machine_accounts(stage, count, [stage.catalogue.sdk(rng)] * count)
    cards = [c for c in accounts.payment_id if c][:2]
    accounts.payment_id = [cards[i % len(cards)] for i in range(count)]
    domain = f"institute-{int(rng.integers(100, 999))}.example"
    accounts.email_domain = [
        domain if u < 0.7 else d
        for u, d in zip(rng.random(count).tolist(), accounts.email_domain, strict=True)
    ]
    cluster = stage.internet.neighbours("cloud", 12, rng, 2)
    accounts.addresses = [[cluster[i % 12], cluster[(i + 5) % 12]] for i in range(count)]
    opened = stage.window[0] - int(rng.integers(20, 200)) * DAY
    accounts.created_at[:] = opened + rng.integers(0, 18 * DAY, count)
    return accounts
