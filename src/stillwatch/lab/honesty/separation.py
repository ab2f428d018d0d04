"""How well a classifier tells two samples apart: cross-validated area under the ROC curve with its interval.

Two small classifiers are averaged, so that neither a shift of one figure nor a relation of two goes unseen:
boosted stumps (Friedman, Annals of Statistics 29:5, 2001; logistic loss) and a ridge logistic regression on
ranks with their squares and products. The interval is that of DeLong, DeLong and Clarke-Pearson (Biometrics
44:3, 1988).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_CUTS = 16


@dataclass(frozen=True)
class Separation:
    """Area under the ROC curve.

    Attributes:
        auc: 0.5 is chance.
        low: lower end of the interval.
        high: upper end.
        single: area of each feature by itself, folded to 0.5..1, in the order of the features.
    """

    auc: float
    low: float
    high: float
    single: list[float]


def separate(
    features: Floats,
    label: Bools,
    group: Ints,
    rng: np.random.Generator,
    repeats: int = 2,
    twin: Ints | None = None,
) -> Separation:
    """Separation of two samples by out-of-fold scores.

    Args:
        features: rows x features, finite.
        label: which sample a row is of.
        group: rows of one group share a fold (matched pairs, accounts of one owner).
        rng: deals groups to folds.
        repeats: fold assignments to average over.
        twin: rows of the two samples that were matched have one number. Training leaves out the twins of rows
            that are scored: half a pair would teach the opposite of what the other half is, and hide a
            difference behind an area below one half.
    """
    if not np.isfinite(features).all():
        raise ValueError("features must be finite numbers")
    ranks = np.apply_along_axis(rankdata, 0, features) / (len(features) + 1) - 0.5
    label = np.asarray(label, bool)
    score = np.zeros(len(label))
    for _ in range(repeats):
        score += _out_of_fold(ranks, label, _folds(group, 5, rng), group if twin is None else twin)
    auc, error = delong(score, label)
    half = float(norm.ppf(0.975)) * error
    single = [delong(column, label)[0] for column in ranks.T]
    return Separation(auc, max(0.0, auc - half), min(1.0, auc + half), [0.5 + abs(a - 0.5) for a in single])


def delong(score: Floats, label: Bools) -> tuple[float, float]:
    """Area under the ROC curve (ties count one half) and its standard error."""
    positive, negative = score[label], score[~label]
    m, n = len(positive), len(negative)
    if m < 2 or n < 2:
        raise ValueError(f"two rows of each sample are needed, there are {m} and {n}")
    together = rankdata(np.concatenate([positive, negative]))
    above = (together[:m] - rankdata(positive)) / n
    below = 1 - (together[m:] - rankdata(negative)) / m
    return float(above.mean()), float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))


def _folds(group: Ints, count: int, rng: np.random.Generator) -> Ints:
    names, place = np.unique(group, return_inverse=True)
    fold: Ints = rng.permutation(len(names))[place] % count
    return fold


def _out_of_fold(ranks: Floats, label: Bools, fold: Ints, twin: Ints) -> Floats:
    total = np.zeros(len(label))
    for number in np.unique(fold):
        held = fold == number
        known = ~held & ~np.isin(twin, twin[held])
        train, aim = ranks[known], label[known].astype(np.float64)
        # The share of each sample in training differs by fold; scores of folds must not.
        prior = 2 * logit(aim.mean())
        total[held] += _boosted(train, aim, ranks[held]) + _ridge(train, aim, ranks[held]) - prior
    return total


def _boosted(train: Floats, aim: Floats, test: Floats, rounds: int = 120, rate: float = 0.12) -> Floats:
    """Log odds of the test rows after gradient boosting with stumps on ranks."""
    cuts = np.linspace(-0.5, 0.5, _CUTS + 2)[1:-1]
    above = (train[:, :, None] > cuts).reshape(len(train), -1).astype(np.float64)
    above_test = (test[:, :, None] > cuts).reshape(len(test), -1)
    odds, scores = np.zeros(len(train)), np.zeros(len(test))
    for _ in range(rounds):
        chance = expit(odds)
        slope, curve = aim - chance, chance * (1 - chance)
        right, right_curve = slope @ above, curve @ above + 1.0
        left, left_curve = slope.sum() - right, curve.sum() - right_curve + 2.0
        best = int(np.argmax(right**2 / right_curve + left**2 / left_curve))
        up, down = rate * right[best] / right_curve[best], rate * left[best] / left_curve[best]
        odds += np.where(above[:, best] > 0, up, down)
        scores += np.where(above_test[:, best], up, down)
    return scores


def _ridge(train: Floats, aim: Floats, test: Floats, penalty: float = 3.0) -> Floats:
    """Log odds of the test rows by logistic regression on a quadratic basis, by Newton's method."""
    basis, basis_test = _quadratic(train), _quadratic(test)
    mean, spread = basis.mean(0), basis.std(0) + 1e-9
    basis, basis_test = (basis - mean) / spread, (basis_test - mean) / spread
    basis = np.column_stack([np.ones(len(basis)), basis])
    weights = np.full(basis.shape[1], penalty)
    weights[0] = 1e-6
    beta = np.zeros(basis.shape[1])
    for _ in range(8):
        chance = expit(basis @ beta)
        slope = basis.T @ (aim - chance) - weights * beta
        beta += _newton_step(basis, chance * (1 - chance), weights, slope)
    scores: Floats = beta[0] + basis_test @ beta[1:]
    return scores


def _newton_step(basis: Floats, curve: Floats, weights: Floats, slope: Floats) -> Floats:
    """Solution of (basis' curve basis + weights) step = slope."""
    if len(basis) >= basis.shape[1]:
        hessian = (basis * curve[:, None]).T @ basis + np.diag(weights)
        return np.asarray(np.linalg.solve(hessian, slope))
    # More columns than rows: the matrix inversion lemma (Woodbury) needs a system of the rows' size only.
    scaled = basis / weights
    inner = scaled @ basis.T + np.diag(1 / np.maximum(curve, 1e-12))
    return np.asarray(slope / weights - scaled.T @ np.linalg.solve(inner, scaled @ slope))


def _quadratic(x: Floats) -> Floats:
    first, second = np.triu_indices(x.shape[1])
    return np.column_stack([x, x[:, first] * x[:, second]])
