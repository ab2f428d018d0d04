"""Births after bans (family births_after_bans): are a group's banned accounts answered by new ones within hours?

What should move: a hydra replaces what it loses, so new accounts of the group are opened in the hours after one of
the group's accounts was banned, and not in the hours before. Null model: the operator bans at hours of its own, as
it bans everybody else, and whenever the group's accounts were opened, no ban knows of it. Each wave of bans (bans
within an hour of each other) is one observation: given its calendar day, the operator's clock (half this group's own
bans, half everybody's) and ALL births of the group, it is asked whether the ban stands where births follow. An
office that opens twenty accounts in a morning is then only the background against which one ban falls, and births
in cohorts, which links judge as `shared_birth`, cannot count twice: this e-value holds given the births, so both may
be multiplied.

Evidence: betting on "a share of the bans is answered within some hours" (method of mixtures over the share and the
hours; Waudby-Smith & Ramdas 2024, JRSS B 86, 1; the kernel is that of a Hawkes process with bans as parents).
Sees: pools that are banned one by one and refilled, the clearer the slower. Works badly: without `created_at` and
`banned_at`; under some twenty waves; and where ten accounts of a group fall each day, so that every hour follows a
ban. Honest resellers replace what they lose as well: this ties accounts, it does not accuse them.
Evaded by: a stock of accounts opened beforehand or replacements that wait for days, which costs the attacker
idle accounts (aged ones are the dearest) or the pool's throughput after each wave.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import logsumexp

from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.sample import DAY_US, HOUR_US
from stillwatch.campaigns.tables import Rung

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEVER = np.iinfo(np.int64).max
WITHIN_HOURS = (3, 6, 12)
ANSWERED = (0.3, 0.6, 0.9)
_SHOWN_HOURS = 6
_STEP = HOUR_US // 4
_PLACES = DAY_US // _STEP


@dataclass(frozen=True)
class Lives:
    """Births and bans of all accounts.

    Attributes:
        entity: shape (n,), names of the accounts, each once.
        born: shape (n,), microseconds since 1970; `NEVER` where unknown.
        banned: shape (n,), microseconds since 1970; `NEVER` while active.
    """

    entity: NDArray[np.str_]
    born: Ints
    banned: Ints

    @classmethod
    def from_tables(cls, accounts: pa.Table, account_entities: pa.Table) -> "Lives":
        """From the tables `accounts` and `account_entities`: accounts that made an exchange.

        Accounts of a declared organisation are left out: it may open and close its own as it likes.
        """
        joined = accounts.select(["account_id", "created_at", "banned_at"]).join(
            account_entities, keys="account_id", join_type="inner"
        )
        own = joined.filter(pc.equal(joined.column("entity"), joined.column("account_id")))
        return cls(
            np.asarray(own.column("entity").to_pylist(), dtype=np.str_),
            _moments(own.column("created_at")),
            _moments(own.column("banned_at")),
        )

    def places_of(self, entities: Iterable[str]) -> Ints:
        """Place of each named entity, -1 for one that is not there."""
        return np.fromiter((self._places.get(name, -1) for name in entities), np.int64)

    def of(self, places: Ints) -> tuple[Ints, Ints]:
        """Births and bans (each sorted, known ones only) of the entities at some places, -1 for an unknown one."""
        there = np.unique(places[places >= 0])
        return _known(self.born[there]), _known(self.banned[there])

    @cached_property
    def everyone_banned(self) -> Ints:
        """Bans of all accounts, sorted."""
        return _known(self.banned)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.entity.tolist())}


@dataclass(frozen=True)
class BirthsAfterBans:
    """Outcome for one group.

    Attributes:
        log_e: natural logarithm of the e-value against bans that know of no birth.
        n_waves: waves of bans on whose day the group's births could tell anything.
        n_births: births of the group that are known.
        followed: waves with a birth of the group within six hours.
        expected: how many the null expects of them.
    """

    log_e: float
    n_waves: int
    n_births: int
    followed: int
    expected: float


def births_after_bans_test(born: Ints, banned: Ints, all_banned: Ints) -> BirthsAfterBans:
    """Test whether a group's births follow its bans.

    Args:
        born: births of the group's accounts, microseconds, sorted.
        banned: bans of the group's accounts, microseconds, sorted.
        all_banned: bans of all accounts, the group's included.
    """
    waves = _waves(banned)
    if len(waves) == 0 or len(born) == 0:
        return BirthsAfterBans(0.0, 0, len(born), 0, 0.0)
    clock = _clock(waves, all_banned)
    places = waves // DAY_US * DAY_US
    grid = places[:, None] + _STEP // 2 + np.arange(_PLACES) * _STEP
    at = (waves - places) // _STEP
    # The ban itself is moved to the middle of its quarter of an hour, like every other place where it could be.
    factors = [_factors(_following(born, grid, hours), clock, at) for hours in WITHIN_HOURS]
    bets = [np.log1p(share * (factor - 1.0)).sum() for factor in factors for share in ANSWERED]
    known = np.any([_following(born, grid, hours).any(axis=1) for hours in WITHIN_HOURS], axis=0)
    answered = _following(born, grid, _SHOWN_HOURS) > 0
    return BirthsAfterBans(
        float(logsumexp(bets) - np.log(len(bets))),
        int(known.sum()),
        len(born),
        int(answered[np.arange(len(waves)), at].sum()),
        float((answered @ clock).sum()),
    )


def words(found: BirthsAfterBans) -> Finding:
    """The finding in words."""
    return Finding(
        Rung.COORDINATED,
        "births_after_bans",
        f"waves of bans followed by a birth within {_SHOWN_HOURS} hours",
        float(found.followed),
        found.expected,
        found.n_waves,
        found.log_e,
        "bans fall on any hour of their day at which the operator bans, whenever the group's accounts are opened",
        f"after {found.followed} of {found.n_waves} waves of bans a new account of the group was opened within "
        f"{_SHOWN_HOURS} hours, where {found.expected:.1f} are expected at other hours of the same days",
    )


def _following(born: Ints, grid: Ints, hours: int) -> Floats:
    """Births within so many hours after each moment of a grid."""
    until, since = (np.searchsorted(born, grid + offset, side="right") for offset in (hours * HOUR_US, 0))
    return np.asarray(until - since, dtype=np.float64)


def _factors(following: Floats, clock: Floats, at: Ints) -> Floats:
    """Likelihood ratio of each wave's place in its day: where births follow, against the operator's clock.

    1 where no birth of the group follows any moment of the day.
    """
    mean = following @ clock
    here = following[np.arange(len(at)), at]
    return np.divide(here, mean, out=np.ones_like(mean), where=mean > 0)


def _waves(banned: Ints) -> Ints:
    """First ban of each wave."""
    gaps = np.diff(banned, prepend=banned[:1] - 2 * HOUR_US)
    return banned[gaps > HOUR_US]


def _clock(waves: Ints, all_banned: Ints) -> Floats:
    """Probability of each quarter of an hour of a day: half as this group's bans have it, half as all bans have it.

    Not smoothed: an operator whose bans come from a nightly job must be compared with that very moment; and a
    group that was banned by hand not only with a job that bans the others.
    """
    own, everybody = (
        np.bincount(moments % DAY_US // _STEP, minlength=_PLACES) for moments in (waves, all_banned)
    )
    spread = everybody + 1.0 / _PLACES
    return np.asarray(own / own.sum() / 2 + spread / spread.sum() / 2)


def _moments(column: pa.ChunkedArray) -> Ints:
    return np.asarray(pc.fill_null(column.cast(pa.int64()), NEVER).to_numpy(), dtype=np.int64)


def _known(moments: Ints) -> Ints:
    return np.sort(moments[moments != NEVER])
