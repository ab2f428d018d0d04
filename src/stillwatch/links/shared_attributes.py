"""Does a group of accounts share a value of one kind beyond chance? The group-level test of the links.

For each value the number of group entities that have it is Poisson-binomial under the bipartite configuration
model. The rarest finding is corrected for all values of the kind that could have been it, not only for those
that turned up: a kind with a million values has one that looks rare in any group. Values too rare to ever
give so small a p-value do not count against it (Tarone, Biometrics 46, 515, 1990).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillwatch.exchange.numbering import numbered
from stillwatch.links.bicm import BipartiteModel
from stillwatch.links.incidence import Incidence
from stillwatch.links.poisson_binomial import log_tails, log_tails_of_laws

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_EXACT_DEGREE = 64
"""Values with at most so many holders are counted by their exact laws, others by the bound."""
_EXACT_CLASSES = 512
_RANKED = 32
"""Values whose exact tail is computed, best first by the Poisson approximation."""
_LOG_FLOOR = -650.0
LEAST_LIFT = 3.0
"""A tie is a value at least so much more common inside the group than outside: in a group of freemail users
everybody has the popular provider, which is no tie however many they are."""
RARE = 0.05
"""Largest part of all entities that may hold a value which is counted as rare."""


@dataclass(frozen=True)
class SharedValue:
    """One value that the group shares.

    Attributes:
        value: its name.
        holders: entities of the group that have it.
        degree: entities that have it in the whole dataset.
        expected: holders that the null expects in such a group.
        log_p_single: ln P(holders or more), for this value alone.
        log_p: the same corrected for every value of the kind.
        number: number of the value in its incidence.
    """

    value: str
    holders: int
    degree: int
    expected: float
    log_p_single: float
    log_p: float
    number: int


@dataclass(frozen=True)
class SharedAttribute:
    """Result of the test for one kind.

    Attributes:
        kind: name of the kind.
        log_p: natural logarithm of a valid p-value of "the group is tied by this kind"; 0 says nothing.
        shared: values that at least two of the group have and that are tied to it, best first, at most 32.
        n_rare: rare values that at least two of the group have.
        expected_rare: how many the null expects.
        n_tied: entities of the group that have a tied value together with another.
        n_entities: entities of the group.
        n_informed: those of them with any value of this kind.
    """

    kind: str
    log_p: float
    shared: tuple[SharedValue, ...]
    n_rare: int
    expected_rare: float
    n_tied: int
    n_entities: int
    n_informed: int


def shared_attribute_test(
    group: Sequence[int] | Ints, incidence: Incidence, model: BipartiteModel
) -> SharedAttribute:
    """Test whether a group shares values of one kind beyond the bipartite configuration model.

    Args:
        group: numbers of the group's entities, without repeats. It must not have been chosen by this kind of
            attribute: a group that was found by its shared values shares values.
        incidence: who has what, for all entities.
        model: the null fitted to `incidence`.

    Returns:
        The p-value (super-uniform under the null for a group chosen without regard to the kind) and the
        values.

    Raises:
        ValueError: an entity twice in the group, or out of range.
    """
    members = np.sort(np.asarray(group, np.int64))
    if (members[1:] == members[:-1]).any():
        raise ValueError("an entity stands in the group twice")
    if members.size and not (members[0] >= 0 and members[-1] < incidence.n_entities):
        raise ValueError("the group holds an entity that the incidence does not have")
    informed = members[incidence.entity_degrees[members] > 0]
    values, of_member = incidence.values_of(informed)
    held, place, holders, tied = _held(values, incidence, informed.size)
    n_tied = int(_holding(tied[place], of_member, informed.size).sum())
    held, holders, tied = held[holders >= 2], holders[holders >= 2], tied[holders >= 2]
    law = _GroupLaw(informed, model)
    limit = RARE * incidence.n_entities
    n_rare = int((incidence.value_degrees[held] <= limit).sum())
    expected_rare, log_p_rare = law.rare(n_rare, limit)
    shared = _best_values(held[tied], holders[tied], law, incidence) if tied.any() else ()
    best = min(min((s.log_p for s in shared), default=0.0), log_p_rare)
    log_p = float(min(0.0, best + np.log(2)))
    sizes = (n_tied, int(members.size), int(informed.size))
    return SharedAttribute(incidence.kind, log_p, shared, n_rare, expected_rare, *sizes)


def holding_tied_value(members: Ints, incidence: Incidence) -> NDArray[np.bool_]:
    """Whether each entity of a group has a value that is tied to the group (`LEAST_LIFT`) together with another.

    Args:
        members: numbers of the group's entities, distinct.
        incidence: who has what.
    """
    values, of_member = incidence.values_of(members)
    n_informed = int((incidence.entity_degrees[members] > 0).sum())
    _, place, _, tied = _held(values, incidence, n_informed)
    return _holding(tied[place], of_member, len(members))


def _held(values: Ints, incidence: Incidence, n_informed: int) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    """Distinct values among those that a group's members hold, the place of each of `values` among them, how many
    members hold each, and whether it is tied to the group."""
    held, place = numbered(values, incidence.n_values)
    holders = np.bincount(place, minlength=held.size)
    tied = (holders >= 2) & (_lift(held, holders, incidence, n_informed) >= LEAST_LIFT)
    return held, place, holders, tied


def _holding(tied: NDArray[np.bool_], of_member: Ints, n: int) -> NDArray[np.bool_]:
    """Which of n members hold a value that is tied.

    Args:
        tied: of each value that a member holds.
        of_member: whose it is, place of the member.
        n: number of members.
    """
    found = np.zeros(n, dtype=bool)
    found[of_member[tied]] = True
    return found


def _lift(held: Ints, holders: Ints, incidence: Incidence, n_group: int) -> Floats:
    """How much more common each value is inside the group than outside; infinite where nobody outside has it."""
    outside = incidence.value_degrees[held] - holders
    n_outside = max(incidence.n_informed - n_group, 1)
    with np.errstate(divide="ignore"):
        return np.asarray((holders / max(n_group, 1)) / (outside / n_outside))


@dataclass(frozen=True)
class _GroupLaw:
    """The laws of "holders in the group", one per class of values, made when they are asked for."""

    members: Ints
    model: BipartiteModel

    @cached_property
    def kinds(self) -> tuple[Ints, Ints]:
        """Entities that stand for the members who are alike in the model, and how many of these there are."""
        kind, example = self.model.kinds
        count = np.bincount(kind[self.members], minlength=len(example))
        there = np.flatnonzero(count)
        return example[there], count[there]

    def log_tails(self, classes: Ints, k: Ints) -> Floats:
        """ln P(that many members or more have a value of that class), of some classes and counts (n,)."""
        one, count = self.kinds
        return log_tails(self.model.probabilities_of_classes(one, classes), k, count)

    def _log_tails(self, classes: Ints, k: Ints) -> Floats:
        """ln P(j or more) of each class for j = 0.. up to its k, (n_classes, largest k + 1), -inf beyond."""
        one, count = self.kinds
        return log_tails_of_laws(self.model.probabilities_of_classes(one, classes), count, k)

    def expected(self, classes: Ints) -> Floats:
        """Members that are expected to have a value of each class (n_classes,)."""
        one, count = self.kinds
        return np.asarray(self.model.probabilities_of_classes(one, classes) @ count)

    @cached_property
    def attainable(self) -> tuple[int, Ints, Floats]:
        """What p-values two members or more can give: number of values of which it is not known; for the classes of the
        others their sizes (n,), and ln P(j or more) for j = 2.. (n, most), -inf where there is no such j."""
        most = np.minimum(self.model.class_degree, self.members.size)
        order = np.argsort(-self.model.class_size, kind="stable")
        order = order[most[order] >= 2]
        exact = order[most[order] <= _EXACT_DEGREE][:_EXACT_CLASSES]
        tails = np.full((exact.size, _EXACT_DEGREE - 1), -np.inf)
        if exact.size:
            found = self._log_tails(exact, most[exact])[:, 2:]
            tails[:, : found.shape[1]] = found
        unknown = int(self.model.class_size[order].sum() - self.model.class_size[exact].sum())
        return unknown, self.model.class_size[exact], tails

    def rare(self, n_shared: int, limit: float) -> tuple[float, float]:
        """Rare values that two or more are expected to share, and ln of a bound on P(n_shared or more).

        Values are independent under the model; Chernoff's bound for the Poisson law holds for sums of unequal
        coin tosses as well.
        """
        classes = np.flatnonzero((self.model.class_degree >= 2) & (self.model.class_degree <= limit))
        if classes.size == 0 or self.members.size < 2:
            return 0.0, 0.0
        twice = np.exp(self._log_tails(classes, np.full(classes.size, 2))[:, 2])
        expected = float((twice * self.model.class_size[classes]).sum())
        if n_shared <= expected:
            return expected, 0.0
        return expected, float(n_shared - expected - n_shared * np.log(n_shared / max(expected, 1e-300)))

    def corrected(self, log_p: Floats) -> Floats:
        """ln of a bound on P(any value of the kind has a p-value as small as exp(log_p)), of each log_p (n,)."""
        return np.asarray(_corrected(log_p, *self.attainable))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _corrected(log_p, unknown, sizes, tails):  # type: ignore[no-untyped-def]
    """See `_GroupLaw.corrected` and `_GroupLaw.attainable`; each row of `tails` falls."""
    found = np.empty(len(log_p))
    log_sizes = np.log(sizes.astype(np.float64))
    terms = np.empty(len(sizes) + 1)
    for number in range(len(log_p)):
        bound = log_p[number]
        terms[-1] = np.log(unknown) + bound if unknown else -np.inf
        for one in range(len(sizes)):
            terms[one] = log_sizes[one] + _largest_below(tails[one], bound)
        # The observed value is itself one that could have been it.
        found[number] = min(0.0, max(_log_sum(terms), bound))
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _largest_below(tails, log_p):  # type: ignore[no-untyped-def]
    """Largest of some falling ln P that is no more than `log_p`; -inf where there is none. Below `_LOG_FLOOR` they are
    not told apart."""
    if log_p <= _LOG_FLOOR:
        return log_p
    limit = log_p * (1 - 1e-12)
    for tail in tails:
        if tail <= limit:
            return max(tail, _LOG_FLOOR) if tail > -np.inf else -np.inf
    return -np.inf


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _log_sum(terms):  # type: ignore[no-untyped-def]
    top = terms.max()
    return top + np.log(np.exp(terms - top).sum()) if top > -np.inf else top


def _best_values(held: Ints, holders: Ints, law: _GroupLaw, incidence: Incidence) -> tuple[SharedValue, ...]:
    classes, where = np.unique(law.model.value_class[held], return_inverse=True)
    where = where.reshape(-1)
    expected = law.expected(classes)[where]
    surprise = holders * np.log(holders / np.maximum(expected, 1e-300)) - holders + expected
    surprise[holders <= expected] = 0.0
    ranked = np.lexsort((held, -surprise))[:_RANKED]
    # Values of one class with as many holders have one law.
    key = where[ranked] * (int(holders.max()) + 1) + holders[ranked]
    _, first, law_of = np.unique(key, return_index=True, return_inverse=True)
    examples = ranked[first]
    single = law.log_tails(classes[where[examples]], holders[examples])
    corrected = law.corrected(single)
    found = [
        SharedValue(
            incidence.values[value],
            int(holders[at]),
            int(incidence.value_degrees[value]),
            float(expected[at]),
            float(single[number]),
            float(corrected[number]),
            value,
        )
        for at, value, number in zip(ranked, held[ranked].tolist(), law_of.reshape(-1), strict=True)
    ]
    return tuple(sorted(found, key=lambda s: (s.log_p_single, s.value)))
