"""When automated clients send: every client follows a real one, with its load, its off hours and its bursts.

Source: the client windows of ServeGen (arXiv 2505.09999; lab/traces/NOTICE.md): requests and coefficient of
variation of the gaps in each 600 s over 14 days. As there, gaps are drawn from the family that fits the window
(Gamma or Weibull) and rescaled to fill it. Days are not smoothed: only volume, phase and, beyond 14 days, the
order of weeks are changed.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gamma as gamma_function

from stillwatch.lab.behaviour.chance import below, gamma, uniform, weibull
from stillwatch.lab.traces import WINDOW_S, WINDOWS, MachineWindows, machine_windows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SECOND = 1_000_000
_WINDOW = WINDOW_S * _SECOND
_DAY_WINDOWS = 144
_WEEK_WINDOWS = 7 * _DAY_WINDOWS
# Clients of one volume start their days within six hours of each other; whole hours, because real jobs begin on
# the hour. Windows of one client begin up to a minute late: its edges are nobody else's.
_PHASE = 3
_LATE = 1 * _SECOND
# Real clients of like volume are preferred: odds fall by e for each _WIDTH of log volume. No real client is as
# small as many accounts are: the further below the smallest, the less volume matters.
_WIDTH = 0.3
_CANDIDATES = 48
_TRIES = 96
# Below this share of a real client's requests, whose requests they are no longer matters.
_THIN = 0.125
_COPIES = 4.0
_LARGEST_CV = 30.0
_SHAPES = 512


@dataclass(frozen=True)
class _Pool:
    """Real clients as the kernel reads them: sums over windows twice around, population CV by window."""

    requests: NDArray[np.int64]
    sums: NDArray[np.int64]
    cv: NDArray[np.float32]
    weibull: NDArray[np.bool_]
    volumes: tuple[float, float]
    shapes: Floats


@cache
def _model_pool() -> _Pool:
    return pool_of(machine_windows("model"))


def pool_of(real: MachineWindows) -> _Pool:
    """Real clients made ready to be followed.

    A recorded CV is that of the few gaps of a window, bounded by the root of their number; solved for the
    shape of the gaps by the variance of a Dirichlet vector, cv² = (m - 1) / (m a + 1).
    """
    requests = real.requests.astype(np.int64)
    gaps = np.maximum(requests - 1, 2).astype(np.float64)
    square = np.minimum(real.cv.astype(np.float64) ** 2, (gaps - 1) * 0.98)
    cv = np.sqrt(gaps * square / np.maximum(gaps - 1 - square, 1e-9))
    usual = np.array([np.median(c[c > 0]) if (c > 0).any() else 1.0 for c in cv])
    cv = np.clip(np.where(real.cv > 0, cv, usual[:, None]), 0.02, _LARGEST_CV).astype(np.float32)
    around = np.concatenate([np.zeros((len(requests), 1), np.int64), requests, requests], axis=1)
    total = requests.sum(1)
    low, high = np.quantile(total / WINDOWS, [0.1, 0.9])
    return _Pool(
        requests,
        np.cumsum(around, axis=1),
        cv,
        real.weibull,
        (float(low), float(high)),
        _weibull_shapes(),
    )


def _weibull_shapes() -> Floats:
    """Shapes of Weibull gaps whose CV runs over an even grid of its logarithm, 0.02.._LARGEST_CV."""
    shape = np.geomspace(0.12, 60, 4000)
    cv = np.sqrt(np.maximum(gamma_function(1 + 2 / shape) / gamma_function(1 + 1 / shape) ** 2 - 1, 1e-12))
    wanted = np.linspace(np.log(0.02), np.log(_LARGEST_CV), _SHAPES)
    shapes: Floats = np.interp(wanted, np.log(cv[::-1]), shape[::-1])
    return shapes


def machine_arrivals(rng: np.random.Generator, counts: Ints, start: int, end: int) -> tuple[Ints, Ints]:
    """Arrivals of automated clients, each of which follows a real client of like volume (where there is one).

    Args:
        rng: source of chance: one seed a client.
        counts: int64, wanted requests of each client.
        start: first microsecond.
        end: end of the window, excluded.

    Returns:
        (client, ts): int64 each, counts.sum() entries; client is the place in `counts`, in order; times in
        microseconds, in order within a client.
    """
    client, ts, _ = followed_arrivals(rng, counts, start, end)
    return client, ts


def followed_arrivals(
    rng: np.random.Generator, counts: Ints, start: int, end: int, like: Ints | None = None
) -> tuple[Ints, Ints, Ints]:
    """As `machine_arrivals`, and which real client each of `counts` follows (-1 none).

    With `like`, real clients of these volumes are preferred and thinned to `counts`.
    """
    pool = _model_pool()
    if end <= start:
        raise ValueError(f"the window ends ({end}) before it starts ({start})")
    counts = np.maximum(np.asarray(counts, np.int64), 0)
    seeds = rng.integers(0, 2**64, len(counts), np.uint64)
    first = np.concatenate([[0], np.cumsum(counts)])
    ts = np.empty(first[-1], np.int64)
    volumes = counts if like is None else np.asarray(like, np.int64)
    real = (pool.requests, pool.sums, pool.cv, pool.weibull)
    source = np.full(len(counts), -1)
    limits = np.array([start, end])
    _fill(real, np.array(pool.volumes), pool.shapes, seeds, (first, volumes, limits), (ts, source))
    return np.repeat(np.arange(len(counts)), counts), ts, source


def machine_times(rng: np.random.Generator, count: int, start: int, end: int, roughness: float = 1.3) -> Ints:
    """Arrivals of one automated client; `roughness` is kept for callers of before and not used."""
    del roughness
    return machine_arrivals(rng, np.array([count]), start, end)[1]


@njit(nogil=True, cache=True)
def _fill(real, volumes, shapes, seeds, ask, out):  # type: ignore[no-untyped-def]
    """Write every client's times, and whom it follows."""
    first, amounts, window = ask
    ts, followed = out
    start, end = window[0], window[1]
    spans = int((end - start) // _WINDOW) + 2
    load = np.empty(spans, np.int64)
    taken = np.empty(spans, np.int64)
    source = np.empty(spans, np.int64)
    state = np.empty(1, np.uint64)
    for client in range(len(seeds)):
        wanted = first[client + 1] - first[client]
        if wanted == 0:
            continue
        state[0] = seeds[client]
        grid = start - start % _WINDOW
        chosen, shift = _follow(real[1], volumes, state, amounts[client], start, end)
        followed[client] = chosen
        total = _windows(real[0][chosen], state, (shift, grid), window, (load, source))
        if total == 0:
            load[:] = 1
            total = spans
        _allot(state, load, total, wanted, taken)
        place = first[client]
        for w in range(spans):
            if taken[w] == 0:
                continue
            left = max(start, grid + w * _WINDOW)
            right = min(end, grid + (w + 1) * _WINDOW)
            if (w == 0 or load[w - 1] == 0) and uniform(state) < 0.5:
                # Half of the real jobs do not begin on the ten minutes.
                left += int(0.5 * uniform(state) * (right - left))
            share = min(1.0, taken[w] / load[w]) if load[w] > 0 else 1.0
            square = real[2][chosen, source[w]] ** 2
            # Thinning a renewal process at random: cv² tends to one.
            cv = np.sqrt(max(4e-4, share * square + 1.0 - share))
            is_weibull = real[3][chosen, source[w]]
            part = ts[place : place + taken[w]]
            _gaps(state, _shape(cv, is_weibull, shapes), is_weibull, (left, right), part)
            place += taken[w]


@njit(nogil=True, cache=True)
def _follow(sums, volumes, state, wanted, start, end):  # type: ignore[no-untyped-def]
    """A real client and the window of its trace that comes first: (client, window)."""
    windows = (end - start) / _WINDOW
    span = min(max(1, int(windows)), WINDOWS)
    hour = int(start // _WINDOW) % _DAY_WINDOWS
    target = np.log(min(max(wanted / windows, volumes[0]), volumes[1]))
    width = max(_WIDTH, np.log(volumes[0] * windows / wanted))
    best, chosen, shift = -np.inf, 0, 0
    for trial in range(_TRIES):
        if trial >= _CANDIDATES and best > -np.inf:
            break
        client = below(state, len(sums))
        phase = 6 * (below(state, 2 * _PHASE + 1) - _PHASE)
        first = (below(state, 14) * _DAY_WINDOWS + hour + phase + WINDOWS) % WINDOWS
        amount = sums[client, first + span] - sums[client, first]
        if amount == 0:
            continue
        distance = abs(np.log(amount / span) - target)
        # The largest of score plus Gumbel noise is a draw with odds exp(score).
        score = -distance / width - np.log(-np.log(uniform(state)))
        if score > best:
            best, chosen, shift = score, client, first
    return chosen, shift


@njit(nogil=True, cache=True)
def _windows(requests, state, begin, window, out):  # type: ignore[no-untyped-def]
    """The real client's requests in each window of the world; returns their sum."""
    shift, grid = begin
    load, source = out
    start, end = window[0], window[1]
    total, week, jump = 0, 0, 0
    for w in range(len(load)):
        if w // _WEEK_WINDOWS != week:
            # Beyond the trace each week is one of its two, so that weekdays keep their place.
            week = w // _WEEK_WINDOWS
            jump = _WEEK_WINDOWS * (below(state, 2) - week) if week >= 2 else 0
        source[w] = (shift + w + jump) % WINDOWS
        inside = min(end, grid + (w + 1) * _WINDOW) - max(start, grid + w * _WINDOW)
        load[w] = 0
        if inside > 0:
            load[w] = int(requests[source[w]] * (inside / _WINDOW) + 0.5)
        total += load[w]
    return total


@njit(nogil=True, cache=True)
def _allot(state, load, total, wanted, taken):  # type: ignore[no-untyped-def]
    """Choose `wanted` of the real client's requests: a sample without replacement, and whole copies."""
    scale = wanted / total
    if scale < _THIN or scale > _COPIES:
        # Independent draws: the noise of thinning (or none to speak of) outweighs what replacement adds.
        sums = np.cumsum(load)
        taken[:] = 0
        for _ in range(wanted):
            taken[np.searchsorted(sums, below(state, total), side="right")] += 1
        return
    copies = wanted // total
    need, left = wanted - copies * total, total
    for w in range(len(load)):
        taken[w] = copies * load[w]
        for _ in range(load[w]):
            if uniform(state) * left < need:
                taken[w] += 1
                need -= 1
            left -= 1


@njit(nogil=True, cache=True)
def _shape(cv, is_weibull, shapes):  # type: ignore[no-untyped-def]
    """Shape of gaps with a coefficient of variation."""
    if not is_weibull:
        return 1.0 / (cv * cv)
    step = (np.log(cv) - np.log(0.02)) / (np.log(_LARGEST_CV) - np.log(0.02)) * (_SHAPES - 1)
    return shapes[min(max(int(step + 0.5), 0), _SHAPES - 1)]


@njit(nogil=True, cache=True)
def _gaps(state, shape, is_weibull, limits, ts):  # type: ignore[no-untyped-def]
    """Times between two limits, with gaps of the family and shape."""
    left, right = limits
    size = len(ts)
    gaps = np.empty(size + 1)
    total = 0.0
    for i in range(size + 1):
        gaps[i] = weibull(state, shape) if is_weibull else gamma(state, shape)
        if i in (0, size):
            # The window's edges fall inside a gap.
            gaps[i] *= uniform(state)
        total += gaps[i]
    # A program that sends a batch still needs some milliseconds for each request.
    least = min(4e-3 * _SECOND, 0.1 * (right - left) / (size + 1))
    free = (right - left) - least * (size + 1)
    now = float(left)
    for i in range(size):
        now += least * uniform(state) + (free * gaps[i] / total if total > 0 else 0.0)
        ts[i] = min(int(now), right - 1)
