"""Two kinds of users in one bundle: accounts parted by their mix of templates.

Two campaigns that share a template, or a campaign that uses a template of honest users, stand in one bundle. A
mixture of two multinomials over templates (EM, started from two means of the Hellinger-scaled mixes) parts them;
only the discovery half and only template use are looked at, so every test of the parts stays valid.
"""

import math

import numpy as np
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
    used = everybody[rows]
    mixes = _fit(used)
    if mixes is None or 0.5 * np.abs(mixes[0] - mixes[1]).sum() < DISTANCE:
        return None
    likelihood = used @ np.log(mixes).T
    second = likelihood[:, 1] > likelihood[:, 0]
    parts = rows[~second], rows[second]
    if min(len(parts[0]), len(parts[1])) < least or _gain(used, likelihood) <= 0:
        return None
    return parts


def _fit(used: csr_array) -> FloatArray | None:
    """Template mixes of two components, shape (2, n_templates); None where all accounts have one mix."""
    first = _two_means(used)
    if first is None:
        return None
    weight = first.astype(np.float64)
    everything = _total(used, np.ones(len(weight)))
    for _ in range(_ITERATIONS):
        share = weight.mean() + 1e-9
        own = _total(used, weight)
        mixes = np.stack([own, everything - own]) + 0.5
        mixes /= mixes.sum(axis=1, keepdims=True)
        odds = np.log(share / (1.0 - share + 2e-9))
        before, weight = weight, expit(used @ np.log(mixes[0] / mixes[1]) + odds)
        if np.array_equal(before, weight):
            break
    return np.asarray(mixes, dtype=np.float64)


def _two_means(used: csr_array) -> NDArray[np.bool_] | None:
    """Which accounts are nearer to the first of two means of the Hellinger-scaled mixes; None where all are alike.

    Scaled mixes have length 1, so that the squared distance to a centre is 1 - 2 <mix, centre> + |centre|^2.
    """
    scaled = _hellinger(used)
    everything = _total(scaled, np.ones(scaled.shape[0]))
    farthest = int(np.argmin(scaled @ everything))
    opposite = int(np.argmin(scaled @ _row(scaled, farthest)))
    if farthest == opposite:
        return None
    centres = np.stack([_row(scaled, farthest), _row(scaled, opposite)])
    first = np.zeros(0, dtype=bool)
    for _ in range(_TWO_MEANS):
        before, first = first, _nearer(scaled, centres)
        if np.array_equal(before, first):
            break
        own = _total(scaled, first.astype(np.float64))
        for number, (total, size) in enumerate(
            ((own, np.count_nonzero(first)), (everything - own, np.count_nonzero(~first)))
        ):
            if size:
                centres[number] = total / size
    return first


def _hellinger(used: csr_array) -> csr_array:
    scaled = used.astype(np.float64)
    totals = np.asarray(scaled.sum(axis=1))
    scaled.data = np.sqrt(scaled.data / np.repeat(totals, np.diff(scaled.indptr)))
    return scaled


def _nearer(scaled: csr_array, centres: FloatArray) -> NDArray[np.bool_]:
    """Rows of length 1 that are at least as near to the first of two centres."""
    norms = (centres**2).sum(axis=1)
    return np.asarray(2.0 * (scaled @ (centres[0] - centres[1])) >= norms[0] - norms[1])


def _total(rows: csr_array, weight: FloatArray) -> FloatArray:
    """Weighted sum of rows, shape (n_columns,)."""
    return np.asarray(rows.T @ weight, dtype=np.float64)


def _row(rows: csr_array, number: int) -> FloatArray:
    """One row, dense."""
    return np.asarray(rows[[number]].toarray()[0], dtype=np.float64)


def _gain(used: csr_array, likelihood: FloatArray) -> float:
    """Bayesian information criterion of two mixes over one (Schwarz 1978), positive where two are better."""
    pooled = np.asarray(used.sum(axis=0)) + 0.5
    single = float((used @ np.log(pooled / pooled.sum())).sum())
    double = float(np.logaddexp(likelihood[:, 0], likelihood[:, 1]).sum() + len(likelihood) * np.log(0.5))
    return float(double - single - 0.5 * used.shape[1] * math.log(used.shape[0]))
