"""Accounts: when they were opened, how they are paid for, from where and with what software they call."""

from dataclasses import dataclass, field

import numpy as np

from stillwatch.lab.behaviour.clients import Software
from stillwatch.lab.behaviour.clocks import DAY, HOUR, Floats, Ints

NEVER = np.iinfo(np.int64).max
FREEMAIL = (
    "gmail.com",
    "outlook.com",
    "yahoo.com",
    "icloud.com",
    "proton.me",
    "gmx.net",
    "qq.com",
    "163.com",
    "mail.ru",
    "web.de",
)
_FREEMAIL_WEIGHTS = np.array([50, 16, 8, 8, 5, 3, 4, 3, 2, 1.0])
COUNTRIES = (
    "US",
    "DE",
    "IN",
    "GB",
    "FR",
    "BR",
    "JP",
    "CA",
    "PL",
    "NG",
    "AU",
    "ES",
    "NL",
    "KR",
    "MX",
    "TR",
    "SG",
    "CN",
    "ZA",
    "SE",
)
_COUNTRY_WEIGHTS = 1 / np.arange(1, len(COUNTRIES) + 1)


@dataclass
class Accounts:
    """Columns of accounts of one population; every list has one entry an account.

    `addresses` holds for each account the addresses it calls from, the usual one first. `banned_at` is NEVER
    while active. Times are microseconds since 1970.
    """

    account_id: list[str]
    created_at: Ints
    payment_id: list[str | None]
    email_domain: list[str | None]
    software: list[Software]
    addresses: list[list[str]]
    key_id: list[str]
    org_id: list[str | None]
    program: list[str]
    verified: list[bool]
    country: list[str]
    banned_at: Ints
    switched_at: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.account_id)


def hex_names(rng: np.random.Generator, count: int, size: int = 8, prefix: str = "") -> list[str]:
    """`count` random names of `size` bytes in hexadecimal."""
    digits = rng.bytes(count * size).hex()
    width = 2 * size
    return [prefix + digits[n * width : (n + 1) * width] for n in range(count)]


def open_accounts(
    rng: np.random.Generator, software: list[Software], addresses: list[list[str]], window: tuple[int, int]
) -> Accounts:
    """Ordinary accounts: organic births, own payment (families share some), freemail, a few false bans.

    Populations that differ (an enterprise, a campaign) replace the columns in which they do.
    """
    count = len(software)
    start, end = window
    created = organic_births(rng, count, start, end)
    payment: list[str | None] = list(hex_names(rng, count, 10))
    for place in np.flatnonzero(rng.random(count) < 0.025).tolist():
        payment[place] = payment[max(0, place - 1)]  # a family or a couple on one card
    for place in np.flatnonzero(rng.random(count) < 0.04).tolist():
        payment[place] = None  # still on free credit
    domains = rng.choice(len(FREEMAIL), count, p=_FREEMAIL_WEIGHTS / _FREEMAIL_WEIGHTS.sum())
    countries = rng.choice(len(COUNTRIES), count, p=_COUNTRY_WEIGHTS / _COUNTRY_WEIGHTS.sum())
    banned = np.full(count, NEVER)
    unlucky = rng.random(count) < 0.008
    banned[unlucky] = start + (rng.random(int(unlucky.sum())) * (end - start)).astype(np.int64)
    banned = np.where(banned < created + DAY, NEVER, banned)
    return Accounts(
        account_id=hex_names(rng, count, 9, "acct_"),
        created_at=created,
        payment_id=payment,
        email_domain=[FREEMAIL[d] for d in domains.tolist()],
        software=software,
        addresses=addresses,
        key_id=hex_names(rng, count, 10),
        org_id=[None] * count,
        program=["none"] * count,
        verified=(rng.random(count) < 0.55).tolist(),
        country=[COUNTRIES[c] for c in countries.tolist()],
        banned_at=banned,
        switched_at=(start + rng.random(count) * (end - start)).astype(np.int64),
    )


def organic_births(rng: np.random.Generator, count: int, start: int, end: int) -> Ints:
    """Births over two years: growth, and spikes after five launches, one just before the window."""
    two_years = 730 * DAY
    age = 1 - np.sqrt(rng.random(count))  # twice as many births today as a year ago
    born: Floats = end - DAY - age * (two_years - DAY)
    launches = np.array(
        [start - 610 * DAY, start - 420 * DAY, start - 270 * DAY, start - 95 * DAY, start - 6 * DAY]
    )
    spiky = rng.random(count) < 0.22
    which = rng.choice(5, int(spiky.sum()), p=(0.15, 0.2, 0.25, 0.3, 0.1))
    born[spiky] = launches[which] + rng.exponential(1.6 * DAY, len(which))
    return (np.floor(born) + rng.integers(0, HOUR, count)).astype(np.int64)
