"""Translation, moderation, extraction, routing and summary pipelines: one account and one template each, very
busy.

These are the heaviest accounts of the world, far busier than any account of a campaign. Loads are those of
the heavy automated clients in the ServeGen traces (behaviour/clocks.py): rough from hour to hour, with hours
off.
"""

from functools import partial

import numpy as np

from stillwatch.lab.behaviour.clocks import heavy_tailed, machine_times
from stillwatch.lab.behaviour.living import developer_accounts, without_sessions
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 2
PARAMETERS = (
    Parameter("accounts", 9, 1, 100_000, meaning="customers, one account each"),
    Parameter("per_account", 1400.0, 10.0, 5_000_000.0, meaning="mean requests of an account"),
)
_USES = ("translation", "moderation", "extraction", "classification", "summary")


def live(stage: Stage) -> Traffic:
    """Their requests."""
    rng, dice = stage.rng, stage.dice
    counts = np.maximum(
        20, heavy_tailed(rng, stage.accounts, stage.number("per_account") * stage.volume, 0.8)
    ).astype(int)
    accounts = developer_accounts(stage, stage.accounts)
    prompts: list[str] = []
    systems: list[str | None] = []
    kinds: list[str] = []
    ts, who = [], []
    for place, count in enumerate(counts.tolist()):
        use = _USES[place % len(_USES)]
        template = stage.corpus.bulk(use, dice)
        content = stage.corpus.bulk_content(use)
        seen: list[str] = []
        for _ in range(count):
            # Spam, boilerplate and re-deliveries: some texts come again.
            text = dice.pick(seen) if seen and dice.uniform() < 0.03 else content.text("content", dice)
            seen.append(text)
            prompts.append(template.fill(text, partial(content.text, "content", dice)))
        systems += [template.system] * count
        kinds += ["short" if use in ("moderation", "classification", "extraction") else "plain"] * count
        ts.append(machine_times(rng, count, *stage.window))
        who.append(np.full(count, place))
    time, account = np.concatenate(ts), np.concatenate(who)
    size = len(time)
    zeros = np.zeros(size, np.int64)
    model = np.where(account % 3 == 0, 3, 2)
    accounts.created_at[:] = np.minimum(accounts.created_at, stage.window[0] - 1)
    rows = Rows(
        account, time, prompts, systems, model, kinds, without_sessions(size), zeros, [None] * size, zeros
    )
    return Traffic(accounts, rows)
