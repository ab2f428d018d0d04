"""Accounts of a campaign: bought in bulk behind rented servers, or one by one behind residential addresses."""

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts, hex_names, virtual_cards
from stillwatch.lab.behaviour.clocks import Ints
from stillwatch.lab.behaviour.living import developer_accounts, people_accounts
from stillwatch.lab.stage import Stage


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
    return accounts


def clean_accounts(stage: Stage) -> Accounts:
    """Residential addresses, a card for nearly every account, the programs that everybody uses, births over months."""
    rng, count = stage.rng, stage.accounts
    accounts = people_accounts(stage, count, 0.04, stage.catalogue.sdks(count, rng))
    accounts.payment_id = list(virtual_cards(rng, count))
    for place in np.flatnonzero(rng.random(count) < 0.06).tolist():
        accounts.payment_id[place] = accounts.payment_id[place - 1]
    return accounts
