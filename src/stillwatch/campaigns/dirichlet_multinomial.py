"""Likelihood of accounts' category counts when each account has its own tastes around a common base.

Account a with n_a draws over categories k has probabilities ~ Dirichlet(c m_a), m_a the base it would have as a
thinning of the common process and c its precision: c -> infinity is the thinning itself (multinomial), small c
a customer loyal to a few categories. The multinomial coefficient is left out: it cancels in every ratio.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def log_likelihoods(
    account: IntArray, count: FloatArray, base: FloatArray, precision: FloatArray
) -> FloatArray:
    """Log-likelihood of every account under every precision.

    Args:
        account: shape (n_cells,); index 0..n_accounts-1 of the account of each non-empty cell.
        count: shape (n_cells,); draws in the cell, > 0.
        base: shape (n_cells,); m_a of the cell's category, > 0; an account's whole base sums to 1.
        precision: shape (n_accounts, n_values); c of each account and value; infinity = multinomial.

    Returns:
        shape (n_accounts, n_values).
    """
    n_accounts, n_values = precision.shape
    totals = np.bincount(account, weights=count, minlength=n_accounts)
    multinomial = np.bincount(account, weights=count * np.log(base), minlength=n_accounts)
    result = np.empty((n_accounts, n_values))
    for value in range(n_values):
        c = precision[:, value]
        finite = np.isfinite(c)
        safe = np.where(finite, c, 1.0)
        spread = safe[account] * base
        cells = gammaln(spread + count) - gammaln(spread)
        own = (
            np.bincount(account, weights=cells, minlength=n_accounts) + gammaln(safe) - gammaln(safe + totals)
        )
        result[:, value] = np.where(finite, own, multinomial)
    return result
