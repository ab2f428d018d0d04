"""Strangers who followed the same tutorial and call on the same timer, each for a purpose of his own.

Popular periods (every hour, every six hours, once a day at seven) on the full minute make thousands of
unrelated accounts look synchronised. The template is the tutorial's, the slot is the user's own and never
changes; only date and hour do. Three of four keep the tutorial's minute, a tenth of all chose a minute of
their own, one in five begins during the world, one tick in fifty is missed, and a job starts about two
seconds late: assumed.
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import HOUR, MINUTE, SECOND, Ints
from stillwatch.lab.behaviour.living import developer_accounts
from stillwatch.lab.behaviour.templated import system_of
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 4
PARAMETERS = (
    Parameter("accounts", 80, 1, 100_000, meaning="accounts"),
    Parameter("period_minutes", 360, 5, 10_080, meaning="period of the timer"),
    Parameter("at_minute", 0, 0, 10_079, meaning="minute within the period at which most of them fire"),
)
_MISSED = 0.02


def live(stage: Stage) -> Traffic:
    """Their ticks."""
    template = stage.texts.bulk("cron", stage.common)
    accounts = developer_accounts(stage, stage.accounts)
    who, tick, ts = _ticks(stage)
    prompts = template.prompts(tick // HOUR, 0, stage.seeds(stage.accounts)[who])
    favourite = np.where(stage.favourites(stage.accounts) == 0, 0, 2)[who]
    system = system_of(stage, template.system)
    return Traffic(accounts, Rows.of(who, ts, prompts, model=favourite, system=system), shared=template)


def _ticks(stage: Stage) -> tuple[Ints, Ints, Ints]:
    """Account, moment of the timer, and moment of the request with the start-up delay of a job."""
    rng, count = stage.rng, stage.accounts
    start, end = stage.window
    period = int(stage.number("period_minutes"))
    usual = int(stage.number("at_minute")) % period
    # Some live in another zone and fire at another full hour; some chose a minute of their own.
    hour = min(60, period)
    other = rng.integers(0, max(1, period // hour), count) * hour + usual % hour
    phase = np.where(rng.random(count) < 0.75, usual, other % period)
    phase = np.where(rng.random(count) < 0.9, phase, rng.integers(0, period, count))
    began = np.where(rng.random(count) < 0.8, start, rng.integers(start, end, count))
    length = period * MINUTE
    steps = np.arange(start - start % length, end, length)
    moments = steps[None, :] + phase[:, None] * MINUTE
    kept = (moments >= began[:, None]) & (moments < end - MINUTE) & (rng.random(moments.shape) >= _MISSED)
    who, _ = np.nonzero(kept)
    tick = moments[kept]
    delay = (rng.lognormal(np.log(2.0), 0.9, len(tick)) * SECOND).astype(np.int64)
    return who, tick, np.minimum(tick + delay, end - 1)
