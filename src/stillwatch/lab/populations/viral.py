"""A prompt that went viral: users who have nothing to do with each other paste one template with own content.

They are users of another population (`host`); each tries the template once or a few times, in a wave of
popularity that rises within a day and fades with a half-life of about two days (assumed).
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import DAY, SECOND
from stillwatch.lab.behaviour.templated import asked
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.turns import rank_within
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 10
PARAMETERS = (
    Parameter("accounts", 450, 2, 500_000, meaning="users of the host population who join in"),
    Parameter("host", "chat_users", population=True, meaning="population whose accounts they are"),
    Parameter("day", 4.0, 0.0, 119.0, meaning="days after the start on which it takes off"),
)


def live(stage: Stage) -> Traffic:
    """The wave."""
    rng, host = stage.rng, stage.host()
    template = stage.texts.bulk("viral", stage.common)
    # Whoever is active joins; the very quiet ones rarely hear of it.
    weight = host.activity + 0.5
    size = min(stage.accounts, host.count)
    joined = rng.choice(host.count, size, replace=False, p=weight / weight.sum())
    times = rng.geometric(0.6, size)
    user = np.repeat(np.arange(size), times)
    begin = stage.window[0] + int(stage.number("day") * DAY)
    rise = ((rng.normal(0, 0.5, size) + rng.exponential(2.9, size)) * DAY).astype(np.int64)
    pause = ((70 * rank_within(user) + rng.exponential(30, len(user))) * SECOND).astype(np.int64)
    ts = begin + rise[user] + pause
    # A second try mostly corrects what one said about oneself.
    writer = np.where(rng.random(len(user)) < 0.7, stage.seeds(size)[user], stage.seeds(len(user)))
    requests = asked(stage, [template], np.zeros(len(user), np.int64), user, writer)
    favourite = stage.favourites(size)[user]
    rows = Rows.of(
        host.first + joined[user],
        ts,
        requests.prompts,
        system=requests.system,
        answer=requests.answer,
        model=stage.models(favourite, ts),
    )
    keep = np.flatnonzero((ts >= stage.window[0]) & (ts < stage.window[1]))
    return Traffic(None, rows.take(keep), shared=template)
