"""A hackathon: hundreds of new accounts within one weekend, one starter template, own projects, one venue.

Everybody clones the starter kit of the workshop, so template, program and system prompt are the same; accounts
are opened at the opening, on the sponsor's free credit, behind the venue's address, and most are never used
again. All that tells them apart is what they build. Nine of ten accounts are new, seven of ten of these are
opened in the first evening, one in eight goes on after the weekend: assumed.
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import DAY, HOUR, MINUTE, Ints, Rhythm, Sessions, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, people_accounts
from stillwatch.lab.behaviour.templated import asked, woven
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import NONE, Rows, Traffic

SCALES = "groups"
MIN_ACCOUNTS = 20
PARAMETERS = (
    Parameter("accounts", 150, 2, 20_000, meaning="participants, one account each"),
    Parameter("per_participant", 16.0, 1.0, 5000.0, meaning="mean requests of a participant in the weekend"),
    Parameter("day", 4.7, 0.0, 119.0, meaning="days after the start on which it opens"),
    Parameter("new_share", 0.92, 0.0, 1.0, meaning="share of the accounts that are opened for it"),
)
_LASTS = 2 * DAY
# The venue never sleeps, but people do a little; local time is the venue's.
_HOURS = np.array(
    [40, 30, 22, 14, 10, 8, 8, 12, 24, 44, 56, 60, 56, 58, 60, 60, 60, 60, 60, 56, 58, 60, 56, 48.0]
)
_TEMPLATED = 0.45  # of the turns after the first


def live(stage: Stage) -> Traffic:
    """The weekend, and what a few make of it later."""
    rng, count = stage.rng, stage.accounts
    begin = stage.window[0] + int(stage.number("day") * DAY)
    end = min(stage.window[1], begin + _LASTS)
    rhythm = Rhythm(_HOURS, 1.0, turns=6.0, pause_s=90.0, zones=np.array([1.0]))
    days = max((end - begin) / DAY, 0.1)
    weekend = human_sessions(
        rng,
        rng.gamma(3.0, stage.number("per_participant") * stage.volume / days / 3.0, count),
        begin,
        end,
        rhythm,
    )
    later = np.where(rng.random(count) < 0.12, 2.0, 0.0)
    after = human_sessions(rng, later, end, stage.window[1], rhythm) if end < stage.window[1] else weekend
    sessions = _joined(weekend, after) if after is not weekend else weekend
    first = np.full(count, stage.window[1])
    np.minimum.at(first, sessions.person, sessions.ts)
    return Traffic(_accounts(stage, begin, first), _rows(stage, sessions))


def _joined(first: Sessions, then: Sessions) -> Sessions:
    number = then.session + int(first.session.max(initial=-1)) + 1
    return Sessions(
        np.concatenate([first.person, then.person]),
        np.concatenate([first.session, number]),
        np.concatenate([first.turn, then.turn]),
        np.concatenate([first.ts, then.ts]),
    )


def _rows(stage: Stage, sessions: Sessions) -> Rows:
    """The starter kit's template around own tasks; in between, what a developer says without it."""
    rng = stage.rng
    seeds = stage.seeds(stage.accounts)
    templated = (sessions.turn == 0) | (rng.random(len(sessions.turn)) < _TEMPLATED)
    kit, free = np.flatnonzero(templated), np.flatnonzero(~templated)
    template = stage.texts.bulk("starter", stage.dice)
    task = rng.integers(0, 2**62, len(kit))
    of_kit = asked(stage, [template], np.zeros(len(kit), np.int64), task, seeds[sessions.person[kit]])
    own, _ = stage.texts.coding(
        sessions.person[free], sessions.session[free], sessions.turn[free], seeds, rng
    )
    prompts = woven([(kit, of_kit.prompts), (free, own)])
    system: Ints = np.full(len(templated), of_kit.system[0] if len(kit) else NONE)
    rows = conversation_rows(stage, sessions.person, sessions, prompts, "code")
    return replace(rows, system=system)


def _accounts(stage: Stage, begin: int, first: Ints) -> Accounts:
    """Opened at the venue, called from there with the kit's program, on the sponsor's credit."""
    rng, count = stage.rng, stage.accounts
    kit = stage.catalogue.sdk(rng)
    others = stage.catalogue.sdks(count, rng)
    software = [
        kit if u < 0.8 else other for u, other in zip(rng.random(count).tolist(), others, strict=True)
    ]
    accounts = people_accounts(stage, count, 0.02, software)
    venue = stage.internet.office(rng, 2)
    there, gate = rng.random(count) < 0.88, rng.integers(0, 2, count)
    accounts.addresses = [
        [venue[g], own[0]] if t else own
        for t, g, own in zip(there.tolist(), gate.tolist(), accounts.addresses, strict=True)
    ]
    sponsored = (rng.random(count) < 0.8).tolist()
    accounts.payment_id = [None if s else p for s, p in zip(sponsored, accounts.payment_id, strict=True)]
    new = rng.random(count) < stage.number("new_share")
    evening = rng.gamma(2.0, 50 * MINUTE, count)
    opened = np.where(rng.random(count) < 0.7, evening, rng.random(count) * 40 * HOUR)
    earlier = accounts.created_at >= begin - DAY
    accounts.created_at[earlier] -= 30 * DAY
    # Whoever is late to the opening registers before he begins to build.
    shortly = first - (rng.exponential(15, count) * MINUTE).astype(np.int64) - 5 * MINUTE
    born = np.minimum(begin - HOUR + opened.astype(np.int64), shortly)
    accounts.created_at[new] = born[new]
    return accounts
