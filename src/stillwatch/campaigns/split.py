"""Two kinds of users in one bundle: accounts parted by their mix of templates.

Two campaigns that share a template, or a campaign that uses a template of honest users, stand in one bundle. A
mixture of two multinomials over templates (EM, started from two means of the Hellinger-scaled mixes) parts them;
only the discovery half and only template use are looked at, so every test of the parts stays valid.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_array
from scipy.special import logsumexp

FloatArray = NDArray[np.float64]

LEAST_USES = 3
MOST_CELLS = 20_000_000
"""Most accounts x templates from which two mixes are fitted: of more accounts every second, third ... is taken."""
DISTANCE = 0.3
"""Smallest total variation distance between the mixes of two parts."""
_ITERATIONS = 30


def split_by_mix(
    counts: FloatArray | csr_array, least: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Part accounts in two by their template mix, or None where one mix serves all.

    Args:
        counts: shape (n_accounts, n_templates), uses in the discovery half; sparse where dense ones would be large.
        least: fewest accounts of a part.

    Returns:
        Row numbers of both parts; accounts with fewer than `LEAST_USES` uses are in neither.
    """
    rows = np.flatnonzero(np.asarray(counts.sum(axis=1)) >= LEAST_USES)
    if counts.shape[1] < 2 or len(rows) < 2 * least:
        return None
    used = counts[rows]
    fitted = used[:: 1 + len(rows) * counts.shape[1] // MOST_CELLS]
    mixes = _fit(fitted.toarray() if isinstance(fitted, csr_array) else fitted)
    if mixes is None or 0.5 * np.abs(mixes[0] - mixes[1]).sum() < DISTANCE:
        return None
    likelihood = used @ np.log(mixes).T
    second = likelihood[:, 1] > likelihood[:, 0]
    parts = rows[~second], rows[second]
    if min(len(parts[0]), len(parts[1])) < least or _gain(used, likelihood) <= 0:
        return None
    return parts


def _fit(used: FloatArray) -> FloatArray | None:
    """Template mixes of two components, shape (2, n_templates)."""
    scaled = np.sqrt(used / used.sum(axis=1, keepdims=True))
    farthest = np.argmax(((scaled - scaled.mean(axis=0)) ** 2).sum(axis=1))
    opposite = np.argmax(((scaled - scaled[farthest]) ** 2).sum(axis=1))
    if farthest == opposite:
        return None
    _, label = kmeans2(scaled, scaled[[farthest, opposite]], iter=10, minit="matrix", missing="warn")
    weight = np.stack([label == 0, label == 1], axis=1).astype(np.float64)
    for _ in range(_ITERATIONS):
        share = weight.mean(axis=0) + 1e-9
        mixes = weight.T @ used + 0.5
        mixes /= mixes.sum(axis=1, keepdims=True)
        joint = used @ np.log(mixes).T + np.log(share)
        weight = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    return np.asarray(mixes, dtype=np.float64)


def _gain(used: FloatArray | csr_array, likelihood: FloatArray) -> float:
    """Bayesian information criterion of two mixes over one (Schwarz 1978), positive where two are better."""
    pooled = np.asarray(used.sum(axis=0)) + 0.5
    single = float((used @ np.log(pooled / pooled.sum())).sum())
    double = float(logsumexp(likelihood + np.log(0.5), axis=1).sum())
    return float(double - single - 0.5 * used.shape[1] * math.log(used.shape[0]))
