"""Common stream (family B): are the accounts' hours thinnings of one arrival process?

What should move: people and programs work in sessions and bursts, so an account's exchanges clump in hours even
against the group's own day; accounts fed by one queue do not (chi2/df near 1.0 in an account x hour table, where
unrelated heavy clients give 1.3 and more: design section 5, statistic B). Null model: the exchanges of at least two
thirds of the accounts, with any template or none, are clumped by a factor of at least `CLUMPED`, and those that are
looked at are chosen from them at random (Dirichlet-multinomial over the hours they were active). A tenth of a clumped
stream is clumped by a tenth as much: users of one template who ask it once in a while all look smooth.

Sees: queues dealt over a pool, whatever the dispatch (random, least recently used, hashed).
Works badly: under some ten exchanges an account, where these are a small part of what the account does (below a
twentieth nothing is said), and for accounts burnt within a day; fleets of machines with smooth clocks and people in
one time zone with even habits look alike, so it never stands alone.
Evaded by: working each account in sessions, which costs the attacker throughput per account (idle accounts).
"""

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.dirichlet_multinomial import log_likelihoods
from stillwatch.campaigns.grouped_rows import numbered_as_met
from stillwatch.campaigns.mixture import Verdict, dealt_test
from stillwatch.campaigns.sample import HOUR_US, GroupSample

CLUMPED = 1.3
LEAST_LIFE = 24
"""Hours. An account seen in one sitting would otherwise be a perfect share of its own sitting's stream."""
DISPERSIONS = np.array([1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 200.0, 1000.0])


def common_stream_test(sample: GroupSample) -> Verdict:
    """E-value against customers with a rhythm of their own, on the held-out half.

    `CLUMPED` and `DISPERSIONS` are of the held-out half of all that an account does.
    """
    hour = _hours(sample)
    n_hours = int(hour.max()) + 1
    first, last = _lifetimes(sample, n_hours)
    per_head = (np.bincount(hour[~sample.held_out], minlength=n_hours) + 0.5) / _living(first, last, n_hours)
    cumulative = np.concatenate([[0.0], np.cumsum(per_head)])
    # An account cannot be active before it exists: its base is one head's share within its own lifetime.
    inside = cumulative[last + 1] - cumulative[first]
    tested = sample.held_out
    account, cell_hour, count = _cells(sample.entity[tested], hour[tested], n_hours)
    base = per_head[cell_hour] / inside[account]
    totals = np.bincount(sample.entity[tested], minlength=sample.n_entities).astype(np.float64)
    likelihood = log_likelihoods(account, count, base, _precisions(totals, sample.part))
    return dealt_test(likelihood, DISPERSIONS >= CLUMPED)


def dispersion(sample: GroupSample) -> float:
    """Pearson chi2/df of the group's account x hour table (all exchanges), for the report."""
    hour = _hours(sample)
    n_hours = int(hour.max()) + 1
    account, cell_hour, count = _cells(sample.entity, hour, n_hours)
    row, column = np.bincount(sample.entity), np.bincount(hour)
    # The squares over what is expected, where there is anything; all that is expected where there is nothing.
    squares = (count**2 / row[account] / column[cell_hour]).sum()
    freedom = max((int((row > 0).sum()) - 1) * (int((column > 0).sum()) - 1), 1)
    return float((squares - 1.0) * len(hour) / freedom)


def _hours(sample: GroupSample) -> NDArray[np.int64]:
    """Clock hours, counted from the group's first: the first exchange must not decide where hours begin."""
    hour = sample.ts // HOUR_US
    return np.asarray(hour - hour.min(), dtype=np.int64)


def _cells(
    entity: NDArray[np.int64], hour: NDArray[np.int64], n_hours: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Account and hour of each cell of the account x hour table that is not empty, and the exchanges in it."""
    number, first = numbered_as_met(entity * n_hours + hour)
    return entity[first], hour[first], np.bincount(number).astype(np.float64)


def _lifetimes(sample: GroupSample, n_hours: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last hour of each account's life, which is at least `LEAST_LIFE`: one sitting is no life."""
    begin = int(sample.ts.min()) // HOUR_US
    first = np.clip(sample.span[:, 0] // HOUR_US - begin, 0, n_hours - 1)
    last = np.clip(sample.span[:, 1] // HOUR_US - begin, 0, n_hours - 1)
    missing = np.maximum(LEAST_LIFE - (last - first + 1), 0)
    last = np.minimum(last + missing, n_hours - 1)
    return np.clip(first, 0, np.maximum(last - LEAST_LIFE + 1, 0)), last


def _living(first: NDArray[np.int64], last: NDArray[np.int64], n_hours: int) -> NDArray[np.float64]:
    """Accounts between their first and last exchange in each hour, at least 1: a stream is dealt among those."""
    change = np.bincount(first, minlength=n_hours + 1) - np.bincount(last + 1, minlength=n_hours + 1)
    return np.maximum(np.cumsum(change)[:n_hours], 1).astype(np.float64)


def _precisions(totals: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision c at which counts of n draws are dispersed by phi: phi = (n + c) / (1 + c).

    Of an account whose stream is dispersed by D, a part chosen at random is dispersed by 1 + part (D - 1) only (Cox &
    Isham, Point Processes, 1980, section 4.3).
    """
    n = np.maximum(totals, 1.0)[:, None]
    phi = 1.0 + part[:, None] * (DISPERSIONS[None, :] - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        c = (n - phi) / (phi - 1.0)
    # n draws cannot be dispersed by more than n: below that the clumping is complete.
    return np.where(phi == 1.0, np.inf, np.maximum(c, 1e-3))
