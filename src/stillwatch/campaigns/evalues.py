"""E-values: how p-values become them, how they are combined, and which groups they let us report.

All values are natural logarithms unless a name says log10, because a campaign of hundreds of accounts easily
passes 1e300.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LN10 = math.log(10.0)


def log_e_from_log_p(log_p: float) -> float:
    """Calibrate a p-value into an e-value: e = (1 - p + p ln p) / (p (ln p)^2).

    The mixture over kappa of the calibrators kappa p^(kappa-1); an admissible calibrator (Vovk & Wang 2021,
    "E-values: calibration, combination and applications", Annals of Statistics 49, equation 2).

    Args:
        log_p: natural logarithm of a p-value in (0, 1].

    Returns:
        Natural logarithm of the e-value.
    """
    if log_p > 0 or math.isnan(log_p):
        raise ValueError(f"a p-value lies in (0, 1]; got exp({log_p})")
    if log_p > -1e-3:  # the closed form is 0/0 at p = 1; its Taylor series is 1/2 + (1 - p)/6 + ...
        return math.log(0.5 - log_p / 6.0)
    if log_p == -math.inf:
        return math.inf
    p = math.exp(log_p)
    return math.log(1.0 - p + p * log_p) - log_p - 2.0 * math.log(-log_p)


def log_average(log_es: Sequence[float]) -> float:
    """Average e-values that may depend on each other in any way: the average is an e-value again."""
    if not log_es:
        return 0.0
    values = np.asarray(log_es, dtype=np.float64)
    top = float(values.max())
    if math.isinf(top):
        return top
    return top + math.log(float(np.exp(values - top).mean()))


def false_discovery_levels(log_es: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest false-discovery rate at which e-BH reports each hypothesis, capped at 1.

    e-BH (Wang & Ramdas 2022, "False discovery rate control with e-values", JRSS B 84) reports the k* largest,
    k* = max{k: e_(k) >= K / (alpha k)}; valid under any dependence between the e-values.

    Args:
        log_es: shape (K,), natural logarithms of the e-values of all K hypotheses that were tested.

    Returns:
        shape (K,); reporting all with a level <= alpha controls the rate at alpha.
    """
    n = len(log_es)
    if n == 0:
        return np.empty(0)
    order = np.argsort(-log_es, kind="stable")
    ranks = np.arange(1, n + 1)
    log_levels = np.log(n) - np.log(ranks) - log_es[order]
    # A hypothesis is reported as soon as any set that contains it is.
    best = np.minimum.accumulate(log_levels[::-1])[::-1]
    levels = np.empty(n)
    levels[order] = np.exp(np.minimum(best, 0.0))
    return levels
