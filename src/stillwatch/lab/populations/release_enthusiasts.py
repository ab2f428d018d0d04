"""People who try every new model on the day it is released, with the prompt that everybody tries it with.

Within hours of the release strangers in thousands send one meme prompt, word for word or with a creature of their
own, to the newest model and, for comparison, to the one before; some open an account for it. Before and after they
chat a little. The disclosed campaigns moved to a new model within a day as well, so the move alone says nothing. Six
in ten keep the meme's own words, a quarter of the accounts are opened after the release: assumed.
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import (
    DAY,
    HOUR,
    PRIVATE_HOURS,
    SECOND,
    Rhythm,
    heavy_tailed,
    human_sessions,
)
from stillwatch.lab.behaviour.living import conversation_rows, people_accounts
from stillwatch.lab.behaviour.public_sets import public_dice
from stillwatch.lab.behaviour.templated import asked
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, NEWEST, Stage
from stillwatch.lab.texts.turns import rank_within
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 10
PARAMETERS = (
    Parameter("accounts", 150, 2, 500_000, meaning="accounts"),
    Parameter("per_day", 0.5, 0.0, 100.0, meaning="mean other requests a day and account"),
    Parameter("tries", 4.0, 1.0, 100.0, meaning="mean tries of the prompt"),
)
_KEPT = 0.6
_COMPARED = 0.3
_BORN_FOR_IT = 0.25


def live(stage: Stage) -> Traffic:
    """The rush, and their usual chat."""
    rng, count = stage.rng, stage.accounts
    accounts = people_accounts(stage, count)
    released, end = stage.around.released_at, stage.window[1]
    arrived = released + (rng.exponential(7.0, count) * HOUR).astype(np.int64)
    born = rng.random(count) < _BORN_FOR_IT
    accounts.created_at[born] = (
        arrived[born] - (rng.exponential(0.3, born.sum()) * HOUR).astype(np.int64) - HOUR // 10
    )
    accounts.created_at[~born] = np.minimum(accounts.created_at[~born], stage.window[0] - DAY)
    meme = _meme(stage, arrived)
    per_day = heavy_tailed(rng, count, stage.number("per_day") * stage.volume, 1.0)
    sessions = human_sessions(rng, per_day, *stage.window, Rhythm(PRIVATE_HOURS, 0.95))
    said = stage.texts.chat(sessions.person, sessions.session, sessions.turn, stage.seeds(count), rng)
    usual = conversation_rows(stage, sessions.person, sessions, said)
    rows = Rows.concatenate([usual, meme])
    return Traffic(accounts, rows.take(np.flatnonzero(rows.ts < end)))


def _meme(stage: Stage, arrived: np.ndarray) -> Rows:
    """One prompt, some with a creature of one's own; a few of the tries go to the model before, to compare."""
    rng, count = stage.rng, stage.accounts
    template = stage.texts.bulk("release", public_dice(stage, "memes"))
    tries = rng.geometric(1 / stage.number("tries"), count)
    user = np.repeat(np.arange(count), tries)
    pause = (rng.lognormal(np.log(50), 0.9, len(user)) * SECOND).astype(np.int64)
    elapsed = np.cumsum(pause)
    first = np.cumsum(tries) - tries
    ts = arrived[user] + elapsed - elapsed[first[user]]
    own = rng.random(len(user)) >= _KEPT
    item = np.where(own, 1 + rng.integers(0, 2**40, len(user)), 0)
    writer = np.where(own, stage.seeds(count)[user], 0).astype(np.uint64)
    requests = asked(stage, [template], np.zeros(len(user), np.int64), item, writer)
    compared = (rank_within(user) > 0) & (rng.random(len(user)) < _COMPARED)
    model = np.where(compared, LARGE, NEWEST)
    return Rows.of(user, ts, requests.prompts, system=requests.system, answer=requests.answer, model=model)
