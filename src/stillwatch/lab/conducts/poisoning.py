"""A campaign that poisons the benign reference: decoy accounts make its templates look like everybody's.

Before the campaign and along with it, decoys send the campaign's own templates as honest strangers would:
each stays with few tasks of its own, asks them again, keeps its own hours. Whoever learns from these
accounts what innocent users of the template look like, or takes past traffic for benign, learns the wrong
thing; whoever counts repeats finds them. No disclosure tells of it; it is what one who has read this source
would try against a detector that learns from its own logs.

Cost to the attacker: accounts and tokens that bring nothing, and the days before the campaign.
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import DAY, PRIVATE_HOURS, Ints, Rhythm, human_sessions
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._dispatch import Lives
from stillwatch.lab.conducts._infrastructure import infrastructure, pool_accounts
from stillwatch.lab.conducts._queue import (
    QUEUE,
    Dealt,
    campaign_rows,
    capabilities,
    deal_out,
    open_queue,
    span,
)
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Cost, Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 12
BALANCED = False  # a decoy sends a failed request again itself
PARAMETERS = (
    Parameter("accounts", 160, 4, 200_000, meaning="accounts, decoys included"),
    *QUEUE,
    Parameter("decoys", 0.4, 0.0, 0.95, meaning="share of the accounts that are decoys"),
    Parameter("early_days", 3.0, 0.0, 60.0, meaning="days before the campaign on which the decoys begin"),
    Parameter("own_tasks", 4, 1, 1000, meaning="tasks that a decoy keeps asking"),
    infrastructure("clean"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's accounts and requests, those of the decoys included."""
    begin, end = span(stage)
    early = max(stage.window[0], begin - int(stage.number("early_days") * DAY))
    accounts = pool_accounts(stage, early - stage.rng.integers(DAY, 9 * DAY, stage.accounts), early)
    decoy = stage.rng.permutation(stage.accounts) < round(stage.accounts * stage.number("decoys"))
    lives = Lives(np.where(decoy, end, begin), np.full(stage.accounts, end))
    queue = open_queue(stage, capabilities(stage))
    work = deal_out(stage, lives, begin, end)
    idle = _idle(stage, np.flatnonzero(decoy), (early, end), int(work.item.max(initial=0)) + 1)
    rows = Rows.concatenate([campaign_rows(stage, dealt, queue) for dealt in (work, idle)])
    return Traffic(accounts, rows, cost=_cost(stage, len(idle.ts)), capabilities=capabilities(stage))


def _idle(stage: Stage, decoys: Ints, window: tuple[int, int], first: int) -> Dealt:
    """Each decoy asks a few tasks again and again; their numbers begin at `first`, so the campaign never asks them."""
    rng = stage.rng
    per_day = rng.gamma(2.0, stage.number("per_day") * stage.volume / 2, len(decoys))
    sessions = human_sessions(rng, per_day, *window, Rhythm(PRIVATE_HOURS, 0.9))
    few = int(stage.number("own_tasks"))
    item = first + sessions.person * few + rng.integers(0, few, len(sessions.ts))
    return Dealt(decoys[sessions.person], sessions.ts, item)


def _cost(stage: Stage, idle: int) -> Cost:
    kind = stage.word("infrastructure")
    each = prices.account_cost(kind, stage.number("days") + stage.number("early_days"))
    money = stage.accounts * each + idle * prices.REQUEST
    note = f"{prices.account_note(kind)}, decoys that bring nothing"
    return Cost(stage.accounts, round(money, 2), stage.number("early_days") * 24, note)
