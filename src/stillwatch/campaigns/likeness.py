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
from numba import njit
from numpy.typing import NDArray

from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.grouped_rows import first_of_each, numbered_as_met, sums_of_groups
from stillwatch.campaigns.mixture import Verdict, dealt_test
from stillwatch.campaigns.sample import DAY_US, GroupSample

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
IntArray = NDArray[np.int64]


def likeness_test(sample: GroupSample) -> Verdict:
    """E-value against accounts with a direction of their own, on the held-out half; bases come from the other.

    A task that an account sends again (a retry, several answers to pick the best of) counts once.
    """
    once = first_of_each(sample.entity, sample.content.view(np.uint32))
    tested = np.flatnonzero(once & sample.held_out)
    if not len(tested):
        return Verdict(0.0, np.zeros(sample.n_entities), 1.0)
    base, own = _bases(sample)
    known = np.flatnonzero(once & ~sample.held_out)
    white = _whitening(_differences(sample.content, base, own, known if len(known) else np.arange(len(once))))
    rest = _differences(sample.content, base, own, tested)
    dimensions = rest.shape[1]
    count = np.bincount(sample.entity[tested], minlength=sample.n_entities)
    # The sum of turned rows is the turned sum, and the sum of their squares follows from the products of columns.
    sums = sums_of_groups(sample.entity[tested], rest, sample.n_entities) @ white
    scale = float((white * (rest.T @ rest @ white)).sum()) / rest.size
    length = (sums**2).sum(axis=1) / np.maximum(count, 1) / max(scale, 1e-12)
    # Of m tasks with a common direction the sum's variance is 1 + (m - 1) times its share, in each dimension.
    variance = 1.0 + np.maximum(count - 1, 0)[:, None] * SHARES
    likelihood = -0.5 * (dimensions * np.log(variance) + length[:, None] / variance)
    likelihood[count == 0] = 0.0
    return dealt_test(likelihood, SHARES >= LOYAL_SHARE)


def _bases(sample: GroupSample) -> tuple[FloatArray, IntArray]:
    """What others ask of the template that day, shrunk to the template's and the group's mean: vectors, shape (m, d),
    one for each account's template and day, and which of them is that of each exchange, shape (n,).

    An account's own discovery half is taken out of all three, as in `exchangeability`.
    """
    day = (sample.ts - sample.ts.min()) // DAY_US
    template, _ = numbered_as_met(sample.template)
    stratum, _ = numbered_as_met(template * (int(day.max()) + 1) + day)
    own, first = numbered_as_met(stratum * sample.n_entities + sample.entity)
    found = np.flatnonzero(~sample.held_out)
    on_day = sums_of_groups(own[found], sample.content[found], len(first))
    n_on_day = _totals(own[found], np.ones(len(found)), len(first))
    entity, template, stratum = sample.entity[first], template[first], stratum[first]
    # Sums of an account's templates are sums of its days, and so on: no exchange is looked at again.
    of_template, first = numbered_as_met(template * sample.n_entities + entity)
    in_template = sums_of_groups(of_template, on_day, len(first))
    n_in_template = _totals(of_template, n_on_day, len(first))
    of_group = sums_of_groups(entity[first], in_template, sample.n_entities)
    n_of_group = _totals(entity[first], n_in_template, sample.n_entities)
    nobody = np.zeros(sample.n_entities, np.int64)
    base = np.zeros((1, sample.content.shape[1]))
    base = _means_of_others(of_group, n_of_group, nobody, base, nobody)
    base = _means_of_others(in_template, n_in_template, template[first], base, entity[first])
    return _means_of_others(on_day, n_on_day, stratum, base, of_template), own


def _means_of_others(
    sums: FloatArray, counts: FloatArray, stratum: IntArray, prior: FloatArray, above: IntArray
) -> FloatArray:
    """Mean of each account's stratum without the account, shrunk to a prior, shape (m, d).

    Args:
        sums: of what each account asked in each of its strata, shape (m, d).
        counts: how much it was, shape (m,).
        stratum: which stratum it is, shape (m,).
        prior: vectors, shape (k, d).
        above: which of them it is shrunk to, shape (m,).
    """
    n = int(stratum.max()) + 1
    weights = _SHRINKAGE + _totals(stratum, counts, n)[stratum] - counts
    return np.asarray(_shrunk(sums, sums_of_groups(stratum, sums, n), (stratum, above), prior, weights))


def _totals(group: IntArray, counts: FloatArray, n: int) -> FloatArray:
    """Sum of the counts of each group 0..n-1."""
    return np.asarray(np.bincount(group, weights=counts, minlength=n), dtype=np.float64)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator, unused-ignore]
def _shrunk(sums, totals, places, prior, weights):  # type: ignore[no-untyped-def]
    """See `_means_of_others`."""
    stratum, above = places
    means = np.empty_like(sums)
    for one in range(len(sums)):
        whole, before = totals[stratum[one]], prior[above[one]]
        for column in range(sums.shape[1]):
            means[one, column] = (_SHRINKAGE * before[column] + whole[column] - sums[one, column]) / weights[
                one
            ]
    return means


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _differences(content, base, own, rows):  # type: ignore[no-untyped-def]
    """Some rows of `content` (n, d) less the `base` (m, d) of each, which `own` (n,) tells."""
    rest = np.empty((len(rows), content.shape[1]))
    for place in range(len(rows)):
        expected = base[own[rows[place]]]
        for column in range(content.shape[1]):
            rest[place, column] = content[rows[place], column] - expected[column]
    return rest


def _whitening(rows: FloatArray) -> FloatArray:
    """The turn after which all directions are equally strong, so that a slot's few frequent words do not drown the
    others, shape (d, d)."""
    dimensions = rows.shape[1]
    covariance = rows.T @ rows / len(rows)
    covariance += np.eye(dimensions) * max(float(np.trace(covariance)) / dimensions * _RIDGE, 1e-12)
    strength, direction = np.linalg.eigh(covariance)
    return np.asarray(direction / np.sqrt(strength))
