"""The ladder of verdicts: which rung each tested group reaches at the stated false-discovery rate.

A rung's claim includes the rungs below it, so its e-value is the smallest of theirs (an e-value for the union of
their null models). Up to *one task pool* all tested groups compete in one e-BH procedure. The last rung describes
what a pool is for, by forms that legitimate projects have too; it holds where such a project would have them with a
stated probability at most, which is far from the certainty of the rungs below and is told apart from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.evalues import false_discovery_levels
from stillwatch.campaigns.group import GroupTests
from stillwatch.campaigns.tables import Rung

CLIMB = (Rung.REPETITIVE, Rung.COORDINATED, Rung.ONE_TASK_POOL)


@dataclass(frozen=True)
class Standing:
    """Where a group stands.

    Attributes:
        rung: highest rung that holds, or None.
        log_e: natural logarithm of the e-value of the highest rung up to one task pool that holds (of the lowest
            rung where none does).
        level: smallest false-discovery rate at which that rung is reported.
        required_log_e: natural logarithm of the e-value that a rung of this group needed in this scan.
        log_weight: natural logarithm of the group's prior weight, by which it needed less.
    """

    rung: Rung | None
    log_e: float
    level: float
    required_log_e: float
    log_weight: float = 0.0


@dataclass(frozen=True)
class Assessed:
    """What a procedure says of the groups' claim to a rung; all arrays have shape (n_groups,).

    Attributes:
        log_e: natural logarithm of the evidence on which it is decided.
        levels: smallest false-discovery rate at which the claim is reported.
        required: natural logarithm of the evidence that was needed.
    """

    log_e: NDArray[np.float64]
    levels: NDArray[np.float64]
    required: NDArray[np.float64]


Procedure = Callable[[Rung, NDArray[np.float64], float], Assessed]
"""(rung, natural logarithms of the groups' e-values for it, false-discovery rate) -> what holds."""


def at_once(log_weights: NDArray[np.float64]) -> Procedure:
    """e-BH over all groups of one scan (`evalues.false_discovery_levels`), with their log prior weights."""

    def assess(rung: Rung, log_e: NDArray[np.float64], fdr: float) -> Assessed:
        del rung
        levels = false_discovery_levels(log_e + log_weights)
        return Assessed(log_e, levels, _required(levels, fdr) - log_weights)

    return assess


def standings(
    tests: Sequence[GroupTests],
    fdr: float,
    shape_error: float,
    weights: NDArray[np.float64] | None = None,
    procedure: Procedure | None = None,
) -> list[Standing]:
    """Standing of every tested group.

    Args:
        tests: all tested groups (the number of hypotheses is theirs).
        fdr: false-discovery rate of the rungs up to one task pool.
        shape_error: largest probability that a legitimate pool is called training-shaped.
        weights: shape (len(tests),), positive, of average 1, chosen without looking at the e-values; None weighs
            all alike. e-BH then takes weight times e-value: its proof (Wang & Ramdas 2022) needs no more than
            that those of the null hypotheses add up to their number at most on average, as they still do.
        procedure: decides which claims hold; None stands for e-BH over these groups alone (`at_once`), and a replay
            gives `online.over_time`.
    """
    if not tests:
        return []
    log_weights = np.zeros(len(tests)) if weights is None else np.log(weights)
    decide = procedure or at_once(log_weights)
    assessed = {rung: decide(rung, climb(tests, rung), fdr) for rung in CLIMB}
    required = assessed[Rung.ONE_TASK_POOL].required
    result = []
    for index in range(len(tests)):
        held = [rung for rung in CLIMB if assessed[rung].levels[index] <= fdr]
        # Levels grow along the climb, so what is held is a run from the bottom.
        rung = held[-1] if held else None
        at = assessed[rung or Rung.REPETITIVE]
        shaped = tests[index].rung_log_e[Rung.TRAINING_SHAPED] >= -np.log(shape_error)
        final = Rung.TRAINING_SHAPED if rung is Rung.ONE_TASK_POOL and shaped else rung
        log_e, level = float(at.log_e[index]), float(at.levels[index])
        result.append(Standing(final, log_e, level, float(required[index]), float(log_weights[index])))
    return result


def climb(tests: Sequence[GroupTests], top: Rung) -> NDArray[np.float64]:
    """Natural logarithms of the e-values of the claim to a rung and all below it, shape (n_groups,)."""
    below = CLIMB[: CLIMB.index(top) + 1]
    return np.array([min(test.rung_log_e[rung] for rung in below) for test in tests])


def _required(levels: np.ndarray[tuple[int], np.dtype[np.float64]], fdr: float) -> float:
    reported = max(int((levels <= fdr).sum()), 1)
    return float(np.log(len(levels) / (fdr * reported)))
