"""Can an account of a clean campaign be told from an innocent one by its metadata alone?

It must not be: whoever could do that would not need to find campaigns, and a detector that did it would have
learnt our laboratory. A campaign of clean infrastructure pretends two things, and each is compared with those
whom it imitates:

* as callers, its accounts are programs: compared with innocent accounts that call with the same programs and
  send about as much;
* as customers, they are private people: who pays, from where, since when. Compared with the chat users (no
  students at one university, nobody who is there for his VPN).

Features that follow from what such a campaign does (it works by day and night, asks for long answers) are
named with their reason; what is left over must not tell anything. Innocent programs of one population share a
fold: otherwise the classifier would know a fleet by its siblings, and the campaign by being none of them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.behaviour.clocks import Floats, Ints
from stillwatch.lab.honesty.features import AccountFeatures, account_features
from stillwatch.lab.honesty.separation import separate

Bools = NDArray[np.bool_]

ALLOWED_AUC = 0.65
_MATCHES = 3
_FEWEST_ACCOUNTS = 60  # fewer tell nothing: the interval would be wider than what is allowed
_MOST_ACCOUNTS = 150
_PEOPLE = "chat_users"
# Matched accounts send at most so many times as much, or as little. People send less than programs.
_CLOSE = {"programs": 1.6, "people": 5.0}

_ALONE = "tasks stand alone and are all of one kind: no conversation, no attached context, no tools"
_LONG = "what trains a model is asked in full and answered at length"
_HOURS = "a pool works by day and night, for the days that the campaign lasts"
_BEST = "only the best models are worth distilling, and they think"
_PROXIES = "a third of its accounts call through rotating residential proxies"

CONDUCT = {
    "active_hours": _HOURS,
    "active_days": _HOURS,
    "weekend": _HOURS,
    "night": _HOURS,
    "agents": _HOURS + ": fewer updates of the program fall into them",
    "gap_spread": "a balancer spaces an account's requests evenly",
    "prompt_length": _LONG,
    "answer_length": _LONG,
    "output_tokens": _LONG,
    "cut_short": _LONG + ": it meets the client's limit more often",
    "prompt_spread": _ALONE,
    "input_tokens": _ALONE,
    "input_spread": _ALONE,
    "output_spread": _ALONE,
    "cached": _ALONE,
    "messages": _ALONE,
    "tools": _ALONE,
    "end_users": _ALONE,
    "system_prompt": "teacher templates may carry a system prompt",
    "large_model": _BEST,
    "models": _BEST,
    "reasoning": _BEST,
    "program_sharing": "it calls with the program that most others have",
    "addresses": _PROXIES,
    "address_sharing": _PROXIES,
    "prefix_sharing": _PROXIES,
    "age_days": "its accounts are bought with an age before the campaign begins",
    "banned": "bans answer the campaign",
    "no_payment": "there is a card for each account, none is on free credit",
}
"""Features that the conduct itself explains, with the reason."""

CUSTOMER = (
    "age_days",
    "banned",
    "addresses",
    "address_sharing",
    "prefix_sharing",
    "card_sharing",
    "domain_sharing",
    "verified",
    "no_payment",
    "no_domain",
    "in_program",
    "declared",
    "most_common_country",
    "keys",
    "account_name",
    "account_name_length",
    "key_name_length",
    "card_name_length",
)
"""Features of whoever pays; all others are of the calls."""


@dataclass(frozen=True)
class Feature:
    """One feature by itself.

    Attributes:
        name: as in features.py.
        auc: area under the ROC curve, folded to 0.5..1.
        compared_with: "programs" or "people".
        reason: why the conduct explains it; empty where it does not.
    """

    name: str
    auc: float
    compared_with: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Accounts of clean campaigns against those whom they imitate.

    Attributes:
        compared_with: "programs" or "people".
        auc: with every feature; may be large, as far as conduct explains it.
        left_over: with the features that conduct does not explain; at most ALLOWED_AUC is wanted.
        low: lower end of the 95 % interval of `left_over`.
        high: upper end.
        features: each by itself, the strongest first.
        accounts: accounts of clean campaigns that were compared.
    """

    compared_with: str
    auc: float
    left_over: float
    low: float
    high: float
    features: tuple[Feature, ...]
    accounts: int

    @property
    def passed(self) -> bool:
        """Whether nothing is left over."""
        return self.left_over <= ALLOWED_AUC


def check_metadata(world: Path, campaigns: tuple[str, ...], seed: int = 1) -> tuple[Comparison, Comparison]:
    """The check on a simulated world: with programs, with people.

    Args:
        world: folder that `lab simulate` wrote.
        campaigns: names of its campaigns with clean infrastructure.
        seed: of the matching and of the folds.

    Raises:
        UsageError: where these campaigns have too few accounts to compare.
    """
    found = account_features(world, campaigns)
    programs = np.isin(found.program, found.program[found.wanted]) & (found.stratum != _PEOPLE)
    people = found.stratum == _PEOPLE
    calls = tuple(name for name in found.names if name not in CUSTOMER)
    rng = np.random.Generator(np.random.PCG64(seed))
    return (
        _compare(found, programs, ("programs", calls), rng),
        _compare(found, people, ("people", CUSTOMER), rng),
    )


def _compare(
    found: AccountFeatures, like: Bools, what: tuple[str, tuple[str, ...]], rng: np.random.Generator
) -> Comparison:
    """The wanted accounts against the innocent ones among `like`, by the named features."""
    compared = np.flatnonzero(found.wanted | (like & ~found.hostile))
    place, pair = _matched(
        found.wanted[compared], np.log(found.requests[compared]), np.log(_CLOSE[what[0]]), rng
    )
    rows = compared[place]
    label = found.wanted[rows]
    if label.sum() < _FEWEST_ACCOUNTS:
        raise UsageError(
            f"only {int(label.sum())} accounts of the clean campaigns have a match among {what[0]}, "
            f"{_FEWEST_ACCOUNTS} are needed",
            "Simulate a larger scale, or name other campaigns.",
        )
    owner = pair if what[0] == "people" else _owners(found.stratum[rows], label)
    single = np.arange(len(rows))  # volume is no feature: half a pair teaches nothing of the other half
    table = found.values[rows][:, [found.names.index(name) for name in what[1]]]
    left = [number for number, name in enumerate(what[1]) if name not in CONDUCT]
    every = separate(table, label, owner, rng, twin=single)
    rest = separate(table[:, left], label, owner, rng, twin=single)
    order = np.argsort(every.single, kind="stable")[::-1].tolist()
    features = tuple(
        Feature(what[1][n], every.single[n], what[0], CONDUCT.get(what[1][n], "")) for n in order
    )
    return Comparison(what[0], every.auc, rest.auc, rest.low, rest.high, features, int(label.sum()))


def _owners(stratum: NDArray[np.str_], hostile: Bools) -> Ints:
    """Innocent accounts by their population; hostile ones by themselves."""
    _, number = np.unique(stratum, return_inverse=True)
    owners: Ints = np.where(hostile, len(number) + np.arange(len(number)), number)
    return owners


def _matched(hostile: Bools, size: Floats, close: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Some hostile accounts, each with up to _MATCHES innocent ones whose sizes differ by `close` at most."""
    free = rng.permutation(np.flatnonzero(~hostile))
    wanted = rng.permutation(np.flatnonzero(hostile))[:_MOST_ACCOUNTS]
    rows: list[int] = []
    pair: list[int] = []
    for _ in range(_MATCHES):  # everybody gets a first one before anybody gets a second one
        for account in wanted.tolist():
            near = np.flatnonzero(np.abs(size[free] - size[account]) <= close)[:1]
            rows += free[near].tolist()
            pair += [account] * len(near)
            free = np.delete(free, near)
    matched = np.unique(np.array(pair, np.int64))
    return np.concatenate([matched, np.array(rows, np.int64)]), np.concatenate(
        [matched, np.array(pair, np.int64)]
    )
