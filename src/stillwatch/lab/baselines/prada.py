"""PRADA: are the distances of one account's queries to their nearest earlier query normally distributed?

Juuti, Szyller, Marchal, Asokan: PRADA: Protecting Against DNN Model Stealing Attacks, EuroS&P 2019
(arXiv 1805.02628). Each query's distance to the nearest member of a growing set is noted, and the query joins
the set if that distance exceeds a threshold that rises with the set (mean minus standard deviation of the
distances with which its members joined). After more than 100 distances, those within three standard
deviations of their mean are tested for normality: the account is an attacker when the Shapiro-Wilk statistic
W falls below delta. Tested at every tenth distance, as the authors' own code does.

What had to be adapted: queries are prompts as unit vectors (`_vectors`) instead of images. A language model
predicts no class, so all queries of an account are of one class. The paper sets delta on benign users such
that none of them alarms, and arrives between 0.90 and 0.96; here it is set on the accounts of the first part
of the stream, which nobody has labelled and which may hold a campaign, and is never above 0.96 (0.9, the
default of the authors' code, where no account of that part is long enough). Every account that alarms is a
campaign of its own, with all its exchanges.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.stats import shapiro

from stillwatch.lab.baselines._alarms import Alarm, one_each
from stillwatch.lab.baselines._vectors import DIMENSIONS, Prompts, read_prompts
from stillwatch.lab.baselines.tables import Found
from stillwatch.lab.parameters import Parameter, Value

NAME = "prada"
TITLE = "PRADA: normality of distances, one account at a time"
SOURCE = "Juuti et al., PRADA, EuroS&P 2019, https://arxiv.org/abs/1805.02628"
PARAMETERS = (
    Parameter("delta", 0.0, 0, 1, meaning="alarm where W is below; 0 sets it on the reference"),
    Parameter("reference", 0.2, 0.01, 0.9, meaning="first share of the time, on which delta is set"),
    Parameter("false_alarms", 0.0, 0, 0.5, meaning="share of the reference's accounts that may alarm"),
    Parameter("queries", 5000, 110, 5000, meaning="queries of an account that are looked at, the first ones"),
    Parameter("dimensions", DIMENSIONS, 64, 1024, meaning="of the text vectors, a multiple of 64"),
)

LEAST = 100
"""Distances that must be exceeded before the first test."""
EVERY = 10
"""Distances from one test to the next."""
DEVIATIONS = 3
HIGHEST, FALLBACK = 0.96, 0.9
# Below this the distance of two unit vectors is rounding: they are the same words.
_SAME = 1e-3


def run(dataset: Path, settings: Mapping[str, Value]) -> Found:
    """Accounts whose distances are not normal."""
    prompts = read_prompts(dataset, int(settings["dimensions"]))
    most, end = int(settings["queries"]), prompts.until(float(settings["reference"]))
    delta, notes = float(settings["delta"]), dict[str, Any]()
    if not delta:
        delta, notes = _calibrate(prompts, end, most, float(settings["false_alarms"]))
    alarms, tested, capped = [], 0, 0
    for account, rows in prompts.by_account():
        statistics = normality(distances(prompts.units(rows[:most])))
        tested += len(statistics) > 0
        capped += len(rows) > most
        below = np.flatnonzero(statistics < delta)
        if len(below):
            # Distance number n belongs to query number n + 1.
            alarms.append(Alarm(account, int(rows[_sizes(min(len(rows), most) - 1)[below[0]]])))
    notes |= {"delta": delta, "n_accounts_tested": tested, "n_accounts_capped": capped}
    return one_each(prompts, alarms, NAME, notes)


def distances(units: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Distance of each query but the first to the nearest member of the growing set before it.

    Args:
        units: vectors of length 1 of one account's queries in order of time, [n, dimensions].

    Returns:
        float64 [max(n - 1, 0)].
    """
    if len(units) < 2:
        return np.zeros(0)
    out = np.empty(len(units) - 1)
    _grow(units @ units.T, out)
    return out


def normality(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shapiro-Wilk's W of the first 110, 120, ... distances without their outliers.

    1 where all of them are equal: nothing speaks of an attack there.
    """
    return np.array([_w(found[:n]) for n in _sizes(len(found))], np.float64)


def _sizes(n: int) -> range:
    return range(LEAST + EVERY, n + 1, EVERY)


def _w(found: npt.NDArray[np.float64]) -> float:
    kept = found[np.abs(found - found.mean()) < DEVIATIONS * found.std()]
    if len(kept) < 3 or kept.max() - kept.min() < _SAME:
        return 1.0
    return float(shapiro(kept).statistic)


def _calibrate(prompts: Prompts, end: int, most: int, rate: float) -> tuple[float, dict[str, Any]]:
    """The largest delta at which no more than a share of the reference's long accounts alarm."""
    lowest = []
    for _, rows in prompts.by_account():
        statistics = normality(distances(prompts.units(rows[rows < end][:most])))
        if len(statistics):
            lowest.append(float(statistics.min()))
    notes = {"n_reference_accounts": len(lowest)}
    if not lowest:
        return FALLBACK, notes
    return min(HIGHEST, sorted(lowest)[math.floor(rate * len(lowest))]), notes


@njit(nogil=True, cache=True)
def _grow(cosines, out):  # type: ignore[no-untyped-def]
    members = np.empty(len(cosines), np.int64)
    # The first member joins with distance 0, as in the paper.
    members[0], n = 0, 1
    threshold = total = squares = 0.0
    for i in range(1, len(cosines)):
        nearest = -1.0
        for j in range(n):
            nearest = max(nearest, cosines[i, members[j]])
        distance = np.sqrt(max(2.0 - 2.0 * nearest, 0.0))
        if distance < _SAME:
            distance = 0.0
        out[i - 1] = distance
        if distance > threshold:
            members[n] = i
            n += 1
            total += distance
            squares += distance * distance
            mean = total / n
            threshold = max(threshold, mean - np.sqrt(max(squares / n - mean * mean, 0.0)))
