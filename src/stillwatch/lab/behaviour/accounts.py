"""Accounts: when they were opened, how they are paid for, from where and with what software they call."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import ACCOUNTS
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
_HOUSEHOLDS = 0.025  # accounts that are paid with the card of another
_UNDER_ONE_ROOF = 0.7  # share of these that also call from the other's usual address
PERSON = -1  # `length_profile` of an account whose answers' lengths are drawn from no machine's histogram


# The columns that are arrays, with their types; all others are lists.
_ARRAYS = {
    "created_at": np.int64,
    "banned_at": np.int64,
    "switched_at": np.int64,
    "verbosity": np.float64,
    "length_profile": np.int64,
    "rotates_every": np.int64,
}


def _none() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Accounts:
    """Columns of accounts of one population; every list has one entry an account.

    Attributes:
        account_id: unique names.
        created_at: int64, microseconds since 1970.
        payment_id: payment instrument, None on free credit.
        email_domain: domain of the e-mail address, or None.
        software: the program it calls with; equal programs are one object.
        addresses: the addresses it calls from, the usual one first, at least one.
        key_id: its API key.
        org_id: declared organisation, or None.
        program: edu, startup, security_research or none.
        verified: whether its identity was verified.
        country: billing country.
        banned_at: int64, microseconds since 1970; NEVER while active.
        switched_at: int64, microseconds since 1970, when its program is updated.
        verbosity: float64, how long its answers are, as a factor on the usual length; 1 where not told.
        length_profile: int64, a machine's place in the token-length histograms of real clients; PERSON else.
        rotates_every: int64, microseconds after which it goes on to the next of its addresses (a rotating
            proxy); 0 for an account that mostly calls from its first one.
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
    switched_at: Ints = field(default_factory=_none)
    verbosity: Floats = field(default_factory=lambda: np.zeros(0))
    length_profile: Ints = field(default_factory=_none)
    rotates_every: Ints = field(default_factory=_none)

    def __post_init__(self) -> None:
        count = len(self.account_id)
        unset = {"switched_at": NEVER, "verbosity": 1.0, "length_profile": PERSON, "rotates_every": 0}
        for name, value in unset.items():
            if not len(getattr(self, name)):
                setattr(self, name, np.full(count, value, _ARRAYS[name]))
        for column in fields(self):
            if len(getattr(self, column.name)) != count:
                size = len(getattr(self, column.name))
                raise ValueError(f"{column.name} has {size} entries for {count} accounts")

    def __len__(self) -> int:
        return len(self.account_id)

    @staticmethod
    def concatenate(parts: Sequence["Accounts"]) -> "Accounts":
        """The accounts of all parts, one after another; none where there are no parts."""
        columns = {
            column.name: _joined([getattr(part, column.name) for part in parts], column.name)
            for column in fields(Accounts)
        }
        return Accounts(**columns)

    def table(self) -> pa.Table:
        """One row an account, in the schema of accounts.parquet."""
        columns = {
            "account_id": pa.array(self.account_id, pa.string()),
            "created_at": pa.array(self.created_at).cast(TIMESTAMP),
            "org_id": pa.array(self.org_id, pa.string()),
            "payment_id": pa.array(self.payment_id, pa.string()),
            "email_domain": pa.array(self.email_domain, pa.string()),
            "program": pa.array(self.program, pa.string()),
            "verified": pa.array(self.verified, pa.bool_()),
            "billing_country": pa.array(self.country, pa.string()),
            "banned_at": pa.array(self.banned_at, pa.int64(), mask=self.banned_at == NEVER).cast(TIMESTAMP),
        }
        return pa.table([columns[column.name] for column in ACCOUNTS], schema=ACCOUNTS.arrow)

    def render_table(self) -> pa.Table:
        """One row an account, in the same order, with all that a request takes over from its account.

        Columns: account_id, org_id, key_id (string), addresses (list<string>, the usual one first),
        agent_before, agent_after (string), switched_at (int64), ja4 (string), temperature (float),
        max_output_tokens (int32), stream, names_sessions (bool), operation (string), verbosity (double),
        length_profile, rotates_every (int64).
        """
        software, place = _distinct(self.software)
        fixed = {name: column.take(place) for name, column in _software_columns(software).items()}
        sizes = np.fromiter(map(len, self.addresses), np.int32, len(self))
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        flat = pa.array(chain.from_iterable(self.addresses), pa.string())
        return pa.table(
            {
                "account_id": pa.array(self.account_id, pa.string()),
                "org_id": pa.array(self.org_id, pa.string()),
                "key_id": pa.array(self.key_id, pa.string()),
                "addresses": pa.ListArray.from_arrays(pa.array(offsets), flat),
                "agent_before": fixed["agent_before"],
                "agent_after": fixed["agent_after"],
                "switched_at": pa.array(self.switched_at, pa.int64()),
                "ja4": fixed["ja4"],
                "temperature": fixed["temperature"],
                "max_output_tokens": fixed["max_output_tokens"],
                "stream": fixed["stream"],
                "names_sessions": fixed["names_sessions"],
                "operation": fixed["operation"],
                "verbosity": pa.array(self.verbosity, pa.float64()),
                "length_profile": pa.array(self.length_profile, pa.int64()),
                "rotates_every": pa.array(self.rotates_every, pa.int64()),
            }
        )


def _joined(values: list[Any], name: str) -> Any:
    """Lists chained, arrays concatenated."""
    if name in _ARRAYS:
        return np.concatenate(values) if values else np.zeros(0, _ARRAYS[name])
    return list(chain.from_iterable(values))


def _distinct(software: list[Software]) -> tuple[list[Software], Ints]:
    """The different programs and the place of each account's own among them (by identity: they are shared)."""
    identity = np.fromiter(map(id, software), np.int64, len(software))
    _, first, place = np.unique(identity, return_index=True, return_inverse=True)
    return [software[number] for number in first.tolist()], place.astype(np.int64)


def _software_columns(software: list[Software]) -> dict[str, pa.Array]:
    return {
        "agent_before": pa.array([s.agents[0] for s in software], pa.string()),
        "agent_after": pa.array([s.agents[-1] for s in software], pa.string()),
        "ja4": pa.array([s.ja4 for s in software], pa.string()),
        "temperature": pa.array([s.temperature for s in software], pa.float32()),
        "max_output_tokens": pa.array([s.max_output_tokens for s in software], pa.int32()),
        "stream": pa.array([s.stream for s in software], pa.bool_()),
        "names_sessions": pa.array([s.sessions for s in software], pa.bool_()),
        "operation": pa.array([s.operation for s in software], pa.string()),
    }


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
    addresses = _share_households(rng, payment, addresses)
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
        verbosity=np.clip(rng.lognormal(0.0, 0.6, count), 0.3, 5.0),
    )


def machine_profiles(rng: np.random.Generator, count: int, n_profiles: int) -> Ints:
    """`length_profile` of `count` machines: each a real client's histograms, drawn with replacement.

    Args:
        rng: source of chance.
        count: machines.
        n_profiles: clients in the package's token-length histograms, at least 1.
    """
    return rng.integers(0, n_profiles, count)


def virtual_cards(rng: np.random.Generator, count: int) -> list[str]:
    """Payment ids of single-use cards: one an account, no two alike.

    Many come from one issuer, but a log holds a keyed hash of the whole card number, and hashes of two cards
    have nothing in common. So they look like any other card, as they do to a real operator.
    """
    return hex_names(rng, count, 10)


def _share_households(
    rng: np.random.Generator, payment: list[str | None], addresses: list[list[str]]
) -> list[list[str]]:
    """A family or a couple on one card, and mostly behind one router: changes the cards, returns the addresses."""
    addresses = list(addresses)
    draws = rng.random(len(payment))
    for place in np.flatnonzero(draws < _HOUSEHOLDS).tolist():
        if place:
            payment[place] = payment[place - 1]
            if draws[place] < _HOUSEHOLDS * _UNDER_ONE_ROOF:
                addresses[place] = [addresses[place - 1][0], *addresses[place][1:]]
    return addresses


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
