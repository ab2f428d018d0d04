"""Bipartite configuration model: what entities share by chance, given how much each has and how common each
value is.

The maximum-entropy ensemble of entity-value graphs whose degrees hold in expectation
(Squartini & Garlaschelli, New J. Phys. 13, 083001, 2011; Saracco, Di Clemente, Gabrielli & Squartini, Sci.
Rep. 5, 10595, 2015). Entries are independent: P(i has v) = x_i y_v / (1 + x_i y_v).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stillwatch.exchange.errors import StillwatchError
from stillwatch.links.incidence import Incidence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 1e-10
_MAX_ITERATIONS = 500
_MAX_STEP = 8.0


class DegreeError(StillwatchError, ValueError):
    """No graph has these degrees."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "count both degree sequences from one table of distinct (entity, value) pairs")


def solve_bicm(entity_degrees: Ints, value_degrees: Ints) -> tuple[Floats, Floats]:
    """Fit the model to two degree sequences.

    Entities of one degree share one parameter, so the cost depends on the number of distinct degrees only.
    Newton's method on the concave log-likelihood, with a line search.

    Args:
        entity_degrees: values per entity (n_entities,), non-negative.
        value_degrees: entities per value (n_values,), non-negative.

    Returns:
        (log x (n_entities,), log y (n_values,)); -inf where the degree is 0. Expected degrees are within
        1e-10 of the given ones, relative to the degree where that is above 1.

    Raises:
        DegreeError: the sequences fit no 0/1 matrix (negative, sums that differ, Gale-Ryser condition).
    """
    check_degrees(entity_degrees, value_degrees)
    log_x = np.full(entity_degrees.size, -np.inf)
    log_y = np.full(value_degrees.size, -np.inf)
    if entity_degrees.sum() == 0:
        return log_x, log_y
    rows, columns = entity_degrees > 0, value_degrees > 0
    row_degree, row_class, row_count = _classes(entity_degrees[rows])
    column_degree, column_class, column_count = _classes(value_degrees[columns])
    alpha, beta = _newton(row_degree, row_count, column_degree, column_count)
    log_x[rows] = alpha[row_class]
    log_y[columns] = beta[column_class]
    return log_x, log_y


def check_degrees(entity_degrees: Ints, value_degrees: Ints) -> None:
    """Raise DegreeError unless some 0/1 matrix has these row and column sums (Gale 1957, Ryser 1957)."""
    if min(entity_degrees.min(initial=0), value_degrees.min(initial=0)) < 0:
        raise DegreeError("a degree is negative")
    if entity_degrees.sum() != value_degrees.sum():
        raise DegreeError(
            f"the entities have {entity_degrees.sum()} attributes in all, but the values have "
            f"{value_degrees.sum()} holders in all"
        )
    heads = np.sort(entity_degrees)[::-1].cumsum()
    columns = np.sort(value_degrees)
    below = np.concatenate([[0], columns.cumsum()])
    k = np.arange(1, heads.size + 1)
    smaller = np.searchsorted(columns, k)
    room = below[smaller] + k * (columns.size - smaller)
    if np.any(heads > room):
        first = int(np.argmax(heads > room))
        raise DegreeError(
            f"the {first + 1} entities with the most values have {heads[first]} in all, "
            f"but there is room for {room[first]}"
        )


def _classes(degrees: Ints) -> tuple[Floats, Ints, Floats]:
    degree, inverse, count = np.unique(degrees, return_inverse=True, return_counts=True)
    return degree.astype(float), inverse.reshape(-1), count.astype(float)


def _newton(r: Floats, n: Floats, c: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Log-parameters per class for degrees r, c with multiplicities n, m."""
    root = 0.5 * np.log(float(n @ r))
    alpha, beta = np.log(r) - root, np.log(c) - root
    value = _likelihood(alpha, beta, r, n, c, m)
    for _ in range(_MAX_ITERATIONS):
        p = expit(alpha[:, None] + beta[None, :])
        row_gap, column_gap = r - p @ m, c - n @ p
        if (
            max(np.max(np.abs(row_gap) / np.maximum(1, r)), np.max(np.abs(column_gap) / np.maximum(1, c)))
            < TOLERANCE
        ):
            return alpha, beta
        d_alpha, d_beta = _direction(p * (1 - p), row_gap, column_gap, n, m)
        slope = float((n * row_gap) @ d_alpha + (m * column_gap) @ d_beta)
        step = min(1.0, _MAX_STEP / max(np.abs(d_alpha).max(), np.abs(d_beta).max(), 1e-300))
        for _ in range(60):
            tried = _likelihood(alpha + step * d_alpha, beta + step * d_beta, r, n, c, m)
            # Near the optimum the gain is lost in rounding: the full step is taken then.
            if tried >= value + 1e-4 * step * slope - 1e-13 * abs(value):
                break
            step /= 2
        alpha, beta, value = alpha + step * d_alpha, beta + step * d_beta, tried
    raise StillwatchError(
        "the bipartite configuration model did not converge on these degrees",
        "please report the degree sequences (counts only, no identifiers) as a bug",
    )


def _direction(v: Floats, row_gap: Floats, column_gap: Floats, n: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Newton step: the rows are eliminated first, what is left is dense in the column classes."""
    if v.shape[0] < v.shape[1]:
        d_beta, d_alpha = _direction(v.T, column_gap, row_gap, m, n)
        return d_alpha, d_beta
    weight = n[:, None] * v * m[None, :]
    diagonal_a = weight.sum(1) + 1e-300
    diagonal_b = weight.sum(0)
    g_a, g_b = n * row_gap, m * column_gap
    scaled = weight / diagonal_a[:, None]
    schur = np.diag(diagonal_b) - weight.T @ scaled
    scale = 1 / np.sqrt(diagonal_b + 1e-300)
    scaled_schur = schur * scale[:, None] * scale
    # x and y are fixed only up to a common factor: the ridge picks one and bounds the steps at the boundary.
    scaled_schur[np.diag_indices_from(schur)] += 1e-11
    d_beta = scale * np.linalg.solve(scaled_schur, scale * (g_b - scaled.T @ g_a))
    d_alpha = (g_a - weight @ d_beta) / diagonal_a
    return d_alpha, d_beta


def _likelihood(alpha: Floats, beta: Floats, r: Floats, n: Floats, c: Floats, m: Floats) -> float:
    total: Any = (n * r) @ alpha + (m * c) @ beta
    return float(total - n @ np.logaddexp(0, alpha[:, None] + beta[None, :]) @ m)


@dataclass(frozen=True)
class BipartiteModel:
    """The fitted null of one kind, one configuration model per stratum of entities.

    Attributes:
        log_x: log-parameter of each entity (n_entities,).
        stratum: stratum number of each entity (n_entities,), from 0.
        value_class: class of each value (n_values,): values with the same degree in every stratum.
        class_log_y: log-parameter of each class in each stratum (n_strata, n_classes).
        class_degree: total degree of a value of each class (n_classes,).
        class_size: number of values of each class (n_classes,).
    """

    log_x: Floats
    stratum: Ints
    value_class: Ints
    class_log_y: Floats
    class_degree: Ints
    class_size: Ints

    @cached_property
    def kinds(self) -> tuple[Ints, Ints]:
        """Entities that are alike: number of each one's kind (n_entities,), and an entity of each kind (n_kinds,)."""
        keys = np.stack([self.stratum, self.log_x])
        _, example, kind = np.unique(keys, axis=1, return_index=True, return_inverse=True)
        return kind.reshape(-1).astype(np.int64), example.astype(np.int64)

    def probabilities(self, entities: Ints, value_class: int) -> Floats:
        """P(entity has a value of that class), for each of `entities` (n,)."""
        return np.asarray(expit(self.log_x[entities] + self.class_log_y[self.stratum[entities], value_class]))

    def probabilities_of_classes(self, entities: Ints, classes: Ints) -> Floats:
        """P(entity has a value of a class), for each of some classes and of `entities` (n_classes, n)."""
        log_y = self.class_log_y[:, classes][self.stratum[entities]]
        return np.asarray(expit(self.log_x[entities] + log_y.T))


def fit_bicm(incidence: Incidence, strata: Ints | None = None) -> BipartiteModel:
    """Fit the null of one kind.

    Args:
        incidence: who has what.
        strata: stratum number of each entity (n_entities,), from 0; None for one stratum. Entities are
            compared with their own stratum: what is popular among heavy automated clients is popular there
            only. Strata must be coarse (hundreds of entities): one that is a campaign explains the campaign
            away.

    Returns:
        The model; its laws depend on the degrees only.
    """
    stratum = np.zeros(incidence.n_entities, np.int64) if strata is None else strata.astype(np.int64)
    n_strata = int(stratum.max(initial=0)) + 1
    entry_stratum = np.repeat(stratum, incidence.entity_degrees)
    cells = np.asarray(incidence.matrix.indices, np.int64) * n_strata + entry_stratum
    degrees = np.bincount(cells, minlength=incidence.n_values * n_strata).reshape(-1, n_strata)
    classes, first, value_class, size = np.unique(
        degrees, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    log_x = np.full(incidence.n_entities, -np.inf)
    log_y = np.full((n_strata, classes.shape[0]), -np.inf)
    for number in range(n_strata):
        members = np.flatnonzero(stratum == number)
        log_x[members], of_values = solve_bicm(incidence.entity_degrees[members], degrees[:, number])
        log_y[number] = of_values[first]
    return BipartiteModel(log_x, stratum, value_class.reshape(-1), log_y, classes.sum(1), size)
