"""How sure we are of each account of a group, and what part of the account belongs to it.

Each family's test also gives a likelihood ratio per account (dealt against innocent). They are joined as naive
Bayes, each bounded so that none decides alone, on prior odds from the group's own estimated share of innocents.
An account that only strays into the group's templates (a researcher who uses the same public template twice)
differs in its share of use, in its loyalty to one template, or in its rhythm.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

FloatArray = NDArray[np.float64]

_BOUND = 6.0
_PRIOR_RANGE = (0.5, 0.97)


def member_probabilities(
    ratios: Mapping[str, FloatArray], innocent_shares: Mapping[str, float]
) -> FloatArray:
    """Probability of each account to belong to the group, shape (n_entities,).

    Args:
        ratios: natural logarithms of likelihood ratios by family, each shape (n_entities,).
        innocent_shares: estimated share of innocent accounts by family; the largest sets the prior.
    """
    share = max(innocent_shares.values(), default=0.5)
    prior = logit(np.clip(1 - share, *_PRIOR_RANGE))
    total = sum((np.clip(ratio, -_BOUND, _BOUND / 2) for ratio in ratios.values()), np.zeros(1))
    return np.asarray(expit(prior + total), dtype=np.float64)


def use_ratios(uses: FloatArray, totals: FloatArray, stray_rate: float) -> FloatArray:
    """Members use the group's templates at the group's rate, strays at the rate of everybody else.

    A member may be a reseller who mixes, so any share above a tenth of the group's counts as a member's.

    Args:
        uses: exchanges of each entity in the group's templates.
        totals: all exchanges of the entity.
        stray_rate: rate at which entities outside the group use these templates.
    """
    pooled = uses.sum() / max(totals.sum(), 1.0)
    own = np.clip(uses / np.maximum(totals, 1.0), pooled / 10, 1.0)
    stray = max(stray_rate, 1.0 / (totals.sum() + 1.0))
    return np.asarray(uses * np.log(own / stray) - totals * (own - stray))
