"""Accounts of a campaign: bought in bulk behind rented servers, or one by one behind residential addresses."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER, Accounts, hex_names, virtual_cards
from stillwatch.lab.behaviour.clients import Software
from stillwatch.lab.behaviour.clocks import DAY, HOUR, Ints
from stillwatch.lab.behaviour.living import developer_accounts, people_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage

KINDS = ("dirty", "clean", "proxied")
_PROXIED = {"clean": 0.35, "proxied": 1.0}
_COMMON = 0.7  # share of the accounts that call with the program that most others have
_SHARED_CARD = 0.03


def infrastructure(default: str) -> Parameter:
    """The setting that `pool_accounts` reads."""
    return Parameter(
        "infrastructure",
        default,
        choices=KINDS,
        meaning="addresses, cards, births and programs: bulk and rented servers; homes and partly residential "
        "proxies, a card each; residential proxies only",
    )


def pool_accounts(stage: Stage, born: Ints, begin: int) -> Accounts:
    """Accounts as the setting `infrastructure` says.

    Args:
        stage: of the campaign.
        born: int64, microseconds, when each is opened where nothing has been bought with an age.
        begin: of the campaign. Clean accounts were bought with an age, but for those opened after it.
    """
    if stage.word("infrastructure") == "dirty":
        return dirty_accounts(stage, born)
    accounts = clean_accounts(stage, begin, _PROXIED[stage.word("infrastructure")])
    young = born >= begin
    accounts.created_at[young] = born[young]
    return accounts


def dirty_accounts(stage: Stage, born: Ints) -> Accounts:
    """Cards shared by accounts that were opened together, few prefixes, throw-away mail domains, one program."""
    rng, count, internet = stage.rng, stage.accounts, stage.internet
    program, other = stage.catalogue.sdk(rng), stage.catalogue.sdk(rng)
    accounts = developer_accounts(
        stage, count, [program if d < 0.85 else other for d in rng.random(count).tolist()]
    )
    servers = internet.neighbours("hosting", count, rng, max(2, count // 14))
    exits = internet.addresses("vpn", count, rng)
    both = (rng.random(count) < 0.4).tolist()
    accounts.addresses = [[s, e] if b else [s] for s, e, b in zip(servers, exits, both, strict=True)]
    cards = hex_names(rng, max(1, count // 9), 10)
    rank = np.argsort(np.argsort(born, kind="stable"), kind="stable")
    card = np.minimum(rank * len(cards) // count + rng.integers(0, 2, count), len(cards) - 1)
    accounts.payment_id = [cards[c] for c in card.tolist()]
    domains = [f"{name}.example" for name in hex_names(rng, 4, 3)]
    own = np.where(rng.random(count) < 0.45, rng.integers(0, 4, count), -1)
    accounts.email_domain = [
        domains[o] if o >= 0 else d for o, d in zip(own.tolist(), accounts.email_domain, strict=True)
    ]
    accounts.created_at[:] = born
    accounts.banned_at[:] = NEVER
    return accounts


def clean_accounts(stage: Stage, begin: int, proxied: float = _PROXIED["clean"]) -> Accounts:
    """Homes and residential proxies, a card for nearly every account, the programs that everybody has.

    Births are spread like everybody's and lie before the campaign; nobody is banned yet.

    Args:
        stage: of the campaign.
        begin: of the campaign, microseconds.
        proxied: share of the accounts behind a rotating residential proxy.
    """
    rng, count = stage.rng, stage.accounts
    catalogue = stage.catalogue
    common = (rng.random(count) < _COMMON).tolist()
    programs = catalogue.sdks(count, rng)
    # The most common program, but everybody's settings: who leaves all defaults would be known by that.
    software = [_as_set(catalogue.common(rng), p) if c else p for c, p in zip(common, programs, strict=True)]
    accounts = people_accounts(stage, count, 0.04, software)
    accounts.payment_id = list(virtual_cards(rng, count))
    for place in np.flatnonzero(rng.random(count) < _SHARED_CARD).tolist():
        accounts.payment_id[place] = accounts.payment_id[place - 1]
    lent = np.flatnonzero(rng.random(count) < proxied)
    exits, kept = stage.internet.proxied(len(lent), rng)
    for place, own in zip(lent.tolist(), exits, strict=True):
        accounts.addresses[place] = own
    accounts.rotates_every[lent] = kept
    late = np.flatnonzero(accounts.created_at >= begin - DAY)
    # Not all at one instant: births just before the campaign would tie them.
    accounts.created_at[late] = begin - DAY - rng.integers(0, 90 * DAY, len(late))
    accounts.banned_at[:] = NEVER
    return accounts


def _as_set(program: Software, settings: Software) -> Software:
    """The first program with the settings of the second."""
    return replace(settings, agents=program.agents, ja4=program.ja4)


def sisters(stage: Stage, accounts: Accounts, places: Ints) -> Accounts:
    """Further accounts of whoever opened these: same card, servers and program, opened in the same go."""
    rng, count = stage.rng, len(places)
    columns: dict[str, Any] = {}
    for column in fields(Accounts):
        values = getattr(accounts, column.name)
        columns[column.name] = (
            values[places] if isinstance(values, np.ndarray) else [values[p] for p in places.tolist()]
        )
    columns["account_id"] = hex_names(rng, count, 9, "acct_")
    columns["key_id"] = hex_names(rng, count, 10)
    columns["created_at"] = columns["created_at"] + rng.integers(0, 8 * HOUR, count)
    return Accounts(**columns)
