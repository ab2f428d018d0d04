"""Conversations as arrays: which turn opens one, which earlier question comes again."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]


def draws(rng: np.random.Generator, size: int) -> Words:
    """Fresh draws for recipes."""
    return rng.integers(0, 2**64, size, dtype=np.uint64)


def scramble(left: Words, right: Words | int) -> Words:
    """A hash of two numbers, elementwise (finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        z = left * np.uint64(0x9E3779B97F4A7C15) + (
            np.asarray(right, np.uint64) ^ np.uint64(0xBB67AE8584CAA73B)
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = z ^ (z >> np.uint64(31))
    return mixed


def openings(session: Ints) -> Ints:
    """The place of the first turn of each turn's conversation; turns of one stand together, in order."""
    size = len(session)
    place = np.arange(size)
    first = np.ones(size, bool)
    first[1:] = session[1:] != session[:-1]
    opened: Ints = np.maximum.accumulate(np.where(first, place, 0))
    return opened


def turns_of(session: Ints) -> Ints:
    """The place of each turn in its conversation, from 0; turns of one stand together, in order."""
    return np.arange(len(session)) - openings(session)


def rank_within(group: Ints) -> Ints:
    """How many entries of the same group stand before each entry."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    place = np.arange(len(group))
    begin = np.ones(len(group), bool)
    begin[1:] = ordered[1:] != ordered[:-1]
    rank = np.empty(len(group), np.int64)
    rank[order] = place - np.maximum.accumulate(np.where(begin, place, 0))
    return rank


def earlier(person: Ints, again: NDArray[np.bool_], uniform: Floats) -> Ints:
    """For each question the one that is asked: itself, or where `again` any earlier one of the same person.

    Args:
        person: int64 [n], questions in the order of time within a person.
        again: bool [n]; a person's first question is never a repeat.
        uniform: float64 [n] of [0, 1).
    """
    order = np.argsort(person, kind="stable")
    rank = rank_within(person)
    source = np.arange(len(person))
    back = np.zeros(len(person), np.int64)
    back[order] = np.arange(len(person))  # place in `order`
    repeats = np.flatnonzero(again & (rank > 0))
    chosen = back[repeats] - rank[repeats] + (uniform[repeats] * rank[repeats]).astype(np.int64)
    source[repeats] = order[chosen]
    # A repeat of a repeat is a repeat of the first; pointers only lead back, so this ends.
    while not np.array_equal(source, source[source]):
        source = source[source]
    return source


def falling(count: Ints | int, uniform: Floats) -> Ints:
    """Places 0..count-1 whose weights fall as 1, 1/2, 1/3 ... (nearly: log(1 + 1/place))."""
    high = np.asarray(count)
    place: Ints = np.minimum((high + 1.0) ** uniform - 1, high - 1).astype(np.int64)
    return place
