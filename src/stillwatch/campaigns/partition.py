"""Partition (family D): is work dealt out once, or does the group keep asking what was asked before?

What should move: independent users of a template repeat themselves and each other (retries, popular questions,
the items of a public benchmark, homework, a job that sends one text every day); a queue that is dealt out hands
each task to one account (copies of one task within the hour, best-of-k, are not counted as repeats). Null model:
at least two thirds of the accounts repeat at a rate of at least `REPEATING`.

Sees: finite public item sets and constant prompts (they stay innocent), and pools of tasks that are ever new.
Works badly: where honest users never repeat either (own code); it says nothing for loyalty, so it only counts
together with exchangeability. Evaded by: planting repeats, at the price of the planted exchanges.
"""

import numpy as np

from stillwatch.campaigns.mixture import Verdict, dealt_test
from stillwatch.campaigns.sample import GroupSample

REPEATING = 0.1
"""Least rate of an innocent account. Benchmarks run again, homework, fixed jobs and popular questions gave 0.3 to
0.9 in laboratory worlds; campaigns gave up to 0.04 where their seeds came from a small public corpus."""
RATES = np.array([0.001, 0.003, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.3, 0.5, 0.8, 0.97])


def partition_test(sample: GroupSample, repeating: float = REPEATING) -> Verdict:
    """E-value against groups that repeat, on the held-out half.

    Args:
        sample: the group's exchanges.
        repeating: least rate of an innocent account; one of `RATES`.
    """
    tested = sample.held_out
    n = np.bincount(sample.entity[tested], minlength=sample.n_entities).astype(np.float64)
    hits = np.bincount(sample.entity[tested], weights=sample.repeated[tested], minlength=sample.n_entities)
    likelihood = hits[:, None] * np.log(RATES) + (n - hits)[:, None] * np.log1p(-RATES)
    return dealt_test(likelihood, repeating <= RATES)
