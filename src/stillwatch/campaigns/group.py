"""All tests of one candidate group, gathered."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns import alternation, births, release_pivot, words
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
from stillwatch.campaigns.families import (
    MIX,
    RHYTHM,
    SHAPE,
    SITTINGS,
    TASKS,
    TOPICS,
    one_pool_log_e,
    rungs,
)
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
        sample: its exchanges (at most the stated cap, chosen by a hash), without their content.
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
        log_e: natural logarithm of each family's e-value.
        left_out: families that do not count.
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
    log_e: Mapping[str, float]
    left_out: Collection[str] = ()


@dataclass(frozen=True)
class Background:
    """What the tests of a group know beside the group.

    Attributes:
        models: attributes and their null models.
        benign_form: probability that a legitimate template has a training form.
        lives: births and bans of all accounts; None where nothing is known of them.
        left_out: families that do not count (`families.FAMILIES`), for ablations.
        thorough: run the dearer tests also where they cannot matter.
    """

    models: AttributeModels
    benign_form: float
    lives: births.Lives | None = None
    left_out: Collection[str] = ()
    thorough: bool = False


@dataclass(frozen=True)
class Asked:
    """What the exchanges of a group's sample ask for, beside their content.

    Attributes:
        forms: shape (n, 4), probabilities of the training forms.
        model: shape (n,), number of the model.
    """

    forms: FloatArray
    model: NDArray[np.int64]


def run_tests(
    candidate: Candidate,
    sample: GroupSample,
    entities: NDArray[np.str_],
    asked: Asked,
    background: Background,
) -> GroupTests:
    """Run every family on one candidate.

    Args:
        candidate: the group.
        sample: its exchanges; entity index i is `entities[i]`.
        entities: names of the group's entities.
        asked: see `Asked`.
        background: see `Background`.
    """
    models, left_out = background.models, background.left_out
    everybody, (sample, seen) = sample, _tested(sample)
    topic, n_topics = topics(sample, seed=0)
    verdicts = _verdicts(sample, topic, n_topics)
    shared = co_occurrence_test(entities, models)
    exchanges = np.bincount(everybody.entity, minlength=everybody.n_entities).astype(np.float64)
    owned = owner_share(entities, exchanges, shared, models)
    if candidate.discovered_by == "links":
        # Ties that found the group cannot testify for it.
        shared = {}
    shape = training_shape_test(asked.forms, background.benign_form)
    connected = connected_share(entities, models)
    ties = {kind: tie_log_e(found, connected) for kind, found in shared.items()}
    log_e = {f"shared_{kind}": value for kind, value in ties.items()}
    log_e |= {family: verdict.log_e for family, verdict in verdicts.items()}
    del log_e[MIX]
    log_e[SHAPE] = shape.log_e
    findings = [
        words.repetition(candidate, len(sample.ts)),
        *(words.tie(kind, found, ties[kind], connected) for kind, found in shared.items()),
        words.stream(verdicts[RHYTHM], dispersion(sample), sample.n_entities),
        words.exchangeability(verdicts[TOPICS], sample),
        words.partition(verdicts[TASKS], sample, REPEATING),
        words.shape(shape, background.benign_form, len(sample.ts)),
    ]
    within = fresh = Verdict(0.0, np.zeros(0), 1.0)
    if background.thorough or one_pool_log_e(log_e, left_out) > 0:
        # The dearer tests, only where their outcome can matter: the pool's rung fails without them.
        within, fresh = sittings_test(sample, topic, n_topics), partition_test(sample, FRESH_RATE)
        further = _further(candidate, sample, entities, asked.model, background.lives)
        findings += [*further, words.sittings(within)]
        log_e |= {finding.family: finding.log_e for finding in further} | {SITTINGS: within.log_e}
    tied = {kind: tied_entities(entities, models, kind) for kind in shared if ties[kind] > TIE_LOG_E}
    return GroupTests(
        candidate,
        replace(everybody, content=np.zeros((0, sample.content.shape[1]), np.float32)),
        tuple(finding for finding in findings if finding.family not in left_out),
        rungs(log_e, candidate.log_e_repetitive, left_out),
        {family: _of_all(verdict, seen, everybody.n_entities) for family, verdict in verdicts.items()},
        within,
        fresh,
        shared,
        owned,
        shape,
        tied,
        log_e,
        left_out,
    )


def _tested(sample: GroupSample) -> tuple[GroupSample, NDArray[np.int64]]:
    """The sample with the entities that have an exchange in it alone, and which these are."""
    seen = np.flatnonzero(np.bincount(sample.entity, minlength=sample.n_entities))
    if len(seen) == sample.n_entities:
        return sample, seen
    entity = np.searchsorted(seen, sample.entity)
    return replace(sample, n_entities=len(seen), entity=entity, span=sample.span[seen]), seen


def _of_all(verdict: Verdict, seen: NDArray[np.int64], n: int) -> Verdict:
    """An outcome by entity for all of a group: nothing is said of those that were not tested."""
    log_ratios = np.zeros(n)
    log_ratios[seen] = verdict.log_ratios
    return replace(verdict, log_ratios=log_ratios)


def _further(
    candidate: Candidate,
    sample: GroupSample,
    entities: NDArray[np.str_],
    model: NDArray[np.int64],
    lives: births.Lives | None,
) -> list[Finding]:
    """More ways in which accounts may be coordinated."""
    found = [
        alternation.words(alternation.alternation_test(sample)),
        words.mix(_mix_test(sample, OWN_MIX), len(candidate.templates), sample),
        release_pivot.words(release_pivot.model_choice_test(sample, model)),
    ]
    if lives is not None:
        born, banned = lives.of(entities.tolist())
        found.append(births.words(births.births_after_bans_test(born, banned, lives.everyone_banned)))
    return found


def _mix_test(sample: GroupSample, loyal: float) -> Verdict:
    return label_test(sample, sample.template, int(sample.template.max()) + 1, by_template=False, loyal=loyal)


def _verdicts(sample: GroupSample, topic: NDArray[np.int64], n_topics: int) -> dict[str, Verdict]:
    """Outcomes by account."""
    return {
        TOPICS: label_test(sample, topic, n_topics),
        MIX: _mix_test(sample, LOYAL_PRECISION),
        RHYTHM: common_stream_test(sample),
        TASKS: partition_test(sample),
    }
