"""A hydra cluster: many accounts behind one queue, dirty or clean, with bans and replacement.

Shaped like the disclosed campaigns at small scale: about 25 requests a day and account (16 million exchanges
over 24,000 accounts), shared payment methods, timing that looks like load balancing, banned accounts replaced
within hours, one campaign moving half of its traffic to a new model within 24 hours of its release.

`dirty`: accounts born in cohorts of an hour or two, cards shared by clusters of accounts, rented servers and
VPN exits in few prefixes, throw-away mail domains, one program. Cost to the attacker: accounts and cards at
bulk prices. `clean`: residential addresses, a card for nearly each account, births spread over months, the
programs that everybody uses. Cost: several euros for each account and month more.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER, Accounts, hex_names
from stillwatch.lab.behaviour.clocks import DAY, HOUR, Ints
from stillwatch.lab.behaviour.living import developer_accounts, people_accounts
from stillwatch.lab.conducts._pool import CAPABILITIES, QUEUE, Lives, arrivals, campaign_rows, deal
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 12
PARAMETERS = (
    Parameter("accounts", 250, 2, 200_000, meaning="accounts, replacements included"),
    *QUEUE,
    Parameter(
        "infrastructure", "dirty", choices=("dirty", "clean"), meaning="addresses, cards, births and programs"
    ),
    Parameter("bans_per_day", 0.0, 0.0, 0.9, meaning="share of the living accounts that is banned each day"),
    Parameter("first", "reasoning", choices=CAPABILITIES, meaning="capability that it collects"),
    Parameter("second", "", choices=("", *CAPABILITIES), meaning="further capability, or none"),
    Parameter("third", "", choices=("", *CAPABILITIES), meaning="further capability, or none"),
)


def wage(stage: Stage) -> Traffic:
    """The campaign's accounts and requests."""
    begin = stage.window[0] + int(stage.number("start_day") * DAY)
    end = min(stage.window[1], begin + int(stage.number("days") * DAY))
    dirty = stage.word("infrastructure") == "dirty"
    born, lives, banned = _lives(stage, begin, end, dirty)
    accounts = _dirty(stage, born) if dirty else _clean(stage)
    accounts.banned_at[:] = np.where(banned < end, banned, NEVER)
    if dirty:
        accounts.created_at[:] = born
    else:
        # The few replacements are young; all others were bought with an age.
        accounts.created_at[:] = np.where(born >= begin, born, np.minimum(accounts.created_at, begin - DAY))
    ts = arrivals(stage, lives, begin, end)
    wanted = [c for c in (stage.word("first"), stage.word("second"), stage.word("third")) if c]
    return Traffic(accounts, campaign_rows(stage, wanted, deal(stage, lives, ts), ts))


def _lives(stage: Stage, begin: int, end: int, dirty: bool) -> tuple[Ints, Lives, Ints]:
    """Births, usable spans and bans; a banned account is replaced within hours as long as any is left."""
    rng, count = stage.rng, stage.accounts
    hazard = stage.number("bans_per_day")
    first = max(1, round(count / (1 + hazard * (end - begin) / DAY)))
    born = np.empty(count, np.int64)
    banned = np.empty(count, np.int64)
    cohorts = begin - rng.integers(2 * HOUR, 4 * DAY, max(1, first // 20))
    born[:first] = cohorts[rng.integers(0, len(cohorts), first)] + rng.integers(0, 100 * HOUR // 60, first)
    since = np.maximum(begin, born) + rng.integers(0, 8 * HOUR if dirty else 30 * HOUR, count)
    lifetime = rng.exponential(DAY / hazard, count) if hazard else np.full(count, np.inf)
    span = np.minimum(lifetime, 400 * DAY).astype(np.int64)
    banned[:first] = since[:first] + span[:first]
    deaths = np.sort(banned[:first]).tolist()
    for place in range(first, count):
        died = deaths.pop(0) if deaths else int(end)
        # No ban left to answer: the operator opens the rest in the middle of the campaign.
        died = died if died < end else int(rng.integers(begin, begin + (end - begin) // 2))
        born[place] = died + int(rng.integers(HOUR // 2, 6 * HOUR))
        since[place] = born[place] + int(rng.integers(HOUR // 10, 3 * HOUR))
        banned[place] = since[place] + span[place]
        deaths = sorted([*deaths, int(banned[place])])
    return born, Lives(since, np.minimum(banned, end)), banned


def _dirty(stage: Stage, born: Ints) -> Accounts:
    rng, count, internet = stage.rng, stage.accounts, stage.around.internet
    program = stage.around.catalogue.sdk(rng)
    other = stage.around.catalogue.sdk(rng)
    accounts = developer_accounts(
        stage, count, [program if rng.random() < 0.85 else other for _ in range(count)]
    )
    prefixes = max(2, count // 14)
    servers = internet.neighbours("hosting", count, rng, prefixes)
    exits = internet.addresses("vpn", count, rng)
    accounts.addresses = [[s] if rng.random() < 0.6 else [s, e] for s, e in zip(servers, exits, strict=True)]
    cards = hex_names(rng, max(1, count // 9), 10)
    order = np.argsort(born, kind="stable")
    for rank, place in enumerate(order.tolist()):
        # A card serves the accounts that were opened together.
        card = min(rank * len(cards) // count + int(rng.integers(0, 2)), len(cards) - 1)
        accounts.payment_id[place] = cards[card]
    domains = [f"{name}.example" for name in hex_names(rng, 4, 3)]
    accounts.email_domain = [
        domains[int(rng.integers(0, 4))] if rng.random() < 0.45 else d for d in accounts.email_domain
    ]
    return accounts


def _clean(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    accounts = people_accounts(stage, count, 0.04, [stage.around.catalogue.sdk(rng) for _ in range(count)])
    for place in np.flatnonzero(rng.random(count) < 0.06).tolist():
        accounts.payment_id[place] = accounts.payment_id[place - 1]
    return accounts
