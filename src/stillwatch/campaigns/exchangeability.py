"""Exchangeability (family C): within a template, does the account explain the content?

What should move: customers who share a tool or a template stay in their own project, so an account's topics are
its own; accounts fed from one queue of work all have the queue's topics. Null model: at least two thirds of the
accounts are loyal, their topics Dirichlet-multinomial around what the template's users ask on that day, with a
precision of at most `LOYAL_PRECISION` over the topics found (design section 5, statistic C).

Sees: pools dealt to accounts at random, round-robin or least-recently-used, mixed with other traffic or not.
Works badly: under some 100 exchanges, and where a queue is ordered by topic within a day.
Evaded by: giving each account its own kind of seeds (personas), which costs the attacker a sorted corpus and
makes each ban a loss of one subject; customers without a project of their own (a translator's texts) look
dealt, which is why this family never stands alone.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillwatch.campaigns.clusters import k_means, nearest
from stillwatch.campaigns.dirichlet_multinomial import log_likelihoods
from stillwatch.campaigns.grouped_rows import numbered_as_met
from stillwatch.campaigns.mixture import Verdict, dealt_test
from stillwatch.campaigns.sample import DAY_US, GroupSample

LOYAL_PRECISION = 50.0
PRECISIONS = np.array([0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, np.inf])
MOST_TOPICS = 160
EXCHANGES_PER_TOPIC = 12
_FIT_ROWS = 5_000
_ROUNDS = 8
_SHRINKAGE = 8.0


def label_test(
    sample: GroupSample,
    label: NDArray[np.int64],
    n_labels: int,
    by_template: bool = True,
    loyal: float = LOYAL_PRECISION,
) -> Verdict:
    """E-value against loyal customers, on the held-out half; topics (or other labels) and bases come from the other.

    Args:
        sample: the group's exchanges.
        label: shape (n,); topic of each exchange, or which template was taken.
        n_labels: number of labels.
        by_template: condition on the template (not where the template is the label).
        loyal: highest precision that is loyal; one of `PRECISIONS`.
    """
    return loyal_test(label_likelihoods(sample, label, n_labels, by_template), loyal)


def loyal_test(likelihood: NDArray[np.float64], loyal: float = LOYAL_PRECISION) -> Verdict:
    """E-value against loyal customers.

    Args:
        likelihood: see `label_likelihoods`.
        loyal: highest precision that is loyal; one of `PRECISIONS`.
    """
    return dealt_test(likelihood, loyal >= PRECISIONS)


def label_likelihoods(
    sample: GroupSample, label: NDArray[np.int64], n_labels: int, by_template: bool = True
) -> NDArray[np.float64]:
    """Log-likelihood of each entity's held-out labels under each of `PRECISIONS`, (n_entities, n_precisions).

    Args: as of `label_test`.
    """
    if n_labels == 1:
        # All have it: no likelihood differs from any other but by rounding.
        return np.zeros((sample.n_entities, len(PRECISIONS)))
    template = sample.template if by_template else np.zeros_like(sample.template)
    base = _base(sample, template, label, n_labels)
    tested = sample.held_out
    cells = sample.entity[tested] * n_labels + label[tested]
    number, first = numbered_as_met(cells)
    cell, count = cells[first], np.bincount(number).astype(np.float64)
    precision = np.tile(PRECISIONS, (sample.n_entities, 1))
    return log_likelihoods(cell // n_labels, count, base.ravel()[cell], precision)


def topics(sample: GroupSample, seed: int) -> tuple[NDArray[np.int64], int]:
    """Topic of each exchange (k-means on the discovery half's content vectors) and the number of topics."""
    found = np.flatnonzero(~sample.held_out)
    n_topics = int(np.clip(len(found) // EXCHANGES_PER_TOPIC, 1, MOST_TOPICS))
    if n_topics == 1:
        return np.zeros(len(sample.entity), dtype=np.int64), 1
    rng = np.random.default_rng(seed)
    chosen = rng.choice(found, min(len(found), _FIT_ROWS), replace=False)
    centres = k_means(sample.content[np.sort(chosen)], n_topics, _ROUNDS, rng)
    return nearest(sample.content, centres), n_topics


def _base(
    sample: GroupSample, template: NDArray[np.int64], label: NDArray[np.int64], n_labels: int
) -> NDArray[np.float64]:
    """Label probabilities that each account would have as a thinning of the pool, shape (n_entities, n_labels).

    A pool is not the same every day nor in every template: an account's base is the mixture of what its own
    days and templates held in the discovery half, shrunk to the template's and then to the group's mix. The
    account's own discovery half is taken out of all three: a customer who has a day to itself would otherwise
    be compared with itself and look dealt.
    """
    found, n = np.flatnonzero(~sample.held_out), sample.n_entities
    template, templates = numbered_as_met(template)
    day = (sample.ts - sample.ts.min()) // DAY_US
    stratum, strata = numbered_as_met(template * (int(day.max()) + 1) + day)
    template_of, n_templates = template[strata], len(templates)
    pair, pairs = numbered_as_met(sample.entity * len(strata) + stratum)
    entity, of = sample.entity[pairs], stratum[pairs]

    # Weights of the discovery counts of stratum, template and group in each account's base.
    own = np.bincount(pair[found], minlength=len(pairs))
    tested = np.bincount(pair[sample.held_out], minlength=len(pairs))
    in_stratum = np.bincount(stratum[found], minlength=len(strata))
    by_stratum = tested / (in_stratum[of] - own + _SHRINKAGE)
    cell = (entity, template_of[of])
    own_in_template, by_template = np.zeros((n, n_templates)), np.zeros((n, n_templates))
    np.add.at(own_in_template, cell, own)
    np.add.at(by_template, cell, _SHRINKAGE * by_stratum)
    in_template = np.bincount(template[found], minlength=n_templates)
    by_template /= in_template - own_in_template + _SHRINKAGE
    by_group = _SHRINKAGE * by_template.sum(axis=1)
    by_group /= len(found) - own_in_template.sum(axis=1) + 0.5 * n_labels

    strata_counts = _counts(stratum[found], label[found], (len(strata), n_labels))
    template_counts = _counts(template[found], label[found], (n_templates, n_labels))
    group_counts = template_counts.sum(axis=0)
    base = by_template @ template_counts + np.outer(by_group, group_counts + 0.5)
    _add_rows(base, entity, by_stratum, strata_counts, of)
    who = sample.entity[found]
    weight = by_stratum[pair[found]] + by_template[who, template[found]] + by_group[who]
    np.subtract.at(base, (who, label[found]), weight)
    # What is left of a difference that should be nothing is the smoothing of the group's mix, and rounding.
    base = np.maximum(base, 1e-12)
    base[np.bincount(entity, weights=tested, minlength=n) == 0] = 1.0
    return np.asarray(base / base.sum(axis=1, keepdims=True))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _add_rows(sums, into, weight, rows, which):  # type: ignore[no-untyped-def]
    """Add to row `into[i]` of `sums` the row `which[i]` of `rows`, `weight[i]` times."""
    for place in range(len(into)):
        if weight[place] > 0:
            whole, part = sums[into[place]], rows[which[place]]
            for column in range(rows.shape[1]):
                whole[column] += weight[place] * part[column]


def _counts(row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.float64]:
    flat = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)
