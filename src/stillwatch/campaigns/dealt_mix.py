"""Does an account mix templates and settings as the pool does, or keep to its own?

What should move: a dispatcher deals requests of every template, with every limit of the answer, over all accounts; a
customer who uses one of the templates keeps to one or two of them and to one program's settings. Null model: an
account's labels are Dirichlet-multinomial around what all users of the templates do, with a precision of `OWN`
(each keeps to its own), or around what the users do who are no members, with the precision that suits them (a public
tool's templates are mixed alike by all who use the tool). Alternative: the same around what the *other* members do.
Source: Dirichlet-multinomial (Polya) likelihoods, Minka 2000, Estimating a Dirichlet distribution.

Works badly: for pools in which each account keeps to settings of its own (then the ratio is near 0), and for accounts
of one or two exchanges. Evaded by: copying the settings of one customer per account, which costs nothing but
discipline, so it clears strays and convicts nobody alone.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stillwatch.campaigns.dirichlet_multinomial import log_likelihoods

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OWN = np.array([0.5, 2.0])
POOLED = np.array([1.0, 4.0, 16.0, 64.0, 256.0, np.inf])
OUTLIER = 10.0
"""How much one account may say, in nats, about the precision that suits the members."""
SMOOTHING = 0.5


def mix_ratios(entity: IntArray, label: IntArray, n: FloatArray, weight: FloatArray) -> FloatArray:
    """Natural logarithm of the likelihood ratio, pool against own, of each entity, shape (n_entities,).

    Args:
        entity: shape (n_cells,); index 0..n_entities-1.
        label: shape (n_cells,); 0..n_labels-1 (a pair of templates, or settings); a cell once per entity and label.
        n: shape (n_cells,); exchanges.
        weight: shape (n_entities,); how sure we are by other evidence that the entity is a member, in [0, 1].
    """
    n_entities, n_labels = len(weight), int(label.max(initial=0)) + 1
    if len(n) == 0 or n_labels < 2:
        return np.zeros(n_entities)
    share = n / np.bincount(entity, weights=n, minlength=n_entities)[entity]
    member, other = (
        _pooled(entity, n, _others(entity, label, share, of), of) for of in (weight, 1.0 - weight)
    )
    everybody = _others(entity, label, share, np.ones(n_entities))
    own = log_likelihoods(entity, n, everybody, np.tile(OWN, (n_entities, 1)))
    own = logsumexp(own, axis=1) - np.log(len(OWN))
    return np.asarray(member - np.logaddexp(own, other) + np.log(2.0))


def _pooled(entity: IntArray, n: FloatArray, base: FloatArray, weight: FloatArray) -> FloatArray:
    """Log-likelihood of each entity around a common base, at the precision that suits those who weigh."""
    log_likelihood = log_likelihoods(entity, n, base, np.tile(POOLED, (len(weight), 1)))
    return np.asarray(log_likelihood[:, _suits(log_likelihood, weight)])


def _others(entity: IntArray, label: IntArray, share: FloatArray, weight: FloatArray) -> FloatArray:
    """For every cell the share of its label among the other entities, each of which counts by its weight.

    Entities count alike, however busy they are; a label that only the entity itself has keeps a little.
    """
    weighted = weight[entity] * share
    n_labels = int(label.max()) + 1
    by_label = np.bincount(label, weights=weighted, minlength=n_labels)
    rest = np.maximum(by_label[label] - weighted, 0.0) + SMOOTHING / n_labels
    return np.asarray(rest / (weight.sum() - weight[entity] + SMOOTHING))


def _suits(log_likelihood: FloatArray, weight: FloatArray) -> int:
    """Index of the precision that suits the members; an outlier is no reason to call the pool loose."""
    best = log_likelihood.max(axis=1, keepdims=True)
    loss = np.maximum(log_likelihood - best, -OUTLIER)
    return int((weight[:, None] * loss).sum(axis=0).argmax())
