"""A service firm that works off one ticket queue of several clients: one time zone, one office, one bill.

A lead deals each ticket to whoever has the skill for that client; tickets are different and nobody gets another's,
so the team draws from one pool without replacement, coordinated and honest, and declares nothing. Each client has
templates and a system prompt of its own; one ticket takes one to three steps (routing, reply, fields). Members
know one or two clients. Team sizes, tickets a day and steps are assumed; their day is that of offices
(behaviour/clocks.py).
"""

from dataclasses import dataclass

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import OFFICE_HOURS, SECOND, Ints, Rhythm, human_sessions
from stillwatch.lab.behaviour.living import developer_accounts
from stillwatch.lab.behaviour.offices import employ, opened_together
from stillwatch.lab.behaviour.templated import asked
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.texts.turns import rank_within
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "groups"
MIN_ACCOUNTS = 6
PARAMETERS = (
    Parameter("accounts", 12, 3, 2000, meaning="members of the team, one account each"),
    Parameter("per_day", 4.0, 0.1, 1000.0, meaning="mean tickets of a member on a working day"),
    Parameter("clients", 4, 1, 100, meaning="clients whose tickets are in the queue"),
)
_ZONES = (5.5, 8.0, 2.0, -5.0)
_STEPS = ("classification", "support", "extraction")
_CHANCES = np.array([0.4, 1.0, 0.25])  # how often a ticket takes each step


@dataclass(frozen=True)
class _Tickets:
    """One entry a ticket, int64: whose, dealt to whom, when."""

    client: Ints
    account: Ints
    ts: Ints


def live(stage: Stage) -> Traffic:
    """The tickets, step by step."""
    rng = stage.rng
    clients = int(stage.number("clients"))
    tickets = _dealt(stage, clients)
    taken = rng.random((len(tickets.ts), len(_STEPS))) < _CHANCES
    ticket, step = np.nonzero(taken)
    turn = rank_within(ticket)
    wait = np.where(turn > 0, rng.lognormal(np.log(78), 0.85, len(turn)), 0) * SECOND
    elapsed = np.cumsum(wait)
    first = np.searchsorted(ticket, ticket)
    ts = tickets.ts[ticket] + (elapsed - elapsed[first]).astype(np.int64)
    templates = [stage.texts.bulk(use, stage.dice) for _ in range(clients) for use in _STEPS]
    client = tickets.client[ticket]
    queue = stage.seeds(clients)
    requests = asked(stage, templates, client * len(_STEPS) + step, ticket, queue[client])
    rows = Rows.of(
        tickets.account[ticket],
        np.minimum(ts, stage.window[1] - 1),
        requests.prompts,
        system=requests.system,
        answer=requests.answer,
        model=stage.models(np.full(len(ts), LARGE), ts),
        session=ticket,
        turn=turn,
    )
    return Traffic(_accounts(stage), rows)


def _dealt(stage: Stage, clients: int) -> _Tickets:
    """Tickets of all clients in the order of time; within a client those with the skill take turns, roughly."""
    rng, count = stage.rng, stage.accounts
    zone = np.array([_ZONES[int(rng.integers(0, len(_ZONES)))]])
    # Per calendar day: the office works five of seven.
    load = rng.dirichlet(np.full(clients, 2.0)) * count * stage.number("per_day") * stage.volume * 5 / 7
    came = human_sessions(rng, load, *stage.window, Rhythm(OFFICE_HOURS, 0.03, turns=1.0, zones=zone))
    order = np.argsort(came.ts, kind="stable")
    client, ts = came.person[order], came.ts[order]
    main = np.arange(count) % clients
    second = np.where(rng.random(count) < 0.5, rng.integers(0, clients, count), main)
    account = np.empty(len(ts), np.int64)
    for number in range(clients):
        skilled = np.flatnonzero((main == number) | (second == number))
        skilled = skilled if len(skilled) else np.arange(count)
        mine = np.flatnonzero(client == number)
        shift = rng.integers(0, 3, len(mine)) * (rng.random(len(mine)) < 0.3)
        account[mine] = skilled[(np.arange(len(mine)) + shift) % len(skilled)]
    return _Tickets(client, account, ts)


def _accounts(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    firm = np.zeros(count, np.int64)
    accounts = developer_accounts(stage, count, [stage.catalogue.sdk(rng)] * count)
    employ(rng, accounts, firm, declared=False)
    opened_together(rng, accounts, firm, stage.window[0], 25)
    accounts.addresses = [stage.internet.office(rng, 1)] * count
    return accounts
