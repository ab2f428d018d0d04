"""Chance that depends on the request alone, so that no request's fate changes with what else is in the world."""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

from stillwatch.lab.behaviour.clocks import Floats, Ints

Names = NDArray[np.uint64]


def uniform(ids: Names, purpose: int) -> Floats:
    """Draws from (0, 1), one an id; draws for different purposes are independent (splitmix64, Steele et al. 2014)."""
    return _uniform(ids, np.uint64(purpose))


def normal(ids: Names, purpose: int) -> Floats:
    """Standard normal draws, by the inverse of the distribution function."""
    return np.asarray(ndtri(uniform(ids, purpose)))


def lognormal(ids: Names, purpose: int, mean: float, sigma: float | Floats) -> Floats:
    """Log-normal draws; `mean` is that of the logarithm."""
    return np.exp(mean + sigma * normal(ids, purpose))


def choice(ids: Names, purpose: int, weights: tuple[float, ...]) -> Ints:
    """Places drawn with these weights."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, uniform(ids, purpose)), len(weights) - 1)


@njit(cache=True, nogil=True)
def _uniform(ids: Names, purpose: np.uint64) -> Floats:  # pragma: no cover - compiled
    out = np.empty(len(ids), np.float64)
    for place in range(len(ids)):
        z = ids[place] + (purpose + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        out[place] = (np.float64(z >> np.uint64(12)) + 0.5) * 2.0**-52
    return out
