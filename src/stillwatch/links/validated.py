"""Pairs of entities that share more, or rarer, values than the degrees of both explain.

Co-occurrence validated by the bipartite configuration model (Saracco et al., New J. Phys. 19, 053022, 2017):
the number of values that a pair shares is Poisson-binomial with mean sum p_iv p_jv. Here it is counted in
tiers of rarity and over several kinds; docs/links.md tells what the null is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import logsumexp

from stillwatch.links.bicm import BipartiteModel
from stillwatch.links.incidence import Attributes
from stillwatch.links.pair_kernels import Null, Shares, enumerate_pairs
from stillwatch.links.settings import LinkSettings

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TIERS = (2, 10, 50)
"""A value counts from the first tier on that holds its degree; the last tier is the cap."""

MAX_SETS = 10
"""Most independent sets of kinds; a pair costs 2^sets operations."""


@dataclass(frozen=True)
class ValidatedPairs:
    """Pairs that pass the false-discovery rate, in order of (first, second).

    Attributes:
        first, second: entity numbers (n_pairs,), first < second.
        log_p: natural logarithm of each pair's p-value over all kinds (n_pairs,).
        kinds: names of the kinds, in the order of the columns below.
        log_p_kind: by kind (n_pairs, n_kinds); 0 where it shares no value of that kind.
        n_tested: pairs that there are, shared values or not.
    """

    first: Ints
    second: Ints
    log_p: Floats
    kinds: tuple[str, ...]
    log_p_kind: Floats
    n_tested: int


def validated_links(
    attributes: Attributes,
    models: Mapping[str, BipartiteModel],
    settings: LinkSettings | None = None,
    threads: int = 1,
) -> ValidatedPairs:
    """Validate all pairs of entities by the values that they share.

    Per kind: the count of shared values at each tier of rarity against an upper bound of its Poisson-binomial
    tail, corrected for the number of tiers. Over kinds: the best of each dependent set (corrected for its
    size), then the product over the sets, which the null takes as independent given the degrees. Over
    pairs: Benjamini-Hochberg among all n (n - 1) / 2.

    Args:
        attributes: who has what.
        models: the fitted null of each kind of `attributes` (one division into strata for all kinds).
        settings: cap, rate and dependent sets.
        threads: how many look for pairs; no result depends on it.

    Returns:
        The validated pairs. Memory is linear in the attributes and the pairs returned; time in the pairs that
        share a value under the cap.
    """
    settings = settings or LinkSettings()
    n = len(attributes.entities)
    n_tested = n * (n - 1) // 2
    kinds = tuple(sorted(attributes.kinds))
    shares, sharing = _shares(attributes, kinds, settings.cap)
    null = _null(attributes, models, kinds, settings)
    if not sharing or not null.log_block.size:
        nothing, empty = np.zeros(0, np.int64), np.zeros(0)
        return ValidatedPairs(nothing, nothing, empty, kinds, np.zeros((0, len(kinds))), n_tested)
    # No pair above this can pass: at most `sharing` of them have a p-value below 1.
    loosest = min(0.0, float(np.log(settings.fdr * min(sharing, n_tested) / n_tested)))
    first, second, log_p, log_p_kind = enumerate_pairs(shares, null, loosest, threads)
    passed = _benjamini_hochberg(log_p, n_tested, settings.fdr)
    keep = np.flatnonzero(passed)
    keep = keep[np.lexsort((second[keep], first[keep]))]
    return ValidatedPairs(first[keep], second[keep], log_p[keep], kinds, log_p_kind[keep], n_tested)


def _benjamini_hochberg(log_p: Floats, n_tested: int, fdr: float) -> NDArray[np.bool_]:
    """Which of the smallest p-values of `n_tested` pass (Benjamini & Hochberg 1995)."""
    ordered = np.sort(log_p)
    line = np.log(fdr) + np.log(np.arange(1, ordered.size + 1)) - np.log(n_tested)
    below = np.flatnonzero(ordered <= line)
    return log_p <= (ordered[below[-1]] if below.size else -np.inf)


def _tiers(cap: int) -> Ints:
    return np.array([*(t for t in TIERS if t < cap), cap], np.int64)


def _shares(attributes: Attributes, kinds: tuple[str, ...], cap: int) -> tuple[Shares, int]:
    """All kinds side by side without the values that make no pair; a bound on the pairs that share."""
    n = len(attributes.entities)
    blocks: list[Any] = [sparse.csr_array((n, 0), dtype=np.int32)]
    kind_of, tier_of = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    sharing = 0
    for number, kind in enumerate(kinds):
        incidence = attributes.kinds[kind]
        degrees = incidence.value_degrees
        keep = np.flatnonzero((degrees >= 2) & (degrees <= cap))
        sharing += int((degrees[keep] * (degrees[keep] - 1) // 2).sum())
        blocks.append(incidence.matrix[:, keep])
        kind_of.append(np.full(keep.size, number))
        tier_of.append(np.searchsorted(_tiers(cap), degrees[keep]))
    matrix = sparse.csr_array(sparse.hstack(blocks, format="csr"))
    holders = matrix.T.tocsr()
    holders.sort_indices()
    shares = Shares(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int64),
        holders.indptr.astype(np.int64),
        holders.indices.astype(np.int64),
        np.concatenate(kind_of),
        np.concatenate(tier_of),
    )
    return shares, sharing


def _null(
    attributes: Attributes,
    models: Mapping[str, BipartiteModel],
    kinds: tuple[str, ...],
    settings: LinkSettings,
) -> Null:
    """What the kernel must know of the models.

    P(both have v) <= x_i y_v x_j y_v, so the mean of a pair is at most x_i x_j times a sum over values that
    does not depend on the pair: an upper bound of the tail follows, and it is close wherever attributes are
    sparse.
    """
    tiers = _tiers(settings.cap)
    n_strata = max((models[kind].class_log_y.shape[0] for kind in kinds), default=1)
    log_x = np.full((len(kinds), len(attributes.entities)), -np.inf)
    log_sum = np.full((len(kinds), tiers.size, n_strata, n_strata), -np.inf)
    log_tests = np.zeros(len(kinds))
    for number, kind in enumerate(kinds):
        model = models[kind]
        log_x[number] = model.log_x
        counted = np.searchsorted(tiers, np.maximum(model.class_degree, 0))
        for tier in range(tiers.size):
            inside = np.flatnonzero((model.class_degree >= 2) & (counted <= tier))
            log_y = model.class_log_y[:, inside]
            terms = log_y[:, None, :] + log_y[None, :, :] + np.log(model.class_size[inside])
            if inside.size:
                log_sum[number, tier] = logsumexp(terms, axis=2)
        log_tests[number] = np.log(
            max(1, len(np.unique(counted[(counted < tiers.size) & (model.class_degree >= 2)])))
        )
    block, log_block = _blocks(kinds, attributes, settings)
    stratum = models[kinds[0]].stratum if kinds else np.zeros(len(attributes.entities), np.int64)
    return Null(log_x, log_sum, log_tests, stratum, block, log_block)


def _blocks(kinds: tuple[str, ...], attributes: Attributes, settings: LinkSettings) -> tuple[Ints, Floats]:
    """Dependent set of each kind (-1: it can make no pair), and ln of the size of each set."""
    names: list[str] = []
    of_kind = np.full(len(kinds), -1, np.int64)
    for number, kind in enumerate(kinds):
        degrees = attributes.kinds[kind].value_degrees
        if not np.any((degrees >= 2) & (degrees <= settings.cap)):
            continue
        name = next((group[0] for group in settings.dependent if kind in group), kind)
        if name not in names:
            names.append(name)
        of_kind[number] = names.index(name)
    sizes = np.bincount(of_kind[of_kind >= 0], minlength=len(names))
    if len(names) > MAX_SETS:
        raise ValueError(f"{len(names)} independent kinds of attribute: at most {MAX_SETS} can be combined")
    return of_kind, np.log(np.maximum(sizes, 1))
