"""Do simulated machines arrive as real ones do? They are compared with real clients kept out of the laboratory.

The real data are requests in 600 s windows and the coefficient of variation of the gaps inside them (ServeGen),
so that is what is compared; real times are not made up. For every held-out client one of the same volume is
simulated. Those above `_MOST` requests are thinned to `_THINNED` on both sides, and the CV of their gaps is not
compared: what thinning does to a recorded one is not known well enough. Windows below the source's ten requests
count as empty on both sides.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import entropy

from stillwatch.lab.behaviour.machines import followed_arrivals
from stillwatch.lab.honesty.separation import separate
from stillwatch.lab.traces import DAYS, FEWEST, WINDOW_S, WINDOWS, MachineWindows, machine_windows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
# (chance, wanted requests, start, end, volume before thinning) -> (client, microseconds, whom it is made after)
Arrivals = Callable[[np.random.Generator, Ints, int, int, Ints], tuple[Ints, Ints, Ints]]

ALLOWED_AUC = 0.60
_MOST = 250_000
_THINNED = 50_000
_SECOND = 1_000_000
_START = 20_000 * 86_400 * _SECOND
_END = _START + DAYS * 86_400 * _SECOND


@dataclass(frozen=True)
class ArrivalCheck:
    """How well simulated machines can be told from real ones.

    Attributes:
        auc: cross-validated area under the ROC curve; at most ALLOWED_AUC is wanted.
        low: lower end of its 95 % interval.
        high: upper end.
        top: the features that tell most by themselves, with their area.
        clients: real clients compared.
    """

    auc: float
    low: float
    high: float
    top: list[tuple[str, float]]
    clients: int

    @property
    def passed(self) -> bool:
        """Whether the area is within the allowed one."""
        return self.auc <= ALLOWED_AUC


def check_arrivals(seed: int, arrivals: Arrivals = followed_arrivals, top: int = 6) -> ArrivalCheck:
    """Simulated machine clients against the held-out real ones.

    Args:
        seed: of the simulation and of the folds.
        arrivals: what makes the arrivals; another one than the laboratory's shows the power of the check.
        top: how many features to name.
    """
    rng = np.random.default_rng(seed)
    held = machine_windows("held_out")
    counts, cv = _real(rng, held)
    volume = held.requests.sum(1, dtype=np.int64)
    made, made_cv, source = simulated(rng, volume, arrivals)
    whole = (volume <= _MOST)[:, None]
    real, copy = features(counts, cv * whole), features(made, made_cv * whole)
    names = list(real)
    table = np.concatenate([np.column_stack(list(f.values())) for f in (real, copy)])
    clients = len(counts)
    # Copies of one real client share a fold: to know one is not to know how simulated clients look.
    group = np.concatenate([np.arange(clients), clients + source])
    twin = np.arange(2 * clients) % clients
    result = separate(table, np.arange(2 * clients) >= clients, group, rng, twin=twin)
    order = np.argsort(result.single)[::-1][:top]
    told = [(names[i], result.single[i]) for i in order]
    return ArrivalCheck(result.auc, result.low, result.high, told, clients)


def _real(rng: np.random.Generator, held: MachineWindows) -> tuple[Ints, Floats]:
    """Requests by window, thinned where there are too many, and CV of the gaps."""
    requests = held.requests.astype(np.int64)
    total = requests.sum(1)
    share = (_size(total) / total)[:, None]
    counts = np.where(share < 1, rng.binomial(requests, share), requests)
    return _as_recorded(counts, held.cv.astype(np.float64))


def _size(volume: Ints) -> Ints:
    """Requests compared of a client with this volume."""
    return np.where(volume <= _MOST, volume, _THINNED)


def simulated(rng: np.random.Generator, volume: Ints, arrivals: Arrivals) -> tuple[Ints, Floats, Ints]:
    """Requests by window, CV of the gaps, and origin of one simulated client for each entry of `volume`."""
    client, ts, source = arrivals(rng, _size(volume), _START, _END, volume)
    window = client * WINDOWS + (ts - _START) // (WINDOW_S * _SECOND)
    counts = np.bincount(window, minlength=len(volume) * WINDOWS)
    cv = _cv(window, ts, len(volume) * WINDOWS)
    shape = (len(volume), WINDOWS)
    return *_as_recorded(counts.reshape(shape), cv.reshape(shape)), source


def _as_recorded(counts: Ints, cv: Floats) -> tuple[Ints, Floats]:
    seen = counts >= FEWEST
    return np.where(seen, counts, 0), np.where(seen, cv, 0.0)


@njit(nogil=True, cache=True)
def _cv(window, ts, size):  # type: ignore[no-untyped-def]
    """Coefficient of variation of the gaps inside each window; rows are in order of window and time."""
    number, total, square = np.zeros(size), np.zeros(size), np.zeros(size)
    for i in range(1, len(ts)):
        if window[i] == window[i - 1]:
            gap = float(ts[i] - ts[i - 1])
            number[window[i]] += 1
            total[window[i]] += gap
            square[window[i]] += gap * gap
    cv = np.zeros(size)
    for w in range(size):
        if number[w] > 1 and total[w] > 0:
            mean = total[w] / number[w]
            cv[w] = np.sqrt(max(0.0, square[w] / number[w] / (mean * mean) - 1.0))
    return cv


def features(counts: Ints, cv: Floats) -> dict[str, Floats]:
    """What a client's two weeks look like, one number a client and feature.

    Args:
        counts: clients x WINDOWS requests.
        cv: coefficient of variation of the gaps, 0 where the window is empty.
    """
    hours = counts.reshape(len(counts), -1, 6).sum(2)
    days = counts.reshape(len(counts), DAYS, -1).sum(2)
    profile = hours.reshape(len(counts), DAYS, 24).sum(1)
    level, fine = np.log1p(hours), np.log1p(counts)
    on = counts > 0
    switches = (on[:, 1:] & ~on[:, :-1]).sum(1) + on[:, 0]
    steps = [np.diff(f[o]) if o.sum() > 1 else np.zeros(1) for f, o in zip(fine, on, strict=True)]
    return {
        "share of empty hours": (hours == 0).mean(1),
        "share of empty windows": (counts == 0).mean(1),
        "empty days": (days == 0).mean(1),
        "spread of hourly volume (log)": _spread(level, hours > 0),
        "spread of window volume (log)": _spread(fine, on),
        "spread of daily volume (log)": _spread(np.log1p(days), days > 0),
        "hour-to-hour correlation": _lagged(level, 1),
        "window-to-window correlation": _lagged(fine, 1),
        "day-to-day correlation": _lagged(level, 24),
        "week-to-week correlation": _lagged(level, 168),
        "entropy over hours": _entropy(hours),
        "hour-of-day amplitude": np.log(24) - _entropy(profile),
        "share of the busiest window": counts.max(1) / np.maximum(counts.sum(1), 1),
        "burstiness": np.log1p(counts.var(1) / np.maximum(counts.mean(1), 1e-9)),
        "runs of activity": np.log1p(switches),
        "length of runs": np.log1p(on.sum(1) / np.maximum(switches, 1)),
        "step between windows": np.array([np.median(np.abs(s)) for s in steps]),
        "gap CV, mean": _weighted(cv, counts),
        "gap CV, upper tenth": _upper(cv, on),
    }


def _spread(values: Floats, where: NDArray[np.bool_]) -> Floats:
    return np.array([v[w].std() if w.any() else 0.0 for v, w in zip(values, where, strict=True)])


def _lagged(values: Floats, lag: int) -> Floats:
    centred = values - values.mean(1, keepdims=True)
    power = np.maximum((centred**2).sum(1), 1e-12)
    result: Floats = (centred[:, lag:] * centred[:, :-lag]).sum(1) / power
    return result


def _entropy(values: Ints) -> Floats:
    result: Floats = entropy(values + 1e-9, axis=1)
    return result


def _weighted(cv: Floats, counts: Ints) -> Floats:
    """Mean of log CV by requests: windows with few gaps say little about theirs."""
    result: Floats = (np.log(np.where(cv > 0, cv, 1)) * counts).sum(1) / np.maximum(counts.sum(1), 1)
    return result


def _upper(cv: Floats, on: NDArray[np.bool_]) -> Floats:
    chosen = [c[o] for c, o in zip(cv, on, strict=True)]
    return np.array([np.log(np.quantile(c, 0.9) + 1e-3) if c.any() else 0.0 for c in chosen])
