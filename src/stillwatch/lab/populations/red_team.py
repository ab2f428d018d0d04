"""Academic red teams that probe the model's refusals: one public set of probes in a few wrappers, many variants.

Accounts are verified members of a security research programme. The probes come from a public set (as HarmBench or
JailbreakBench publish theirs), so strangers' groups ask the same; each researcher tries a probe again and again in
another wrapper until it works, and now and then the whole set is swept in a night, dealt over the group's accounts.
The texts that the laboratory makes are harmless. Groups, tries and sweeps are assumed.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER, Accounts
from stillwatch.lab.behaviour.clocks import (
    HOUR,
    OFFICE_HOURS,
    Rhythm,
    human_sessions,
    machine_arrivals,
)
from stillwatch.lab.behaviour.living import developer_accounts
from stillwatch.lab.behaviour.offices import domain, opened_together
from stillwatch.lab.behaviour.public_sets import public_dice
from stillwatch.lab.behaviour.templated import asked
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.texts.templates import Template
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "groups"
MIN_ACCOUNTS = 3
PARAMETERS = (
    Parameter("accounts", 6, 1, 500, meaning="members of the group, one account each"),
    Parameter("per_day", 3.0, 0.05, 500.0, meaning="mean tries of a member a day"),
    Parameter("probes", 150, 5, 100_000, meaning="probes of the public set"),
    Parameter("sweeps", 1, 0, 100, meaning="sweeps of the whole set"),
)
_WRAPPERS = 8
_USED = 4  # wrappers that a group works with
_VARIED = 0.7


def live(stage: Stage) -> Traffic:
    """Tries by hand and sweeps by night."""
    rng = stage.rng
    known = rng.permutation(_WRAPPERS)[:_USED].tolist()
    wrappers = [stage.texts.bulk("red_team", public_dice(stage, "probes", n)) for n in known]
    parts = [_tries(stage, wrappers)]
    parts += [_sweep(stage, wrappers) for _ in range(int(stage.number("sweeps")))]
    return Traffic(_accounts(stage), Rows.concatenate(parts), shared=wrappers[0])


def _tries(stage: Stage, wrappers: list[Template]) -> Rows:
    """A sitting is one probe; each turn is the next variant of it."""
    rng, count = stage.rng, stage.accounts
    zone = np.array([float(rng.choice([-8, -5, 0, 1]))])
    per_day = rng.gamma(2.0, stage.number("per_day") * stage.volume / 2.0, count)
    rhythm = Rhythm(OFFICE_HOURS, 0.3, turns=4.0, pause_s=60.0, zones=zone)
    sessions = human_sessions(rng, per_day, *stage.window, rhythm)
    chosen = rng.integers(0, int(stage.number("probes")), int(sessions.session.max(initial=0)) + 1)
    which = rng.integers(0, len(wrappers), len(sessions.ts))
    # The public probe first, then it again in another wrapper, or a variant of the researcher's own.
    varied = (sessions.turn > 0) & (rng.random(len(which)) < _VARIED)
    item = np.where(varied, rng.integers(0, 2**62, len(which)), chosen[sessions.session])
    writer = np.where(varied, stage.seeds(count)[sessions.person], 0).astype(np.uint64)
    requests = asked(stage, wrappers, which, item, writer)
    return Rows.of(
        sessions.person,
        sessions.ts,
        requests.prompts,
        system=requests.system,
        answer=requests.answer,
        model=stage.models(stage.favourites(count)[sessions.person], sessions.ts),
        session=sessions.session,
        turn=sessions.turn,
    )


def _sweep(stage: Stage, wrappers: list[Template]) -> Rows:
    rng = stage.rng
    probes = max(5, round(stage.number("probes") * stage.volume))
    begin = int(rng.integers(stage.window[0], stage.window[1] - 6 * HOUR))
    _, ts = machine_arrivals(rng, np.array([probes]), begin, begin + int(rng.uniform(1, 5) * HOUR))
    which = np.full(probes, rng.integers(0, len(wrappers)))
    requests = asked(stage, wrappers, which, rng.permutation(probes), 0)
    return Rows.of(
        rng.integers(0, stage.accounts, probes),
        ts,
        requests.prompts,
        system=requests.system,
        answer=requests.answer,
        model=stage.models(np.full(probes, LARGE), ts),
    )


def _accounts(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    accounts = developer_accounts(stage, count)
    opened_together(rng, accounts, np.zeros(count, np.int64), stage.window[0], 60)
    accounts.email_domain = [domain(rng, "edu.example")] * count
    accounts.program = ["security_research"] * count
    accounts.verified = [True] * count
    accounts.banned_at[:] = NEVER
    campus = stage.internet.office(rng, 2)
    accounts.addresses = [[campus[i % 2], own[0]] for i, own in enumerate(accounts.addresses)]
    return accounts
