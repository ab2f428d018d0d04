"""Who answers for an account: accounts that rare shared values hold together have one owner.

Unrelated customers are independent of each other; the colleagues of one firm are not. They work off one queue in the
same hours with the same program, as one hand's bought accounts do, so evidence that counts colleagues one by one grows
with the number of firms that use one product, though each of them is a customer of its own. Where ties hold a group as
a whole together, or accounts of different owners were opened in the same hours, that is evidence itself
(co_occurrence). Where it falls apart into owners and half of its accounts have colleagues, its families of evidence are
asked of accounts and of owners, and the smaller e-value counts: do *they* share a stream, a task pool, a mix?

Sees: firms behind one product, whose hours differ. Works badly: where a group has fewer than some ten owners, each of
which says little by itself. So it gives an attacker a hiding place: up to ten cells, each with one card or domain for
many accounts, with networks that never cross and registrations spread over weeks, pass for ten firms.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.co_occurrence import CONNECTED_BY, OWNED_BY, AttributeModels, held_rare_values
from stillwatch.campaigns.grouped_rows import numbered_as_met
from stillwatch.campaigns.sample import GroupSample
from stillwatch.exchange.disjoint_sets import connected

IntArray = NDArray[np.int64]

CONNECTED = 0.7
"""Least part of a group that its ties must hold together to be one hand's. In laboratory worlds: bought accounts 0.79
to 1, and several firms with one product (outsourcing, enterprises) 0.07 to 0.39, build pipelines up to 0.67."""


def owners(entities: IntArray, models: AttributeModels) -> IntArray:
    """Number of the owner of each entity, 0, 1, ...: who pays with one instrument or has one domain has one owner.

    An address is no owner: a campus or a carrier has thousands behind one.

    Args:
        entities: numbers (`Attributes.numbers_of`), shape (n,).
        models: attributes of all entities.
    """
    return _held_together(entities, models, OWNED_BY)


def connected_share(entities: IntArray, models: AttributeModels) -> float:
    """Largest part of a group that rare shared values of any kind in `CONNECTED_BY` hold together.

    One hand's cards, networks and domains cross-cut, so its accounts hang together through them. Several firms that
    use one product are as strongly tied, each to itself: the group falls apart into firms.

    Args:
        entities: numbers (`Attributes.numbers_of`), shape (n,).
        models: attributes of all entities.
    """
    held = _held_together(entities, models, CONNECTED_BY)
    return float(np.bincount(held).max()) / len(held) if len(held) else 0.0


def _held_together(entities: IntArray, models: AttributeModels, kinds: Collection[str]) -> IntArray:
    """Connected components over rare values; who holds none is one by itself."""
    place = np.flatnonzero(entities >= 0)
    row, held = held_rare_values(entities[place], models, kinds)
    value, first = numbered_as_met(held)
    # Everybody with the first who holds the value: a value that many hold makes no more ties than it has holders.
    return numbered_as_met(connected(place[row], place[row][first][value], len(entities)))[0]


def colleagues(owner: IntArray) -> bool:
    """Whether half of the accounts share their owner with another. A few strangers with one small mail provider are
    independent customers all the same.

    Args:
        owner: shape (n,), see `owners`.
    """
    return bool(2 * (np.bincount(owner)[owner] > 1).sum() >= len(owner))


def one_each(owner: IntArray) -> IntArray:
    """Places of one account of each owner, ascending."""
    return np.sort(np.unique(owner, return_index=True)[1]).astype(np.int64)


def by_owner(sample: GroupSample, owner: IntArray) -> GroupSample:
    """The same exchanges, with owners in place of entities.

    Args:
        sample: the group's exchanges.
        owner: shape (n_entities,), see `owners`.
    """
    present, number = np.unique(owner, return_inverse=True)
    first = np.full(len(present), np.iinfo(np.int64).max)
    last = np.full(len(present), np.iinfo(np.int64).min)
    np.minimum.at(first, number, sample.span[:, 0])
    np.maximum.at(last, number, sample.span[:, 1])
    return replace(
        sample,
        n_entities=len(present),
        entity=number[sample.entity],
        span=np.stack([first, last], axis=1),
        exposure=np.asarray(np.bincount(number, sample.exposure), dtype=np.float64),
    )
