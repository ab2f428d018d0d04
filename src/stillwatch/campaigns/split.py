"""Two kinds of users in one bundle: accounts parted by their mix of templates.

Two campaigns that share a template, or a campaign that uses a template of honest users, stand in one bundle. A
mixture of two multinomials over templates (EM, started from two means of the Hellinger-scaled mixes) parts them;
only the discovery half and only template use are looked at, so every test of the parts stays valid.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit

FloatArray = NDArray[np.float64]

LEAST_USES = 3
DISTANCE = 0.3
"""Smallest total variation distance between the mixes of two parts."""
_ITERATIONS = 30
_TWO_MEANS = 10


def split_by_mix(
    counts: FloatArray | csr_array, least: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Part accounts in two by their template mix, or None where one mix serves all.

    Args:
        counts: shape (n_accounts, n_templates), uses in the discovery half.
        least: fewest accounts of a part.

    Returns:
        Row numbers of both parts; accounts with fewer than `LEAST_USES` uses are in neither.
    """
    everybody = csr_array(counts)
    rows = np.flatnonzero(np.asarray(everybody.sum(axis=1)) >= LEAST_USES)
    if everybody.shape[1] < 2 or len(rows) < 2 * least:
        return None
    used = _Rows.of(everybody[rows])
    mixes = _fit(used)
    if mixes is None or 0.5 * np.abs(mixes[0] - mixes[1]).sum() < DISTANCE:
        return None
    likelihood = np.stack([used.times(np.log(mix)) for mix in mixes])
    second = likelihood[1] > likelihood[0]
    parts = rows[~second], rows[second]
    if min(len(parts[0]), len(parts[1])) < least or _gain(used, likelihood) <= 0:
        return None
    return parts


@dataclass(frozen=True)
class _Rows:
    """A sparse matrix, row by row; scipy's own products spend most of their time on what the matrix is.

    Attributes:
        starts: where each row begins, shape (n_rows + 1,).
        column: of each value, shape (n_values,).
        value: shape (n_values,).
        n_columns: columns.
    """

    starts: NDArray[np.int64]
    column: NDArray[np.int64]
    value: FloatArray
    n_columns: int

    @classmethod
    def of(cls, matrix: csr_array) -> "_Rows":
        starts, column = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
        return cls(starts, column, matrix.data.astype(np.float64), matrix.shape[1])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def times(self, vector: FloatArray) -> FloatArray:
        """Product with a vector of shape (n_columns,), shape (n_rows,)."""
        return np.asarray(_times(self.starts, self.column, self.value, vector), dtype=np.float64)

    def total(self, weight: FloatArray) -> FloatArray:
        """Weighted sum of the rows, shape (n_columns,)."""
        total = np.zeros(self.n_columns)
        _add_rows(self.starts, self.column, self.value, weight, total)
        return total

    def dense(self, number: int) -> FloatArray:
        """One row, shape (n_columns,)."""
        own = slice(self.starts[number], self.starts[number + 1])
        row = np.zeros(self.n_columns)
        row[self.column[own]] = self.value[own]
        return row


@njit(nogil=True, cache=True)
def _times(
    starts: NDArray[np.int64], column: NDArray[np.int64], value: FloatArray, vector: FloatArray
) -> FloatArray:
    product = np.empty(len(starts) - 1)
    for row in range(len(product)):
        total = 0.0
        for at in range(starts[row], starts[row + 1]):
            total += value[at] * vector[column[at]]
        product[row] = total
    return product


@njit(nogil=True, cache=True)
def _add_rows(
    starts: NDArray[np.int64],
    column: NDArray[np.int64],
    value: FloatArray,
    weight: FloatArray,
    total: FloatArray,
) -> None:
    for row in range(len(weight)):
        for at in range(starts[row], starts[row + 1]):
            total[column[at]] += value[at] * weight[row]


def _fit(used: _Rows) -> FloatArray | None:
    """Template mixes of two components, shape (2, n_templates); None where all accounts have one mix."""
    first = _two_means(used)
    if first is None:
        return None
    weight = first.astype(np.float64)
    everything = used.total(np.ones(len(weight)))
    for _ in range(_ITERATIONS):
        share = weight.mean() + 1e-9
        own = used.total(weight)
        mixes = np.stack([own, everything - own]) + 0.5
        mixes /= mixes.sum(axis=1, keepdims=True)
        odds = np.log(share / (1.0 - share + 2e-9))
        before, weight = weight, expit(used.times(np.log(mixes[0] / mixes[1])) + odds)
        if np.array_equal(before, weight):
            break
    return np.asarray(mixes, dtype=np.float64)


def _two_means(used: _Rows) -> NDArray[np.bool_] | None:
    """Which accounts are nearer to the first of two means of the Hellinger-scaled mixes; None where all are alike.

    Scaled mixes have length 1, so that the squared distance to a centre is 1 - 2 <mix, centre> + |centre|^2.
    """
    scaled = _hellinger(used)
    everything = scaled.total(np.ones(len(scaled)))
    farthest = int(np.argmin(scaled.times(everything)))
    opposite = int(np.argmin(scaled.times(scaled.dense(farthest))))
    if farthest == opposite:
        return None
    centres = np.stack([scaled.dense(farthest), scaled.dense(opposite)])
    first = np.zeros(0, dtype=bool)
    for _ in range(_TWO_MEANS):
        before, first = first, _nearer(scaled, centres)
        if np.array_equal(before, first):
            break
        own = scaled.total(first.astype(np.float64))
        for number, (total, size) in enumerate(
            ((own, np.count_nonzero(first)), (everything - own, np.count_nonzero(~first)))
        ):
            if size:
                centres[number] = total / size
    return first


def _hellinger(used: _Rows) -> _Rows:
    totals = used.times(np.ones(used.n_columns))
    return replace(used, value=np.sqrt(used.value / np.repeat(totals, np.diff(used.starts))))


def _nearer(scaled: _Rows, centres: FloatArray) -> NDArray[np.bool_]:
    """Rows of length 1 that are at least as near to the first of two centres."""
    norms = (centres**2).sum(axis=1)
    return np.asarray(2.0 * scaled.times(centres[0] - centres[1]) >= norms[0] - norms[1])


def _gain(used: _Rows, likelihood: FloatArray) -> float:
    """Bayesian information criterion of two mixes over one (Schwarz 1978), positive where two are better.

    Args:
        used: what the accounts used.
        likelihood: logarithms, shape (2, n_accounts).
    """
    pooled = used.total(np.ones(len(used))) + 0.5
    single = float(used.times(np.log(pooled / pooled.sum())).sum())
    double = float(np.logaddexp(*likelihood).sum() + len(used) * np.log(0.5))
    return float(double - single - 0.5 * used.n_columns * math.log(len(used)))
