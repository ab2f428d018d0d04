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
_SMALL = 1e-100
_VANISHING = 1e-250
"""Below it a mixture's likelihood is worked out from logarithms."""


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
    if not log_likelihood.any():
        # Nothing is said of anybody; what the sums below would say is the sign of a rounding error.
        return Verdict(0.0, np.zeros(n_accounts), 0.5)
    prior = np.where(innocent, doubt / innocent.sum(), (1 - doubt) / (~innocent).sum())
    # Each account's largest likelihood is a factor of both sides of every ratio.
    scaled = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    null_weights = _fit(scaled, innocent, floor=1 - exempt)
    log_null = float(_log_mixture(log_likelihood, scaled, null_weights).sum())
    log_null += _shortfall(scaled, innocent, null_weights, 1 - exempt)
    log_alternative = float(_prequential(scaled, prior))
    free_weights = _fit(scaled, innocent, floor=0.0)
    log_innocent, log_dealt = (
        _log_mixture(log_likelihood, scaled, np.where(inside, weights, 0.0) / weights[inside].sum())
        for inside, weights in ((innocent, null_weights), (~innocent, np.ones(len(innocent))))
    )
    return Verdict(log_alternative - log_null, log_dealt - log_innocent, float(free_weights[innocent].sum()))


def _log_mixture(log_likelihood: FloatArray, scaled: FloatArray, weights: FloatArray) -> FloatArray:
    """Log-likelihood of each account under a mixture of the values, less that under its best value; (n_accounts,).

    Args:
        log_likelihood: shape (n_accounts, n_values).
        scaled: shape (n_accounts, n_values); likelihoods, each account's largest 1.
        weights: shape (n_values,).
    """
    mixed = scaled @ weights
    far = mixed < _VANISHING
    with np.errstate(divide="ignore"):
        result = np.log(mixed)
        if far.any():
            rows = log_likelihood[far]
            result[far] = logsumexp(rows + np.log(weights), axis=1) - rows.max(axis=1)
    return np.asarray(result)


@njit(cache=True, nogil=True)
def _prequential(scaled, prior):  # type: ignore[no-untyped-def]
    """Each account predicted from those before it (Dawid 1984): adapts to the campaign, and stays an e-value."""
    counts, mass = prior.copy(), prior.sum()
    joint = np.empty(len(counts))
    total = 0.0
    for account in range(len(scaled)):
        predicted = 0.0
        for value in range(len(counts)):
            joint[value] = scaled[account, value] * counts[value]
            predicted += joint[value]
        total += math.log(predicted / mass)
        for value in range(len(counts)):
            counts[value] += joint[value] / predicted
        mass += 1.0
    return total


def _fit(scaled: FloatArray, innocent: NDArray[np.bool_], floor: float) -> FloatArray:
    """Mixing weights of highest likelihood with at least `floor` on innocent values (constrained EM).

    Args:
        scaled: shape (n_accounts, n_values); likelihoods, each account's largest 1.
        innocent: shape (n_values,).
        floor: least weight of innocent values together.
    """
    n_innocent, n_dealt = int(innocent.sum()), int((~innocent).sum())
    start = max(floor, 0.5)
    weights = np.where(innocent, start / n_innocent, (1 - start) / n_dealt)
    # Value by value, so that one step is a long loop over accounts.
    return np.asarray(_em(np.ascontiguousarray(scaled.T), innocent, weights, floor))


@njit(cache=True, nogil=True, error_model="numpy")
def _em(by_value, innocent, weights, floor):  # type: ignore[no-untyped-def]
    """The weights of `_fit`, from where they begin; `by_value` has shape (n_values, n_accounts)."""
    n_values, n_accounts = by_value.shape
    n_innocent = innocent.sum()
    previous = -np.inf
    mixed = np.empty(n_accounts)
    for _ in range(_ITERATIONS):
        mixed[:] = 0.0
        for value in range(n_values):
            for account in range(n_accounts):
                mixed[account] += by_value[value, account] * weights[value]
        current = _sum_of_logs(mixed)
        if current - previous < _TOLERANCE:
            break
        previous = current
        for account in range(n_accounts):
            mixed[account] = 1.0 / max(mixed[account], 1e-300)
        mass = 0.0
        for value in range(n_values):
            weights[value] *= _product(by_value[value], mixed) / n_accounts
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


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _product(left, right):  # type: ignore[no-untyped-def]
    """Scalar product, in whatever order is fast."""
    total = 0.0
    for place in range(len(left)):
        total += left[place] * right[place]
    return total


@njit(cache=True, nogil=True)
def _sum_of_logs(values):  # type: ignore[no-untyped-def]
    """Sum of the logarithms of values in [0, 1], with one logarithm for as many as a double can hold the product of."""
    total, product = 0.0, 1.0
    for value in values:
        if value < _SMALL:
            total += math.log(max(value, 1e-300))
            continue
        product *= value
        if product < _SMALL:
            total += math.log(product)
            product = 1.0
    return total + math.log(product)


def _shortfall(scaled: FloatArray, innocent: NDArray[np.bool_], weights: FloatArray, floor: float) -> float:
    """Upper bound on what the null's log-likelihood may still gain after EM stopped (concavity), >= 0.

    Given to the null, so that an unfinished maximum never makes evidence.
    """
    gradient = (scaled / (scaled @ weights)[:, None]).sum(axis=0)
    best_innocent, best_dealt = float(gradient[innocent].max()), float(gradient[~innocent].max())
    highest = floor * best_innocent + (1 - floor) * max(best_innocent, best_dealt)
    return max(highest - float(gradient @ weights), 0.0)
