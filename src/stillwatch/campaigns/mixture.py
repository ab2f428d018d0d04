"""One test behind three families of evidence: are these accounts fed from one source, or on their own?

Each account's data have a likelihood under every value g of a heterogeneity parameter (how loyal an account is
to its own topics, how bursty it is, how often it repeats). Some values are *innocent* (a customer of its own),
the rest *dealt* (a thinning of one common process). The null model is as wide as honesty allows: accounts are
independent, each draws its g from ANY distribution that puts at least `1 - exempt` on innocent values. The
likelihood is maximised over all those distributions on the very data under test, so the ratio is an e-value
whatever the innocent mix is (universal inference: Wasserman, Ramdas & Balakrishnan 2020, PNAS 117).
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import logsumexp

FloatArray = NDArray[np.float64]

_ITERATIONS = 200
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Verdict:
    """Outcome for one group.

    Attributes:
        log_e: natural logarithm of the e-value against "at least 1 - exempt of the accounts are innocent".
        log_ratios: shape (n_accounts,); dealt against innocent, account by account.
        innocent_share: estimated share of innocent accounts, without the null's constraint.
    """

    log_e: float
    log_ratios: FloatArray
    innocent_share: float


def dealt_test(
    log_likelihood: FloatArray, innocent: NDArray[np.bool_], exempt: float = 1 / 3, doubt: float = 0.1
) -> Verdict:
    """Test whether more than `exempt` of a group's accounts are dealt from one source.

    Args:
        log_likelihood: shape (n_accounts, n_values); of each account under each value of g. Base rates in it
            must not have been fitted on the same data for dealt values (use held-out exchanges).
        innocent: shape (n_values,); which values are a customer of its own.
        exempt: share of accounts that the null model leaves free to look dealt.
        doubt: share of innocent accounts that the alternative expects inside a true campaign.
    """
    n_accounts, _ = log_likelihood.shape
    if n_accounts == 0:
        return Verdict(0.0, np.zeros(0), 1.0)
    prior = np.where(innocent, doubt / innocent.sum(), (1 - doubt) / (~innocent).sum())
    log_alternative = _prequential(log_likelihood, prior)
    null_weights = _fit(log_likelihood, innocent, floor=1 - exempt)
    log_null = float(logsumexp(log_likelihood + _log(null_weights), axis=1).sum())
    log_null += _shortfall(log_likelihood, innocent, null_weights, 1 - exempt)
    free_weights = _fit(log_likelihood, innocent, floor=0.0)
    ratios = _account_ratios(log_likelihood, innocent, null_weights)
    return Verdict(log_alternative - log_null, ratios, float(free_weights[innocent].sum()))


def _prequential(log_likelihood: FloatArray, prior: FloatArray) -> float:
    """Each account predicted from those before it (Dawid 1984): adapts to the campaign, and stays an e-value."""
    top = log_likelihood.max(axis=1)
    scaled = np.exp(log_likelihood - top[:, None])
    counts, mass = prior.copy(), float(prior.sum())
    total = float(top.sum())
    for row in scaled:
        joint = row * counts
        predicted = float(joint.sum())
        total += math.log(predicted / mass)
        counts += joint / predicted
        mass += 1.0
    return total


def _account_ratios(
    log_likelihood: FloatArray, innocent: NDArray[np.bool_], weights: FloatArray
) -> FloatArray:
    inside = weights[innocent] / weights[innocent].sum()
    log_innocent = logsumexp(log_likelihood[:, innocent] + _log(inside), axis=1)
    n_dealt = int((~innocent).sum())
    log_dealt = logsumexp(log_likelihood[:, ~innocent], axis=1) - np.log(n_dealt)
    return np.asarray(log_dealt - log_innocent)


def _fit(log_likelihood: FloatArray, innocent: NDArray[np.bool_], floor: float) -> FloatArray:
    """Mixing weights of highest likelihood with at least `floor` on innocent values (constrained EM)."""
    n_innocent, n_dealt = int(innocent.sum()), int((~innocent).sum())
    start = max(floor, 0.5)
    weights = np.where(innocent, start / n_innocent, (1 - start) / n_dealt)
    scaled = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    return np.asarray(_em(scaled, innocent, weights, floor))


@njit(cache=True, nogil=True)
def _em(scaled, innocent, weights, floor):  # type: ignore[no-untyped-def]
    n_accounts, n_values = scaled.shape
    n_innocent = innocent.sum()
    previous = -np.inf
    responsibility = np.empty(n_values)
    for _ in range(_ITERATIONS):
        responsibility[:] = 0.0
        current = 0.0
        for account in range(n_accounts):
            mixed = 0.0
            for value in range(n_values):
                mixed += scaled[account, value] * weights[value]
            current += math.log(mixed)
            for value in range(n_values):
                responsibility[value] += scaled[account, value] / mixed
        if current - previous < _TOLERANCE:
            break
        previous = current
        mass = 0.0
        for value in range(n_values):
            weights[value] *= responsibility[value] / n_accounts
            if innocent[value]:
                mass += weights[value]
        if mass < floor:  # the exact M-step under the constraint: rescale the two blocks
            for value in range(n_values):
                if not innocent[value]:
                    weights[value] *= (1 - floor) / (1 - mass)
                elif mass > 0:
                    weights[value] *= floor / mass
                else:
                    weights[value] = floor / n_innocent
    return weights


def _shortfall(
    log_likelihood: FloatArray, innocent: NDArray[np.bool_], weights: FloatArray, floor: float
) -> float:
    """Upper bound on what the null's log-likelihood may still gain after EM stopped (concavity), >= 0.

    Given to the null, so that an unfinished maximum never makes evidence.
    """
    scaled = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    gradient = (scaled / (scaled @ weights)[:, None]).sum(axis=0)
    best_innocent, best_dealt = float(gradient[innocent].max()), float(gradient[~innocent].max())
    highest = floor * best_innocent + (1 - floor) * max(best_innocent, best_dealt)
    return max(highest - float(gradient @ weights), 0.0)


def _log(weights: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.log(weights)
