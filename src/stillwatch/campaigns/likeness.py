"""Likeness (family C, second question): are two tasks of one account more alike than two of different accounts?

What should move: as in `exchangeability`, customers stay in their own work. A topic is a coarse label: where prompts
carry documents, which share two or three words with another document of the same customer and dozens with nobody's,
the nearest of 160 centres is mostly a matter of the other words, and every account looks dealt. The sum of an
account's vectors keeps what the labels lose: what its documents share adds up, the rest cancels out. Null model: at
least two thirds of the accounts are loyal, each with a direction of its own that holds a share of at least
`LOYAL_SHARE` of the variance (this share is the mean cosine between two of its tasks, once what the template's other
users asked on that day is taken off).

It is asked for innocence only, and where tasks have many words (`DOCUMENT_WORDS`): where accounts are plainly loyal,
topics are no evidence; elsewhere topics decide alone. Sees loyalty of a few words in a hundred. Says nothing of
accounts with one held-out task. Evaded, as the topics are, by giving each account tasks of its own kind.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.mixture import Verdict, dealt_test
from stillwatch.campaigns.sample import DAY_US, GroupSample
from stillwatch.exchange.numbering import numbered

LOYAL_SHARE = 0.005
"""Least share of an account's own direction that is loyal; the least that was measured of people's texts is 0.016 (two
chats of one person with others, docs/decisions/0014)."""
DOCUMENT_WORDS = 40
"""Middle number of words of a task from which topics lose what its customer's tasks have in common. Of fewer words a
topic tells more than this does of small groups: asked everywhere, it lost six of 73 campaigns (docs/decisions/0014)."""
PLAINLY_LOYAL = -2 * LN10
"""E-value (natural logarithm) below which accounts plainly have a direction of their own. Between it and 1 there may
just be too few exchanges to tell, as in small pools, of which topics can tell more."""
SHARES = np.array([0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
_SHRINKAGE = 8.0
_RIDGE = 0.1
FloatArray = NDArray[np.float64]


def likeness_test(sample: GroupSample) -> Verdict:
    """E-value against accounts with a direction of their own, on the held-out half; bases come from the other.

    A task that an account sends again (a retry, several answers to pick the best of) counts once.
    """
    once = _first_of_each(sample)
    residual = _whitened(_residual(sample), once & ~sample.held_out)
    tested = once & sample.held_out
    who, rest = sample.entity[tested], residual[tested]
    if not len(who):
        return Verdict(0.0, np.zeros(sample.n_entities), 1.0)
    dimensions = rest.shape[1]
    count = np.bincount(who, minlength=sample.n_entities)
    sums = _sums(who, rest, sample.n_entities)
    scale = float((rest**2).sum()) / rest.size
    length = (sums**2).sum(axis=1) / np.maximum(count, 1) / max(scale, 1e-12)
    # Of m tasks with a common direction the sum's variance is 1 + (m - 1) times its share, in each dimension.
    variance = 1.0 + np.maximum(count - 1, 0)[:, None] * SHARES
    likelihood = -0.5 * (dimensions * np.log(variance) + length[:, None] / variance)
    likelihood[count == 0] = 0.0
    return dealt_test(likelihood, SHARES >= LOYAL_SHARE)


def _first_of_each(sample: GroupSample) -> NDArray[np.bool_]:
    """Whether no earlier exchange of the account has the same vector."""
    rows = np.column_stack([sample.entity.astype(np.float32), sample.content])
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    first = np.zeros(len(rows), dtype=bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first & sample.content.any(axis=1)


def _residual(sample: GroupSample) -> FloatArray:
    """The vectors without what others ask of the template that day: shrunk to the template's and the group's mean.

    An account's own discovery half is taken out of all three, as in `exchangeability`.
    """
    day = (sample.ts - sample.ts.min()) // DAY_US
    _, template = numbered(sample.template, int(sample.template.max()) + 1)
    base = _means_of_others(sample, np.zeros_like(template), np.zeros((1, sample.content.shape[1])))
    base = _means_of_others(sample, template, base)
    base = _means_of_others(sample, template * (int(day.max()) + 1) + day, base)
    return np.asarray(sample.content - base)


def _means_of_others(sample: GroupSample, stratum: NDArray[np.int64], prior: FloatArray) -> FloatArray:
    """Of each exchange the mean of its stratum's discovery half without its account, shrunk to the prior."""
    found = ~sample.held_out
    _, stratum = numbered(stratum, int(stratum.max()) + 1)
    _, pair = numbered(
        stratum * sample.n_entities + sample.entity, int(stratum.max() + 1) * sample.n_entities
    )
    totals, counts = _SHRINKAGE * prior, np.full(len(stratum), _SHRINKAGE)
    for group, sign in ((stratum, 1.0), (pair, -1.0)):
        n = int(group.max()) + 1
        totals = totals + sign * _sums(group[found], sample.content[found], n)[group]
        counts = counts + sign * np.bincount(group[found], minlength=n)[group]
    return np.asarray(totals / counts[:, None])


def _sums(group: NDArray[np.int64], rows: NDArray[np.floating], n: int) -> FloatArray:
    """Sum of the rows of each group 0..n-1."""
    size = len(group)
    member = csr_array((np.ones(size), (group, np.arange(size))), shape=(n, size))
    return np.asarray(member @ rows, dtype=np.float64)


def _whitened(rows: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """All directions equally strong, so that a slot's few frequent words do not drown the others."""
    dimensions = rows.shape[1]
    fit = rows[known] if known.any() else rows
    covariance = fit.T @ fit / len(fit)
    covariance += np.eye(dimensions) * max(float(np.trace(covariance)) / dimensions * _RIDGE, 1e-12)
    strength, direction = np.linalg.eigh(covariance)
    return np.asarray(rows @ (direction / np.sqrt(strength)))
