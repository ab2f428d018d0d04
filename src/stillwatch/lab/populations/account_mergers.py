"""Firms that move to another account: one stops and its successor goes on with the same work on the same card.

A department is merged, a trial becomes a contract, a login is lost: the old account falls silent and within a day the
new one, opened shortly before, continues with the same topics, the same program and addresses, and the same bill. It
looks like a banned account and its replacement, one by one and without a ban. A third of the firms each run a template
by machine (ServeGen arrivals, behaviour/machines.py), develop, or chat. Half move inside the middle of the
world, after gaps of minutes to a day: assumed.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import (
    DAY,
    HOUR,
    OFFICE_HOURS,
    Floats,
    Ints,
    Rhythm,
    heavy_tailed,
    human_sessions,
    machine_arrivals,
)
from stillwatch.lab.behaviour.living import conversation_rows
from stillwatch.lab.behaviour.offices import employ
from stillwatch.lab.behaviour.templated import asked, fresh_items, machine_accounts, woven
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.texts import answers
from stillwatch.lab.texts.turns import Words
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 6
PARAMETERS = (
    Parameter("accounts", 80, 2, 200_000, meaning="accounts, predecessors and successors"),
    Parameter("per_day", 2.5, 0.05, 5000.0, meaning="mean requests of a firm a day"),
)
_USES = ("generation", "judging", "summary", "extraction")
_MACHINE, _CODE, _CHAT = range(3)


def live(stage: Stage) -> Traffic:
    """The firms' work, by the account that did it."""
    rng, count = stage.rng, stage.accounts
    firm = np.arange(count) // 2  # the last of an odd number never moves
    firms = int(firm[-1]) + 1
    start, end = stage.window
    moved = start + (rng.uniform(0.2, 0.8, firms) * (end - start)).astype(np.int64)
    accounts = _accounts(stage, firm, moved)
    kind = np.arange(firms) % 3
    per_day = heavy_tailed(rng, firms, stage.number("per_day") * stage.volume, 0.9)
    seeds = stage.seeds(firms)
    by_hand, by_machine = np.where(kind == _MACHINE, 0.0, per_day), np.where(kind == _MACHINE, per_day, 0.0)
    rows = Rows.concatenate([_by_machine(stage, by_machine, seeds), _by_people(stage, by_hand, seeds, kind)])
    # Until the move the first account works; then nobody for a while; then the second.
    who = rows.account
    gap = (rng.exponential(5, firms) * HOUR).astype(np.int64)
    alone = np.bincount(firm, minlength=firms) == 1
    after = (rows.ts >= moved[who]) & ~alone[who]
    working = ~after | (rows.ts >= moved[who] + gap[who])
    rows = rows.moved(rows.ts, 2 * who + after)
    return Traffic(accounts, rows.take(np.flatnonzero(working)))


def _by_machine(stage: Stage, per_day: Floats, seeds: Words) -> Rows:
    rng = stage.rng
    counts = np.round(per_day * stage.days).astype(np.int64)
    who, ts = machine_arrivals(rng, counts, *stage.window)
    templates = [stage.texts.bulk(_USES[n % len(_USES)], stage.dice) for n in range(len(counts))]
    requests = asked(stage, templates, who, fresh_items(rng, who, 0.02), seeds[who])
    model = stage.models(np.full(len(who), LARGE), ts)
    return Rows.of(who, ts, requests.prompts, system=requests.system, answer=requests.answer, model=model)


def _by_people(stage: Stage, per_day: Floats, seeds: Words, kind: Ints) -> Rows:
    rng = stage.rng
    sessions = human_sessions(rng, per_day, *stage.window, Rhythm(OFFICE_HOURS, 0.3, turns=4.0))
    places = [np.flatnonzero(kind[sessions.person] == k) for k in (_CHAT, _CODE)]
    chat, code = [(sessions.person[p], sessions.session[p], sessions.turn[p], seeds, rng) for p in places]
    said, (built, _) = stage.texts.chat(*chat), stage.texts.coding(*code)
    prompts = woven([(places[0], said), (places[1], built)])
    answer = np.where(kind == _CODE, answers.kind("code"), answers.kind("plain"))[sessions.person]
    return conversation_rows(stage, sessions.person, sessions, prompts, answer)


def _accounts(stage: Stage, firm: Ints, moved: Ints) -> Accounts:
    """Both of a firm have card, domain, program and addresses; the second is opened up to three days before."""
    rng, count = stage.rng, stage.accounts
    programs = stage.catalogue.sdks(int(firm[-1]) + 1, rng)
    accounts = machine_accounts(stage, count, [programs[f] for f in firm.tolist()])
    employ(rng, accounts, firm, declared=False)
    accounts.addresses = [accounts.addresses[place - place % 2] for place in range(count)]
    second = np.arange(count) % 2 == 1
    shortly = (rng.random(count) * 3 * DAY).astype(np.int64) + HOUR // 2
    accounts.created_at[second] = moved[firm[second]] - shortly[second]
    return accounts
