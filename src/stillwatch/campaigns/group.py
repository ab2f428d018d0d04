"""All tests of one candidate group, gathered."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns import words
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.co_occurrence import (
    AttributeModels,
    co_occurrence_test,
    connected_share,
    owner_share,
    tie_log_e,
    tied_entities,
)
from stillwatch.campaigns.common_stream import common_stream_test, dispersion
from stillwatch.campaigns.exchangeability import LOYAL_PRECISION, label_test, topics
from stillwatch.campaigns.families import MIX, RHYTHM, SHAPE, SITTINGS, TASKS, TOPICS, rungs
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.partition import REPEATING, partition_test
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.sittings import sittings_test
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.training_shape import TrainingShape, training_shape_test
from stillwatch.links.shared_attributes import SharedAttribute

FloatArray = NDArray[np.float64]

TIE_LOG_E = float(np.log(100.0))
"""E-value from which a kind of attribute says something of single accounts."""
OWN_MIX = 10.0
"""Highest precision of a mix of templates that is a customer's own: a stranger copies one wording of a prompt, and
users of a product use what they need of it."""
FRESH_RATE = 0.05
"""Customers of a reseller repeat each other less than users of one tool do."""


@dataclass(frozen=True)
class GroupTests:
    """What the tests said of one candidate.

    Attributes:
        candidate: the group.
        sample: its exchanges (at most the stated cap, chosen by a hash).
        findings: one per family.
        rung_log_e: natural logarithm of each rung's own e-value.
        verdicts: per-account outcomes by family (exchangeability, template_mix, common_stream, partition); that of
            the mix of templates at `LOYAL_PRECISION`, which tells one pool from two.
        sittings: outcome by sitting of whether a sitting holds together.
        fresh: partition against groups that repeat at a rate of `FRESH_RATE` only.
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
    sittings: Verdict
    fresh: Verdict
    shared: Mapping[str, SharedAttribute]
    owner_share: float
    shape: TrainingShape
    tied: Mapping[str, Set[str]]
    left_out: Collection[str] = ()


@dataclass(frozen=True)
class Background:
    """What the tests of a group know beside the group.

    Attributes:
        models: attributes and their null models.
        benign_form: probability that a legitimate template has a training form.
        left_out: families that do not count (`families.FAMILIES`), for ablations.
    """

    models: AttributeModels
    benign_form: float
    left_out: Collection[str] = ()


def run_tests(
    candidate: Candidate,
    sample: GroupSample,
    entities: NDArray[np.str_],
    forms: FloatArray,
    background: Background,
) -> GroupTests:
    """Run every family on one candidate.

    Args:
        candidate: the group.
        sample: its exchanges; entity index i is `entities[i]`.
        entities: names of the group's entities.
        forms: shape (n, 4), probabilities of the training forms of the sample's exchanges.
        background: see `Background`.
    """
    models, left_out = background.models, background.left_out
    verdicts, within = _verdicts(sample)
    shared = co_occurrence_test(entities, models)
    exchanges = np.bincount(sample.entity, minlength=sample.n_entities).astype(np.float64)
    owned = owner_share(entities, exchanges, shared, models)
    if candidate.discovered_by == "links":
        # Ties that found the group cannot testify for it.
        shared = {}
    shape = training_shape_test(forms, background.benign_form)
    connected = connected_share(entities, models)
    ties = {kind: tie_log_e(found, connected) for kind, found in shared.items()}
    log_e = {f"shared_{kind}": value for kind, value in ties.items()}
    log_e |= {family: verdict.log_e for family, verdict in verdicts.items()}
    mix = _mix_test(sample, OWN_MIX)
    log_e |= {MIX: mix.log_e, SITTINGS: within.log_e, SHAPE: shape.log_e}
    findings = (
        words.repetition(candidate, len(sample.ts)),
        *(words.tie(kind, found, ties[kind], connected) for kind, found in shared.items()),
        words.stream(verdicts[RHYTHM], dispersion(sample), sample.n_entities),
        words.mix(mix, len(candidate.templates), sample),
        words.exchangeability(verdicts[TOPICS], sample),
        words.partition(verdicts[TASKS], sample, REPEATING),
        words.sittings(within),
        words.shape(shape, background.benign_form, len(sample.ts)),
    )
    tied = {kind: tied_entities(entities, models, kind) for kind in shared if ties[kind] > TIE_LOG_E}
    return GroupTests(
        candidate,
        sample,
        tuple(finding for finding in findings if finding.family not in left_out),
        rungs(log_e, candidate.log_e_repetitive, left_out),
        verdicts,
        within,
        partition_test(sample, FRESH_RATE),
        shared,
        owned,
        shape,
        tied,
        left_out,
    )


def _mix_test(sample: GroupSample, loyal: float) -> Verdict:
    return label_test(sample, sample.template, int(sample.template.max()) + 1, by_template=False, loyal=loyal)


def _verdicts(sample: GroupSample) -> tuple[dict[str, Verdict], Verdict]:
    """Outcomes by account, and the one by sitting."""
    topic, n_topics = topics(sample, seed=0)
    verdicts = {
        TOPICS: label_test(sample, topic, n_topics),
        MIX: _mix_test(sample, LOYAL_PRECISION),
        RHYTHM: common_stream_test(sample),
        TASKS: partition_test(sample),
    }
    return verdicts, sittings_test(sample, topic, n_topics)
