"""Linear models for sparse features: weighted softmax and logistic regression with an L2 penalty, by L-BFGS.

All fits start at zero and use no random numbers: the same data gives the same weights.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

Floats = npt.NDArray[np.float64]
ITERATIONS = 100


@dataclass(frozen=True)
class Fit:
    """Weights float64 [n_features, k] and bias [k] of a linear model."""

    weights: Floats
    bias: Floats

    def scores(self, x: sp.csr_matrix) -> Floats:
        """Raw scores, float64 [n, k]."""
        return np.asarray(x @ self.weights) + self.bias


def fit_softmax(x: sp.csr_matrix, y: npt.NDArray[np.int64], weight: Floats, k: int, l2: float) -> Fit:
    """Multinomial logistic regression.

    Minimises the weighted mean of the log loss plus l2 / 2 times the squared weights; the bias is not
    penalised.

    Args:
        x: features, CSR [n, d].
        y: classes 0 .. k - 1, int64 [n].
        weight: float64 [n], not all zero.
        k: number of classes.
        l2: penalty.
    """
    target = np.zeros((x.shape[0], k))
    target[np.arange(x.shape[0]), y] = 1.0

    def loss(raw: Floats, share: Floats) -> tuple[float, Floats]:
        value = -float((share[:, None] * target * log_softmax(raw, axis=1)).sum())
        return value, share[:, None] * (softmax(raw, axis=1) - target)

    return _minimise(x, weight, k, l2, loss)


def fit_logistic(x: sp.csr_matrix, y: npt.NDArray[np.int64], weight: Floats, l2: float) -> Fit:
    """Logistic regression of one yes/no label (y in {0, 1}); arguments as in `fit_softmax`."""
    target = y.astype(np.float64)[:, None]

    def loss(raw: Floats, share: Floats) -> tuple[float, Floats]:
        value = float((share[:, None] * (np.logaddexp(0.0, raw) - target * raw)).sum())
        return value, share[:, None] * (1.0 / (1.0 + np.exp(-raw)) - target)

    return _minimise(x, weight, 1, l2, loss)


def _minimise(x: sp.csr_matrix, weight: Floats, k: int, l2: float, loss) -> Fit:  # type: ignore[no-untyped-def]
    x = x.astype(np.float64)
    transposed = x.T.tocsr()
    d = x.shape[1]
    share = weight / weight.sum()

    def objective(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat[: d * k].reshape(d, k), flat[d * k :]
        value, slope = loss(np.asarray(x @ weights) + bias, share)
        gradient = np.asarray(transposed @ slope) + l2 * weights
        return value + 0.5 * l2 * float((weights**2).sum()), np.concatenate(
            [gradient.ravel(), slope.sum(axis=0)]
        )

    found = minimize(
        objective, np.zeros(d * k + k), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    )
    return Fit(found.x[: d * k].reshape(d, k), found.x[d * k :])


def fit_platt(raw: Floats, y: npt.NDArray[np.int64], weight: Floats) -> tuple[float, float]:
    """Slope and offset that turn raw scores into probabilities (Platt 1999, with his smoothed targets).

    Args:
        raw: scores on projects that the model has not seen, float64 [n].
        y: int64 [n] in {0, 1}.
        weight: float64 [n].
    """
    share = weight / weight.sum()
    positives, negatives = float((y == 1).sum()), float((y == 0).sum())
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def objective(p: Floats) -> tuple[float, Floats]:
        z = p[0] * raw + p[1]
        slope = share * (1.0 / (1.0 + np.exp(-z)) - target)
        value = float((share * (np.logaddexp(0.0, z) - target * z)).sum())
        return value, np.array([float(slope @ raw), float(slope.sum())])

    found = minimize(
        objective, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)]
    )
    return float(found.x[0]), float(found.x[1])


def fit_temperature(raw: Floats, y: npt.NDArray[np.int64], weight: Floats) -> float:
    """The divisor of the scores that minimises the log loss of their softmax (Guo et al., ICML 2017)."""
    share = weight / weight.sum()
    rows = np.arange(len(y))

    def objective(p: Floats) -> float:
        return -float((share * log_softmax(raw / np.exp(p[0]), axis=1)[rows, y]).sum())

    found = minimize(objective, np.zeros(1), method="L-BFGS-B", bounds=[(-3.0, 3.0)])
    return float(np.exp(found.x[0]))
