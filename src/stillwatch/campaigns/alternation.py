"""Alternation (family A): do the accounts take turns?

What should move: a balancer that hands each request to the account that waited longest makes accounts alternate:
between two turns of one account every other account has exactly one. The statistic is the share of such cases among
all (gap of one account, other account alive through it); accounts on their own give about 1/4 (the turns of two
independent streams are coin tosses), clumped ones less. Null model: each account keeps its own intervals to the
second and the day that everybody lives in, but knows nothing of the others, so its whole trace may be shifted by
some hours against theirs. Jobs by the clock, which alternate perfectly without being dealt out, do so after the
shift as well. Fixed-period fleets therefore count against a group, not for it.

E-value: accounts are split into sets of about `SET`; in each, exp(z) of the observed share over its mean across the
observed and the shifted traces (a permutation e-value: Koning 2024, "Post-hoc and anytime valid permutation and
group invariance testing"); sets hold different accounts, so their e-values multiply. Where a set alternates less
than `LEAST_SHARE`, or hardly more than after shifts, its e-value is cut to 1: people of one time zone get a little
above their shifts, because a shift blurs the morning.
Sees: least-recently-used and round-robin dealing, in a few turns an account. Works badly: for accounts whose turns
are farther apart than the largest shift (three hours), below eight turns, and where fewer than half of the exchanges
were sampled (at 50% a pool keeps 6 of its 9 decades, at 30% nothing). Blind to random, hashed, sticky and
power-of-two dealing. Evaded by dealing at random, which costs nothing, or by jitter of a few turns' length: the
family is a bonus against stock load balancers and stands for no recall. A fleet that one scheduler works through in
order is truly one hand's, and is found: coordinated is not hostile.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.sample import HOUR_US, GroupSample
from stillwatch.campaigns.shifted_turns import shifted_cases
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.turns import cases

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SET = 20
MOST_SETS = 12
SHIFTS = 199
LEAST_TURNS = 8
LEAST_CASES = 200
LEAST_SHARE = 0.4
LEAST_GAIN = 0.02
SHORTEST_SHIFT, LONGEST_SHIFT = HOUR_US // 2, 3 * HOUR_US


@dataclass(frozen=True)
class Alternation:
    """Outcome for one group.

    Attributes:
        log_e: natural logarithm of the e-value against accounts that know nothing of each other.
        share: share of cases in which the other account had exactly one turn; 0 where there is none.
        expected: the same after shifts.
        n_cases: cases counted.
        shares: shape (n_entities,), share of each account's own gaps' cases; NaN where it was not tested.
    """

    log_e: float
    share: float
    expected: float
    n_cases: int
    shares: Floats


def alternation_test(sample: GroupSample, seed: int = 0) -> Alternation:
    """Test whether a group's accounts take turns.

    Nothing is fitted, so all exchanges are used, of either half.

    Args:
        sample: the group's exchanges.
        seed: of the shifts.
    """
    rng = np.random.default_rng(seed)
    shares = np.full(sample.n_entities, np.nan)
    longest = _longest_shift(sample)
    log_e, once, shifted, n_cases = 0.0, 0.0, 0.0, 0
    for members in _sets(sample):
        inside = np.isin(sample.entity, members)
        account = np.searchsorted(members, sample.entity[inside])
        found = _set_test(account, sample.ts[inside], longest, rng)
        if found is None:
            continue
        shares[members] = found.shares
        log_e += found.log_e
        once += found.share * found.n_cases
        shifted += found.expected * found.n_cases
        n_cases += found.n_cases
    weight = max(n_cases, 1)
    return Alternation(log_e, once / weight, shifted / weight, n_cases, shares)


def words(found: Alternation) -> Finding:
    """The finding in words."""
    text = (
        f"between two turns of one account, another account has exactly one turn in {found.share:.0%} of the cases; "
        f"the same traces, shifted against each other by hours, give {found.expected:.0%}, independent ones about 25%"
        if found.n_cases
        else "too few turns to tell whether the accounts alternate"
    )
    return Finding(
        Rung.COORDINATED,
        "alternation",
        "share of gaps in which another account has exactly one turn",
        found.share if found.n_cases else None,
        found.expected if found.n_cases else None,
        found.n_cases,
        found.log_e,
        "each account keeps its own intervals and knows nothing of the others' turns",
        text,
    )


def _sets(sample: GroupSample) -> list[Ints]:
    """Accounts with enough turns in sets that lived at about the same time, each sorted."""
    turns = np.bincount(sample.entity, minlength=sample.n_entities)
    able = np.flatnonzero(turns >= LEAST_TURNS)
    if len(able) < 2:
        return []
    first = np.full(sample.n_entities, np.iinfo(np.int64).max)
    np.minimum.at(first, sample.entity, sample.ts)
    # Accounts of one morning in any order: who comes first within hours is part of what is tested.
    ordered = able[np.argsort(first[able] // (2 * LONGEST_SHIFT), kind="stable")]
    parts = np.array_split(ordered, max(1, round(len(able) / SET)))
    # Of a large pool, sets from its whole life.
    chosen = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), MOST_SETS)).round().astype(np.int64))
    return [np.sort(parts[place]) for place in chosen]


def _longest_shift(sample: GroupSample) -> float:
    """Two usual gaps of an account, within limits."""
    order = np.lexsort((sample.ts, sample.entity))
    entity, ts = sample.entity[order], sample.ts[order]
    gaps = np.diff(ts)[entity[1:] == entity[:-1]]
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    return float(np.clip(2 * usual, SHORTEST_SHIFT, LONGEST_SHIFT))


def _set_test(account: Ints, ts: Ints, longest: float, rng: np.random.Generator) -> Alternation | None:
    """The test of one set; None where it has too few cases."""
    n = int(account.max()) + 1
    observed = cases(account[np.argsort(ts, kind="stable")], n)
    totals = observed.sum(axis=0)
    if totals[1] < LEAST_CASES:
        return None
    share = totals[0] / totals[1]
    values = np.empty(SHIFTS + 1)
    values[0] = share
    shifts = rng.uniform(-longest, longest, (SHIFTS, n))
    order = np.argsort(account, kind="stable")
    starts = np.searchsorted(account[order], np.arange(n + 1)).astype(np.int64)
    once, of = shifted_cases(ts.astype(np.float64), order, starts, shifts).T
    values[1:] = once / np.maximum(of, 1)
    expected = float(values[1:].mean())
    own = np.divide(observed[:, 0], observed[:, 1], out=np.full(n, np.nan), where=observed[:, 1] > 0)
    log_e = _permutation_log_e(values)
    if share < LEAST_SHARE or share < expected + LEAST_GAIN:
        log_e = min(log_e, 0.0)
    return Alternation(log_e, float(share), expected, int(totals[1]), own)


def _permutation_log_e(values: Floats) -> float:
    """ln of exp(z) of the first value over its mean over all: at most ln(number of values)."""
    spread = float(values.std())
    # All alike up to rounding: what is left must not be blown up to a deviation.
    if spread < 1e-9:
        return 0.0
    z = (values - values.mean()) / spread
    return float(z[0] - np.log(np.exp(z).mean()))
