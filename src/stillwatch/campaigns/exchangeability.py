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
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from stillwatch.campaigns.dirichlet_multinomial import log_likelihoods
from stillwatch.campaigns.mixture import Verdict, dealt_test
from stillwatch.campaigns.sample import DAY_US, GroupSample

LOYAL_PRECISION = 50.0
PRECISIONS = np.array([0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, np.inf])
MOST_TOPICS = 64
EXCHANGES_PER_TOPIC = 30
_FIT_ROWS = 8_000
_SHRINKAGE = 8.0


def exchangeability_test(sample: GroupSample, seed: int = 0) -> Verdict:
    """E-value against loyal customers, on the held-out half; topics and bases come from the other half."""
    topic, n_topics = topics(sample, seed)
    return label_test(sample, topic, n_topics)


def label_test(
    sample: GroupSample, label: NDArray[np.int64], n_labels: int, by_template: bool = True
) -> Verdict:
    """The same for any label of exchanges in 0..n_labels-1.

    Args:
        sample: the group's exchanges.
        label: shape (n,); topic of each exchange, or which template was taken.
        n_labels: number of labels.
        by_template: condition on the template (not where the template is the label).
    """
    template = sample.template if by_template else np.zeros_like(sample.template)
    base = _base(sample, template, label, n_labels)
    tested = sample.held_out
    cells = sample.entity[tested] * n_labels + label[tested]
    cell, count = np.unique(cells, return_counts=True)
    account = cell // n_labels
    precision = np.tile(PRECISIONS, (sample.n_entities, 1))
    likelihood = log_likelihoods(account, count.astype(np.float64), base.ravel()[cell], precision)
    return dealt_test(likelihood, PRECISIONS <= LOYAL_PRECISION)


def topics(sample: GroupSample, seed: int) -> tuple[NDArray[np.int64], int]:
    """Topic of each exchange (k-means on the discovery half's content vectors) and the number of topics."""
    found = np.flatnonzero(~sample.held_out)
    n_topics = int(np.clip(len(found) // EXCHANGES_PER_TOPIC, 1, MOST_TOPICS))
    if n_topics == 1:
        return np.zeros(len(sample.entity), dtype=np.int64), 1
    rng = np.random.default_rng(seed)
    chosen = rng.choice(found, min(len(found), _FIT_ROWS), replace=False)
    data = sample.content[np.sort(chosen)].astype(np.float64)
    centres, _ = kmeans2(data, n_topics, iter=10, minit="points", rng=rng, missing="warn")
    # Nearest centre in Euclidean distance: |x|^2 is the same for all centres and drops out.
    score = sample.content @ centres.T.astype(np.float32) - 0.5 * (centres**2).sum(axis=1).astype(np.float32)
    return np.asarray(score.argmax(axis=1), dtype=np.int64), n_topics


def _base(
    sample: GroupSample, template: NDArray[np.int64], label: NDArray[np.int64], n_labels: int
) -> NDArray[np.float64]:
    """Label probabilities that each account would have as a thinning of the pool, shape (n_entities, n_labels).

    A pool is not the same every day nor in every template: an account's base is the mixture of what its own
    days and templates held in the discovery half, shrunk to the template's and then to the group's mix.
    """
    found = ~sample.held_out
    day = (sample.ts - sample.ts.min()) // DAY_US
    n_templates, n_days = int(template.max()) + 1, int(day.max()) + 1
    group = np.bincount(label[found], minlength=n_labels) + 0.5
    group /= group.sum()
    by_template = _counts(template, label, found, n_templates, n_labels)
    by_template = _shrink(by_template, np.broadcast_to(group, by_template.shape))
    stratum, stratum_of = np.unique(template * n_days + day, return_inverse=True)
    by_stratum = _counts(stratum_of, label, found, len(stratum), n_labels)
    by_stratum = _shrink(by_stratum, by_template[stratum // n_days])
    base = np.zeros((sample.n_entities, n_labels))
    tested = np.flatnonzero(sample.held_out)
    np.add.at(base, sample.entity[tested], by_stratum[stratum_of[tested]])
    total = base.sum(axis=1, keepdims=True)
    return np.where(total > 0, base / np.where(total > 0, total, 1.0), group)


def _counts(
    stratum: NDArray[np.int64],
    label: NDArray[np.int64],
    which: NDArray[np.bool_],
    n_strata: int,
    n_labels: int,
) -> NDArray[np.float64]:
    flat = np.bincount(stratum[which] * n_labels + label[which], minlength=n_strata * n_labels)
    return flat.reshape(n_strata, n_labels).astype(np.float64)


def _shrink(counts: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((counts + _SHRINKAGE * prior) / (counts.sum(axis=1, keepdims=True) + _SHRINKAGE))
