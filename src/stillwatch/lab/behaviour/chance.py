"""Chance inside compiled kernels: a stream of its own for every client, from one 64-bit seed each.

Sources: splitmix64 (Steele, Lea and Flood, OOPSLA 2014); gamma variates of Marsaglia and Tsang (ACM TOMS 26:3,
2000); normal variates by Marsaglia's polar method.
"""

import math
from typing import Any

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

State = NDArray[np.uint64]


@njit(nogil=True, cache=True, inline="always")
def uniform(state: State) -> float:
    """A number in (0, 1); the state is one uint64 in an array, moved on."""
    state[0] += uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    z = z ^ (z >> uint64(31))
    return (float(z >> uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@njit(nogil=True, cache=True)
def below(state: State, limit: Any) -> int:
    """A whole number in 0..limit-1."""
    place: int = min(int(uniform(state) * limit), limit - 1)
    return place


@njit(nogil=True, cache=True)
def normal(state: State) -> float:
    """A standard normal number."""
    while True:
        x = 2.0 * uniform(state) - 1.0
        y = 2.0 * uniform(state) - 1.0
        r = x * x + y * y
        if 0.0 < r < 1.0:
            return x * math.sqrt(-2.0 * math.log(r) / r)


@njit(nogil=True, cache=True)
def gamma(state: State, shape: float) -> float:
    """A gamma number of scale one."""
    boost = 1.0
    if shape < 1.0:
        boost = uniform(state) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(state)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        u = uniform(state)
        if u < 1.0 - 0.0331 * x * x * x * x or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return d * v * boost


@njit(nogil=True, cache=True)
def weibull(state: State, shape: float) -> float:
    """A Weibull number of scale one."""
    drawn: float = (-math.log(uniform(state))) ** (1.0 / shape)
    return drawn
