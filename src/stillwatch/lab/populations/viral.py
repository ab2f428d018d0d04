"""A prompt that went viral: users who have nothing to do with each other paste one template with own content.

They are users of another population (`host`); each tries the template once or a few times, in a wave of
popularity that rises within a day and fades with a half-life of about two days.
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import DAY, SECOND
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic, plain_rows

SCALES = "accounts"
MIN_ACCOUNTS = 10
PARAMETERS = (
    Parameter("accounts", 450, 2, 500_000, meaning="users of the host population who join in"),
    Parameter("host", "chat_users", meaning="population whose accounts they are"),
    Parameter("day", 4.0, 0.0, 119.0, meaning="days after the start on which it takes off"),
)


def live(stage: Stage) -> Traffic:
    """The wave."""
    rng, dice = stage.rng, stage.dice
    host = stage.host()
    template = stage.corpus.bulk("viral", dice)
    content = stage.corpus.bulk_content("viral")
    # Whoever is active joins; the very quiet ones rarely hear of it.
    active = np.bincount(host.rows.account, minlength=len(host.accounts)) + 0.5
    size = min(stage.accounts, len(host.accounts))
    joined = rng.choice(len(host.accounts), size, replace=False, p=active / active.sum())
    times = rng.geometric(0.6, size)
    who = np.repeat(joined, times)
    begin = stage.window[0] + int(stage.number("day") * DAY)
    rise = rng.normal(0, 0.5, size) * DAY + rng.exponential(2.9, size) * DAY
    first = np.repeat(begin + rise.astype(np.int64), times)
    ts = first + (np.arange(len(who)) - np.repeat(np.cumsum(times) - times, times)) * int(70 * SECOND)
    ts = ts + (rng.exponential(30, len(who)) * SECOND).astype(np.int64)
    own = {a: content.text("content", dice) for a in joined.tolist()}
    # A second try mostly corrects what one said about oneself.
    prompts = [
        template.fill(own[a] if dice.uniform() < 0.7 else content.text("content", dice)) for a in who.tolist()
    ]
    favourite = stage.favourites(len(host.accounts))[who]
    rows = plain_rows(who, ts, prompts, "plain", stage.models(favourite, ts))
    keep = np.flatnonzero((ts >= stage.window[0]) & (ts < stage.window[1]))
    return Traffic(host.accounts, rows.take(keep), own_accounts=False)
