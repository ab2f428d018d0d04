"""How sure we are of each account of a group.

Each family's test also gives a likelihood ratio per account (dealt against innocent). They are joined as naive
Bayes on prior odds from how often the account used the group's templates. An account that only strays into them (a
researcher who uses the same public template) differs in how often it does, in its loyalty to one template, in its
rhythm, in its settings (`dealt_mix.py`), or in being tied to nobody.

A declared organisation is coordinated in the open. That it does the same work in the same templates, smoothly and
without repeats, is what its declaration explains; it is a member only where it shares a payment instrument, an
address or the like with the other members.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit, logsumexp

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEAST, MOST = -20.0, 3.0
"""Bounds of a family's say on one account: none convicts alone, but one can clear."""
TIED, UNTIED = 2.0, -1.0
LOW_SHARE, LOW_RATIO = 0.1, -8.0
STRAY_GOES_ON = 1 / 3
"""How likely a stray user of a template, seen n times, is seen once more (most try a prompt once or twice)."""
_PRIOR_RANGE = (-5.0, 3.5)
STRAY_PART = (0.5, 4.5)
"""Beta law of the part of a stray's exchanges that a template it tried takes: a tenth on average."""
WHOLE = 0.05
"""How many strays do nothing else."""


def member_probabilities(prior: FloatArray, ratios: Mapping[str, FloatArray]) -> FloatArray:
    """Probability of each account to belong to the group, shape (n_entities,).

    Args:
        prior: natural logarithms of prior odds (`use_odds`).
        ratios: natural logarithms of likelihood ratios by family, each shape (n_entities,).
    """
    total = joined_ratios(ratios, len(prior))
    return np.asarray(expit(np.clip(prior, *_PRIOR_RANGE) + total), dtype=np.float64)


def joined_ratios(ratios: Mapping[str, FloatArray], n: int) -> FloatArray:
    """Sum of the families' log ratios, each within its bounds, shape (n,)."""
    return np.asarray(sum((np.clip(ratio, LEAST, MOST) for ratio in ratios.values()), np.zeros(n)))


def use_odds(uses: FloatArray, n_single: int) -> FloatArray:
    """Prior odds (natural logarithm) of each account from how often it used the group's templates.

    Strays are counted where they show: among all the accounts that used the templates just once. Strays go on
    geometrically; how often a member is seen is spread evenly over the orders of magnitude, since members are
    banned and replaced at any time.

    Args:
        uses: exchanges of each account of the group in its templates, at least 1.
        n_single: accounts in the whole dataset that used them exactly once.
    """
    most = max(float(uses.max(initial=1.0)), 3.0)
    member = 1.0 / (uses * np.log(most))
    members_seen = max(float((uses >= 3).sum()), 1.0)
    expected_singles = members_seen / np.log(most)
    strays = max(n_single - expected_singles, 0.0) / (1 - STRAY_GOES_ON) + 0.05
    log_stray = np.log(1 - STRAY_GOES_ON) + (uses - 1) * np.log(STRAY_GOES_ON)
    return np.asarray(np.log(members_seen * member) - np.log(strays) - log_stray)


def share_ratios(uses: FloatArray, totals: FloatArray) -> FloatArray:
    """An account that gives the group far less of its traffic than the others do speaks against itself.

    Args:
        uses: exchanges of each account in the group's templates.
        totals: all exchanges of each account.
    """
    share = uses / np.maximum(totals, 1.0)
    order = np.argsort(share)
    # Weighted by use, so that strays, who use little, do not set the scale.
    place = int(np.searchsorted(np.cumsum(uses[order]), LOW_SHARE * uses.sum()))
    least = share[order[min(place, len(order) - 1)]] / 4
    return np.asarray(np.clip(2.0 * np.log(share / least), LOW_RATIO, 0.0))


def declared_ratios(declared: BoolArray, tied: Mapping[str, BoolArray]) -> FloatArray:
    """Declared organisations are cleared unless they share a tied value with the other members.

    Args:
        declared: shape (n_entities,); whether the entity is a declared organisation.
        tied: kind of attribute that ties the group -> whether each shares a value with another, shape (n_entities,).
    """
    holders = np.zeros(len(declared), dtype=bool)
    for sharing in tied.values():
        holders |= sharing
    return np.where(declared & ~holders, LEAST, 0.0)


def part_ratios(uses: FloatArray, totals: FloatArray, weight: FloatArray, asked: BoolArray) -> FloatArray:
    """Do some accounts give the templates the part of their exchanges that a member gives, or that a stray does?

    Beta-binomial likelihoods: a member's part is like that of one of the members, a stray's is small, or (`WHOLE`)
    it does nothing else either.

    Args:
        uses: exchanges of each account in the group's templates.
        totals: all exchanges of each account.
        weight: probability of each to be a member by other evidence; of those that are none, 0.
        asked: which accounts are asked about, shape as of the others.

    Returns:
        Natural logarithms of likelihood ratios, shape (accounts asked about,).
    """
    uses = np.minimum(uses, totals)
    if not weight.any():
        return np.zeros(int(asked.sum()))
    of_members = np.round((uses + 0.5) / (totals + 1.0), 2)
    parts, place = np.unique(of_members, return_inverse=True)
    mass = np.bincount(place.reshape(-1), weights=weight)
    uses, totals = uses[asked], totals[asked]
    parts = np.clip(parts, 0.005, 0.995)
    terms = uses[:, None] * np.log(parts) + (totals - uses)[:, None] * np.log1p(-parts)
    with np.errstate(divide="ignore"):
        member = logsumexp(terms + np.log(mass / mass.sum()), axis=1)
    rest = totals - uses
    stray = np.log1p(-WHOLE) + betaln(uses + STRAY_PART[0], rest + STRAY_PART[1]) - betaln(*STRAY_PART)
    return np.asarray(member - np.logaddexp(stray, np.where(rest == 0, np.log(WHOLE), -np.inf)))


def part_odds(ratio: FloatArray) -> float:
    """Prior odds (natural logarithm) of those outside a tested group, by EM over them all.

    Half a stray more than were seen is counted, so that a single newcomer is not taken for granted.

    Args:
        ratio: natural logarithms of the likelihood ratio of each, shape (n,).
    """
    part = 0.5
    for _ in range(50):
        belongs = expit(ratio + np.log(part) - np.log1p(-part))
        part = float(np.clip(belongs.sum() / (len(ratio) + 0.5), 1e-4, 1 - 1e-4))
    return float(np.log(part) - np.log1p(-part))


def tie_ratios(tied: Mapping[str, BoolArray], n: int) -> FloatArray:
    """For groups that attributes tie: members share them, strays do not.

    Args:
        tied: kind of attribute that ties the group -> whether each entity shares a value with another, shape (n,).
        n: number of entities.
    """
    return sum((np.where(sharing, TIED, UNTIED) for sharing in tied.values()), start=np.zeros(n))
