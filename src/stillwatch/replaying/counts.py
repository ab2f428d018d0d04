"""Sums by key, and names in order, that a slice adds to at the price of the slice and of the day, not of the month."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Counts:
    """Two sums a key.

    Keys from before the day stand where they stood; new ones are inserted among those of the day.

    Args:
        keys: distinct keys of before, in any order.
        sums: shape (n_keys, 2).
    """

    def __init__(self, keys: Ints, sums: Ints) -> None:
        order = np.argsort(keys)
        self._held_keys, self._held = keys[order], sums[order]
        self._new_keys, self._new = np.zeros(0, np.int64), np.zeros((0, 2), np.int64)

    @property
    def keys(self) -> Ints:
        """All keys, shape (n_keys,): in order those of before, and in order the new ones."""
        return np.concatenate([self._held_keys, self._new_keys])

    @property
    def sums(self) -> Ints:
        """Sums of `keys`, shape (n_keys, 2)."""
        return np.concatenate([self._held, self._new])

    def add(self, keys: Ints, sums: Ints) -> Ints:
        """Add rows; a key may come more than once.

        Args:
            keys: shape (n,).
            sums: shape (n, 2).

        Returns:
            Keys that were not known, in order.
        """
        distinct, place = np.unique(keys, return_inverse=True)
        total = np.zeros((len(distinct), 2), np.int64)
        np.add.at(total, place, sums)
        at, known = found(self._held_keys, distinct)
        self._held[at[known]] += total[known]
        distinct, total = distinct[~known], total[~known]
        at, known = found(self._new_keys, distinct)
        self._new[at[known]] += total[known]
        self._new_keys = np.insert(self._new_keys, at[~known], distinct[~known])
        self._new = np.insert(self._new, at[~known], total[~known], axis=0)
        return distinct[~known]

    def contains(self, keys: Ints) -> NDArray[np.bool_]:
        """Whether each key is known."""
        return found(self._held_keys, keys)[1] | found(self._new_keys, keys)[1]


class InOrder:
    """A growing list of distinct names in order of name."""

    def __init__(self) -> None:
        self._names: NDArray[np.str_] = np.zeros(0, np.str_)
        self._numbers: Ints = np.zeros(0, np.int64)

    def of(self, names: list[str]) -> tuple[NDArray[np.str_], Ints]:
        """The names in order, and the place of each among them.

        Args:
            names: those of the last call, and maybe more after them.
        """
        first = len(self._names)
        if len(names) > first:
            fresh = np.array(names[first:], dtype=np.str_)
            order = np.argsort(fresh)
            at = np.searchsorted(self._names, fresh[order])
            wide = self._names.astype(np.promote_types(self._names.dtype, fresh.dtype), copy=False)
            self._names = np.insert(wide, at, fresh[order])
            self._numbers = np.insert(self._numbers, at, first + order)
        place = np.empty(len(self._numbers), dtype=np.int64)
        place[self._numbers] = np.arange(len(place))
        return self._names, place


def found(ordered: Ints, keys: Ints) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each key stands, or would stand, in ascending keys; and whether it is there."""
    at = np.searchsorted(ordered, keys)
    known = at < len(ordered)
    known[known] = ordered[at[known]] == keys[known]
    return at, known
