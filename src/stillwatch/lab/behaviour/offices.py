"""Accounts that belong together at work: one firm, one roof, one bill; and what all cells of a group share."""

import numpy as np

from stillwatch.lab.behaviour.accounts import NEVER, Accounts, hex_names
from stillwatch.lab.behaviour.clocks import DAY, Ints
from stillwatch.lab.stage import Stage


def shared_chance(stage: Stage) -> np.random.Generator:
    """A generator that is the same in all cells of a group: for servers, programs and names that all share."""
    return np.random.Generator(np.random.PCG64(int(stage.common.uniform() * 2**53)))


def domain(rng: np.random.Generator, ending: str = "example") -> str:
    """An e-mail domain that only one firm has."""
    return f"{hex_names(rng, 1, 3)[0]}.{ending}"


def employ(
    rng: np.random.Generator, accounts: Accounts, firm: Ints, *, declared: bool, one_card: bool = True
) -> None:
    """Makes accounts those of firms: e-mail domain, payment, verification, and one organisation if declared.

    Args:
        rng: source of chance.
        accounts: changed in place; never banned.
        firm: int64 per account, running number of its firm.
        declared: whether a firm's accounts name their organisation.
        one_card: whether a firm's accounts are paid with one card.
    """
    count = int(firm.max(initial=-1)) + 1
    of = firm.tolist()
    domains = [f"{name}.example" for name in hex_names(rng, count, 3)]
    accounts.email_domain = [domains[f] for f in of]
    if one_card:
        cards = hex_names(rng, count, 10)
        accounts.payment_id = [cards[f] for f in of]
    if declared:
        names = hex_names(rng, count, 6, "org_")
        accounts.org_id = [names[f] for f in of]
        accounts.verified = [True] * len(accounts)
    accounts.banned_at[:] = NEVER


def opened_together(
    rng: np.random.Generator, accounts: Accounts, firm: Ints, before: int, within_days: float
) -> None:
    """Births of a firm's accounts within some days of each other, two months to two years before the world."""
    count = int(firm.max(initial=-1)) + 1
    first = before - rng.integers(60, 600, count) * DAY
    inside = (rng.random(len(accounts)) * within_days * DAY).astype(np.int64)
    accounts.created_at[:] = first[firm] + inside
