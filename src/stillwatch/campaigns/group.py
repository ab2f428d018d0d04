"""All tests of one candidate group, gathered."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns import words
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.co_occurrence import (
    TIED_BY,
    AttributeModels,
    co_occurrence_test,
    owner_share,
    tie_log_e,
    tied_entities,
)
from stillwatch.campaigns.common_stream import common_stream_test, dispersion
from stillwatch.campaigns.evalues import log_average
from stillwatch.campaigns.exchangeability import exchangeability_test, label_test
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.partition import REPEATING, partition_test
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.training_shape import TrainingShape, training_shape_test
from stillwatch.links.shared_attributes import SharedAttribute

FloatArray = NDArray[np.float64]

TIE_LOG_E = float(np.log(100.0))
"""E-value from which a kind of attribute says something of single accounts."""


@dataclass(frozen=True)
class GroupTests:
    """What the tests said of one candidate.

    Attributes:
        candidate: the group.
        sample: its exchanges (at most the stated cap, chosen by a hash).
        findings: one per family.
        rung_log_e: natural logarithm of each rung's own e-value.
        verdicts: per-account outcomes by family (exchangeability, template_mix, common_stream, partition).
        shared: the attribute tests by kind; empty where ties found the group.
        owner_share: largest part of the exchanges behind one tied payment instrument or e-mail domain.
        shape: training shape.
        tied: kind of attribute that ties the group as a whole -> entities that share a value with another.
    """

    candidate: Candidate
    sample: GroupSample
    findings: tuple[Finding, ...]
    rung_log_e: Mapping[Rung, float]
    verdicts: Mapping[str, Verdict]
    shared: Mapping[str, SharedAttribute]
    owner_share: float
    shape: TrainingShape
    tied: Mapping[str, Set[str]]


def run_tests(
    candidate: Candidate,
    sample: GroupSample,
    entities: NDArray[np.str_],
    models: AttributeModels,
    forms: FloatArray,
    benign_rate: float,
) -> GroupTests:
    """Run every family on one candidate.

    Args:
        candidate: the group.
        sample: its exchanges; entity index i is `entities[i]`.
        entities: names of the group's entities.
        models: attributes and their null models.
        forms: shape (n, 4), probabilities of the training forms of the sample's exchanges.
        benign_rate: probability that a legitimate template has a training form.
    """
    verdicts = {
        "exchangeability": exchangeability_test(sample),
        "template_mix": label_test(
            sample, sample.template, int(sample.template.max()) + 1, by_template=False
        ),
        "common_stream": common_stream_test(sample),
        "partition": partition_test(sample),
    }
    shared = co_occurrence_test(entities, models)
    exchanges = np.bincount(sample.entity, minlength=sample.n_entities).astype(np.float64)
    owned = owner_share(entities, exchanges, shared, models)
    if candidate.discovered_by == "links":
        # Ties that found the group cannot testify for it.
        shared = {}
    shape = training_shape_test(forms, benign_rate)
    ties = {kind: tie_log_e(found) for kind, found in shared.items()}
    stream = verdicts["common_stream"].log_e
    coordinated = log_average([ties.get(kind, 0.0) for kind in TIED_BY] + [stream])
    rungs = {
        Rung.REPETITIVE: candidate.log_e_repetitive,
        Rung.COORDINATED: coordinated,
        Rung.ONE_TASK_POOL: min(verdicts["exchangeability"].log_e, verdicts["partition"].log_e),
        Rung.TRAINING_SHAPED: shape.log_e,
    }
    findings = (
        words.repetition(candidate, len(sample.ts)),
        *(words.tie(kind, found, ties[kind]) for kind, found in shared.items()),
        words.stream(verdicts["common_stream"], dispersion(sample), sample.n_entities),
        words.exchangeability(verdicts["exchangeability"], sample),
        words.partition(verdicts["partition"], sample, REPEATING),
        words.shape(shape, benign_rate, len(sample.ts)),
    )
    tied = {kind: tied_entities(entities, models, kind) for kind in shared if ties[kind] > TIE_LOG_E}
    return GroupTests(candidate, sample, findings, rungs, verdicts, shared, owned, shape, tied)
