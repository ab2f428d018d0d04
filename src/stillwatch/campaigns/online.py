"""Error control over time: e-processes of groups that are looked at again and again, and weighted e-BH over them.

*A hypothesis* is a group that keeps its identity while its data grow. Its null: at every look the group then tested
is innocent. *A look* at place k = 1, 2, ... of a schedule that is fixed by the amount of data (`look_place`: k grows
by one where the exchanges grow by a quarter) gives an e-value e_k, valid for the null by itself; the looks share
data, so they depend on each other in ways nobody knows. The e-process is the running sum

    S(t) = sum over looks k up to t of w_k e_k,    sum of all w_k = 1.

Whatever the dependence, the mean of the sum over *all* places is at most sum w_k = 1. S never falls, so S(t) at any
time, chosen in any way, is at most that sum: an e-value at any stopping time. Places may be left out for any reason,
hopeless results of earlier looks included (`patience`): what is left out only lowers the sum. A running maximum of
e-values has no such bound, and is not used.

The weights are fixed beforehand and may be any: the first `EVEN` places, in which nearly every verdict falls, share
`EVEN_SHARE` evenly; the places beyond share the rest as 1 / (j (j + 1)), j = 1, 2, ...

*Hypotheses* are weighed by their order of birth i = 1, 2, ...: gamma_i proportional to (i + 100)^-1.1, with sum 1
(Xu & Ramdas 2024, "Online multiple testing with e-values", AISTATS: weights fixed before the evidence is seen). At
time t the R hypotheses of the largest set with S_i(t) >= 1 / (alpha gamma_i R) are reported: e-BH (Wang & Ramdas 2022,
JRSS B 84, 822-852) on the weighted e-values.

*The false-discovery rate holds at every stopping time, and at the worst moment at once.* Each reported i has
1 / R <= alpha gamma_i S_i(t), so the false-discovery proportion, the sum of 1/R over reported null hypotheses, is at
most alpha times the sum over null i of gamma_i S_i(t) <= alpha times the sum of gamma_i S_i(infinity), at all t
together. The mean of the last is at most alpha. As sums never fall and weights are fixed, what is reported once stays
reported; whether an innocent explanation fits is judged apart, on the latest data, and can only take reports away.

Costs, in decades of evidence at alpha = 0.01 and one report: 1.4 for the looks, and 5 to 5.7 for the first to the
300th birth, where a single scan of 300 groups needs 4.5 in all.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

from stillwatch.campaigns.evalues import LN10, false_discovery_levels
from stillwatch.campaigns.ladder import CLIMB, Assessed, Procedure
from stillwatch.campaigns.tables import Rung

FloatArray = NDArray[np.float64]

GROWTH = 1.25
"""Growth of a group's exchanges from one place of the schedule to the next."""
EVEN, EVEN_SHARE = 24, 0.9
"""Places that share most of the weight evenly: growth from 100 exchanges, say, to 20,000."""
PATIENCE = ((1.0, 1), (-2.0, 2), (-10.0, 3))
LONGEST = 6
"""(decimal logarithm of the last look's e-value, places to the next look) from promising to hopeless, and beyond."""
BORN_BEFORE, DECAY = 100, 1.1
"""gamma_i is proportional to (i + BORN_BEFORE)^-DECAY."""


def look_place(n: float, n_first: float) -> int:
    """Place k in the schedule of a look at n exchanges, where the first look was at n_first: 1 there, and one more
    with each growth by `GROWTH`."""
    return 1 + max(math.floor(math.log(n / n_first) / math.log(GROWTH) + 1e-9), 0)


def patience(log_e: float) -> int:
    """Places to the next look, from the e-value (natural logarithm) of the last: the more hopeless, the more.

    Evidence grows about in proportion to the data: what has none yet needs more than a quarter more of them, and what
    speaks against a group needs several times as much to change sides; a look costs computing time.
    """
    decades = log_e / LN10
    return next((places for least, places in PATIENCE if decades > least), LONGEST)


def log_look_weights(places: NDArray[np.int64]) -> FloatArray:
    """Natural logarithms of w_k at places k = 1, 2, ..."""
    k = np.asarray(places, dtype=np.float64)
    beyond = np.maximum(k - EVEN, 1.0)
    tail = np.log1p(-EVEN_SHARE) - np.log(beyond) - np.log(beyond + 1.0)
    return np.asarray(np.where(k <= EVEN, np.log(EVEN_SHARE / EVEN), tail))


def log_birth_weights(n: int) -> FloatArray:
    """Natural logarithms of gamma_1 ... gamma_n, shape (n,); all gammas that there could ever be add up to 1."""
    order = np.arange(1, n + 1, dtype=np.float64)
    return np.asarray(-DECAY * np.log(order + BORN_BEFORE) - np.log(zeta(DECAY, BORN_BEFORE + 1)))


@dataclass(frozen=True)
class EProcesses:
    """The e-processes of all hypotheses, in order of birth.

    Attributes:
        looks: shape (n,); place of the last look in the schedule, 0 before the first.
        log_sums: shape (n, m); natural logarithms of the sums, a column for each of m claims (the rungs); -inf
            before the first look.
    """

    looks: NDArray[np.int64]
    log_sums: FloatArray

    @classmethod
    def none(cls, claims: int = len(CLIMB)) -> "EProcesses":
        """Before any birth."""
        return cls(np.zeros(0, np.int64), np.zeros((0, claims)))

    def __len__(self) -> int:
        return len(self.looks)

    def born(self, n: int) -> "EProcesses":
        """With n more hypotheses."""
        sums = np.full((n, self.log_sums.shape[1]), -np.inf)
        return EProcesses(
            np.concatenate([self.looks, np.zeros(n, np.int64)]), np.concatenate([self.log_sums, sums])
        )

    def looked(self, which: NDArray[np.int64], places: NDArray[np.int64], log_e: FloatArray) -> "EProcesses":
        """After a look at some hypotheses.

        Args:
            which: shape (k,), indices without repetition.
            places: shape (k,), place of each look in its schedule, beyond that of the last.
            log_e: shape (k, m); natural logarithms of this look's e-values.

        Raises:
            ValueError: a place was taken before; its e-value would count twice.
        """
        if (places <= self.looks[which]).any():
            raise ValueError("a look stands at a place beyond that of the last")
        looks, sums = self.looks.copy(), self.log_sums.copy()
        looks[which] = places
        sums[which] = np.logaddexp(sums[which], log_e + log_look_weights(places)[:, None])
        return EProcesses(looks, sums)

    def levels(self, claim: int) -> FloatArray:
        """Smallest false-discovery rate at which each hypothesis is reported, shape (n,), at most 1."""
        weighted = self.log_sums[:, claim] + log_birth_weights(len(self)) + np.log(max(len(self), 1))
        return false_discovery_levels(weighted)


def over_time(processes: EProcesses, hypothesis: NDArray[np.int64]) -> Procedure:
    """The procedure for `ladder.standings` in event time.

    Args:
        processes: of all hypotheses ever born; hypotheses that are not among the groups count as well.
        hypothesis: shape (n_groups,); which hypothesis each group is.
    """

    def assess(rung: Rung, log_e: FloatArray, fdr: float) -> Assessed:
        del log_e  # of the latest look alone; what counts is the sum over all looks
        claim = CLIMB.index(rung)
        levels = processes.levels(claim)
        reported = max(int((levels <= fdr).sum()), 1)
        required = -np.log(fdr * reported) - log_birth_weights(len(processes))
        return Assessed(processes.log_sums[hypothesis, claim], levels[hypothesis], required[hypothesis])

    return assess
