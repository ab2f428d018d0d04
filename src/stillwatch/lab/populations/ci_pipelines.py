"""Build pipelines of many companies: a machine's template per repository, bursts after each push in working hours.

A push starts several jobs at once (review, release notes, failed tests), which run on whatever runner is free and
take one of the company's keys; so accounts of one company fire within the same seconds and ask about the same
code. Half of the companies use the hosted runners of one provider and share its addresses with strangers.
Arrivals follow pushes rather than the client traces; lengths of answers are real clients' (behaviour/lengths.py).
Companies have two to six keys and about two repositories a key, three jobs a push: assumed.
"""

from dataclasses import dataclass

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import OFFICE_HOURS, SECOND, Floats, Ints, Rhythm, human_sessions
from stillwatch.lab.behaviour.offices import employ, opened_together, shared_chance
from stillwatch.lab.behaviour.templated import asked, machine_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.turns import rank_within
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 6
PARAMETERS = (
    Parameter(
        "accounts", 80, 2, 500_000, meaning="keys of all companies, each billed as an account of its own"
    ),
    Parameter("per_day", 3.0, 0.05, 5000.0, meaning="mean requests of an account a day"),
    Parameter(
        "declared_share", 0.5, 0.0, 1.0, meaning="share of the companies that declare their organisation"
    ),
)
_JOBS = 3.0
_KINDS = 4  # jobs that a company has set up: each with a template of its own
_AGAIN = 0.3


@dataclass(frozen=True)
class _Firms:
    """Companies: `of`, int64 per account; `first` and `many`, int64 per company, its first account and how many."""

    of: Ints
    first: Ints
    many: Ints


def live(stage: Stage) -> Traffic:
    """The jobs after each push."""
    rng = stage.rng
    firms = _firms(stage)
    companies = len(firms.first)
    owner = np.repeat(np.arange(companies), np.maximum(1, 2 * firms.many - 1))
    pushes = human_sessions(rng, _pushes(stage, firms, owner), *stage.window, _rhythm())
    jobs = rng.geometric(1 / _JOBS, len(pushes.ts))
    push = np.repeat(np.arange(len(jobs)), jobs)
    repository = pushes.person[push]
    company = owner[repository]
    begin = pushes.ts[push] + (rng.lognormal(np.log(25), 0.5, len(jobs)) * SECOND).astype(np.int64)[push]
    ts = begin + (rank_within(push) * rng.exponential(4.0, len(push)) * SECOND).astype(np.int64)
    kit = [stage.texts.bulk("ci", stage.dice) for _ in range(min(companies * _KINDS, 400))]
    # A company writes its own prompts, or takes over one of those that are passed around.
    number = rank_within(push)
    which = (company * _KINDS + (number + push) % _KINDS) % len(kit)
    # One part of the change a job; a job that is run again asks the same.
    again = rng.random(len(push)) < _AGAIN
    part = push * 64 + np.where(again, 0, np.minimum(number // _KINDS, 63))
    requests = asked(stage, kit, which, part, stage.seeds(len(owner))[repository])
    key = firms.first[company] + (rng.random(len(push)) * firms.many[company]).astype(np.int64)
    rows = Rows.of(
        key,
        np.minimum(ts, stage.window[1] - 1),
        requests.prompts,
        system=requests.system,
        answer="code",
        model=stage.models(stage.favourites(companies)[company], ts),
    )
    return Traffic(_accounts(stage, firms), rows)


def _rhythm() -> Rhythm:
    return Rhythm(OFFICE_HOURS, 0.12, turns=1.8, pause_s=900.0)


def _pushes(stage: Stage, firms: _Firms, owner: Ints) -> Floats:
    """Pushes a day of each repository, unequal, so that a company's accounts have their mean."""
    weight = stage.rng.lognormal(0, 0.8, len(owner))
    share = weight / np.bincount(owner, weight)[owner]
    pushes: Floats = share * firms.many[owner] * stage.number("per_day") * stage.volume / _JOBS
    return pushes


def _firms(stage: Stage) -> _Firms:
    """Companies with two to six keys; the last one has what is left."""
    sizes = stage.rng.integers(2, 7, stage.accounts)
    of = np.repeat(np.arange(len(sizes)), sizes)[: stage.accounts]
    many = np.bincount(of)
    return _Firms(of, np.cumsum(many) - many, many)


def _accounts(stage: Stage, firms: _Firms) -> Accounts:
    rng, companies = stage.rng, len(firms.first)
    programs = stage.catalogue.sdks(companies, rng)
    accounts = machine_accounts(stage, stage.accounts, [programs[f] for f in firms.of.tolist()])
    runners = stage.internet.neighbours("cloud", 40, shared_chance(stage), 6)
    hosted = rng.random(companies) < 0.5
    places = [
        [runners[r] for r in rng.permutation(len(runners))[:12].tolist()]
        if h
        else stage.internet.neighbours("cloud", 3, rng, 1)
        for h in hosted.tolist()
    ]
    accounts.addresses = [places[f] for f in firms.of.tolist()]
    employ(rng, accounts, firms.of, declared=False)
    opened_together(rng, accounts, firms.of, stage.window[0], 55)
    declared = rng.random(companies) < stage.number("declared_share")
    orgs = [f"org_{rng.bytes(6).hex()}" if d else None for d in declared.tolist()]
    accounts.org_id = [orgs[f] for f in firms.of.tolist()]
    return accounts
