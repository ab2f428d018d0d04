"""How much of each candidate is tested: a bound for one group, and a bound for all groups together.

The tests cost in proportion to the exchanges that they look at, and candidates are nested: an exchange may stand in
a dozen of them. Past a bound on all of them together every group is allowed the same number of exchanges, so that
small groups keep all of theirs and only the large ones are thinned.

Most tests compare exchanges of one account with each other. A large group is therefore thinned to some of its accounts
first, so that each keeps about `EACH` exchanges, and to some of their exchanges after that. Which accounts, a hash of
their names decides: they are a sample of the group, so every null model holds for them that holds for the group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.repetition import Usage
from stillwatch.text.sampling import uniform_of

FloatArray = NDArray[np.float64]

EACH = 60
"""Exchanges that each of the accounts drawn keeps, about. Of a laboratory pool of 300 accounts, 3,000 exchanges gave an
e-value of one task pool of 10^4.7 with 10 exchanges each, 10^8.9 with 30, 10^10 with 60; 6,000 gave 10^18 and 10^25."""
LEAST_DRAWN = 50
"""Accounts that are drawn of a group at least: each is one observation of whether its hours are the pool's."""
_SEED = 3


@dataclass(frozen=True)
class Thinning:
    """What is tested of one candidate.

    Attributes:
        rate: part of the exchanges of the accounts that are drawn.
        drawn: which of its entities are, in the candidate's order.
    """

    rate: float
    drawn: NDArray[np.bool_]


def thinnings(usage: Usage, found: Sequence[Candidate], cap: int, budget: int | None) -> list[Thinning]:
    """What is tested of each candidate.

    Args:
        usage: who used which template.
        found: the candidates.
        cap: about how many exchanges of one candidate are tested at most.
        budget: about how many exchanges are tested in all; None for no bound.
    """
    held = np.array([candidate.n_exchanges for candidate in found], dtype=np.float64)
    level = fair_level(held, cap, budget)
    names = pa.array(usage.entities.tolist(), pa.string())
    order = uniform_of(names, _SEED).to_numpy() if len(names) else np.zeros(0)
    return [
        _thinning(usage, candidate, volume, level, order)
        for candidate, volume in zip(found, held.tolist(), strict=True)
    ]


def fair_level(volumes: FloatArray, cap: float, budget: float | None) -> float:
    """The most exchanges of one group with which all groups keep within a budget, at most `cap`.

    Args:
        volumes: exchanges of each group, shape (n,).
        cap: most exchanges of one group.
        budget: most exchanges of all groups together; None for no bound.
    """
    kept = np.sort(np.minimum(volumes, cap))
    if budget is None or len(kept) == 0 or kept.sum() <= budget:
        return cap
    # What all get if those from this one on get no more than this one.
    spent = np.concatenate([[0.0], np.cumsum(kept)[:-1]]) + kept * np.arange(len(kept), 0, -1)
    first = int(np.searchsorted(spent, budget, side="right"))
    below = float(kept[:first].sum())
    return (budget - below) / (len(kept) - first)


def _thinning(usage: Usage, candidate: Candidate, volume: float, level: float, order: FloatArray) -> Thinning:
    n = len(candidate.entities)
    drawn = np.ones(n, dtype=bool)
    if volume > level:
        each = candidate.each
        places = np.argsort(order[candidate.entities], kind="stable")
        # As many as have enough together, should they have less than `EACH`.
        enough = int(np.searchsorted(np.cumsum(each[places]), level)) + 1
        drawn[places[max(LEAST_DRAWN, int(level / EACH), enough) :]] = False
        volume = float(each[drawn].sum())
    return Thinning(min(1.0, level / max(volume, 1.0)), drawn)
