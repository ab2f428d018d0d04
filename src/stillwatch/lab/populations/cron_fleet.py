"""Strangers who followed the same tutorial and call on the same timer, each for a purpose of his own.

Popular periods (every hour, every six hours, once a day at seven) on the full minute make thousands of
unrelated accounts look synchronised. The template is the tutorial's, the slot is the user's own and never
changes; only date and hour do.
"""

import datetime

import numpy as np

from stillwatch.lab.behaviour.clocks import MINUTE, periodic_times
from stillwatch.lab.behaviour.living import developer_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic, plain_rows

SCALES = "accounts"
MIN_ACCOUNTS = 4
PARAMETERS = (
    Parameter("accounts", 80, 1, 100_000, meaning="accounts"),
    Parameter("period_minutes", 360, 5, 10_080, meaning="period of the timer"),
    Parameter("at_minute", 0, 0, 10_079, meaning="minute within the period at which most of them fire"),
)


def live(stage: Stage) -> Traffic:
    """Their ticks."""
    rng, dice = stage.rng, stage.dice
    template = stage.corpus.bulk("cron", dice)
    content = stage.corpus.bulk_content("cron")
    accounts = developer_accounts(stage, stage.accounts)
    period = int(stage.number("period_minutes"))
    usual = int(stage.number("at_minute")) % period
    start, end = stage.window
    prompts: list[str] = []
    ts, account = [], []
    for place in range(stage.accounts):
        # Nine of ten keep the tutorial's full hour; some live in another zone or chose a minute of their own.
        phase = (
            usual
            if rng.random() < 0.75
            else int(rng.integers(0, period // min(60, period))) * min(60, period)
        )
        phase = phase if rng.random() < 0.9 else int(rng.integers(0, period))
        began = start if rng.random() < 0.8 else int(rng.integers(start, end))
        ticks = periodic_times(rng, began, end, period * MINUTE, phase * MINUTE)
        own = content.text("content", dice)
        account.append(np.full(len(ticks), place))
        ts.append(ticks)
        for tick in ticks.tolist():
            moment = datetime.datetime.fromtimestamp(tick / 1e6, datetime.UTC)
            prompts.append(
                template.fill(own, None, own=own, date=f"{moment:%Y-%m-%d}", hour=f"{moment:%H}:00")
            )
    who = np.concatenate(account)
    favourite = np.where(stage.favourites(stage.accounts) == 0, 0, 2)[who]
    return Traffic(accounts, plain_rows(who, np.concatenate(ts), prompts, "plain", favourite))
