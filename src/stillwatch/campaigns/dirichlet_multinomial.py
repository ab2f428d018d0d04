"""Likelihood of accounts' category counts when each account has its own tastes around a common base.

Account a with n_a draws over categories k has probabilities ~ Dirichlet(c m_a), m_a the base it would have as a
thinning of the common process and c its precision: c -> infinity is the thinning itself (multinomial), small c
a customer loyal to a few categories. The multinomial coefficient is left out: it cancels in every ratio.

Cells of one or a few draws are nearly all there are, and Gamma(x + n) / Gamma(x) = x (x + 1) ... (x + n - 1): a product
of few factors, and one logarithm for as many as a double can hold the product of.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammaln

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_FACTORS = 32
"""Draws in a cell from which two logarithms of gamma functions are quicker than the product."""
_SMALL, _LARGE = 1e-100, 1e100


def log_likelihoods(
    account: IntArray, count: FloatArray, base: FloatArray, precision: FloatArray
) -> FloatArray:
    """Log-likelihood of every account under every precision.

    Args:
        account: shape (n_cells,); index 0..n_accounts-1 of the account of each non-empty cell.
        count: shape (n_cells,); draws in the cell, whole numbers > 0.
        base: shape (n_cells,); m_a of the cell's category, > 0; an account's whole base sums to 1.
        precision: shape (n_accounts, n_values); c of each account and value; infinity = multinomial.

    Returns:
        shape (n_accounts, n_values).
    """
    n_accounts = len(precision)
    totals = np.bincount(account, weights=count, minlength=n_accounts)
    multinomial = np.bincount(account, weights=count * np.log(base), minlength=n_accounts)
    finite = np.isfinite(precision)
    safe = np.where(finite, precision, 1.0)
    own = _log_rising(account, count, base, safe) + gammaln(safe) - gammaln(safe + totals[:, None])
    return np.where(finite, own, multinomial[:, None])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _log_rising(account, count, base, precision):  # type: ignore[no-untyped-def]
    """Sum over each account's cells of ln Gamma(c m + count) - ln Gamma(c m), for finite c; as `log_likelihoods`."""
    total, product = np.zeros_like(precision), np.ones_like(precision)
    for cell in range(len(account)):
        mine, draws = account[cell], np.int64(count[cell])
        for value in range(precision.shape[1]):
            spread = precision[mine, value] * base[cell]
            if draws > _MOST_FACTORS:
                total[mine, value] += math.lgamma(spread + draws) - math.lgamma(spread)
                continue
            for before in range(draws):
                product[mine, value] *= spread + before
                if not _SMALL < product[mine, value] < _LARGE:
                    total[mine, value] += math.log(product[mine, value])
                    product[mine, value] = 1.0
    return total + np.log(product)
