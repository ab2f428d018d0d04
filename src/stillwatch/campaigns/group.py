"""All tests of one candidate group, gathered."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns import births, words
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.co_occurrence import (
    AttributeModels,
    co_occurrence_test,
    owner_share,
    tie_log_e,
    tied_entities,
)
from stillwatch.campaigns.exchangeability import topics
from stillwatch.campaigns.families import (
    FAMILIES,
    MIX,
    RHYTHM,
    TOPICS,
    one_pool_log_e,
    rungs,
)
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.likeness import DOCUMENT_WORDS
from stillwatch.campaigns.material import Material
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.owners import CONNECTED, colleagues, connected_share, one_each, owners
from stillwatch.campaigns.partition import partition_test
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.training_shape import TrainingShape, training_shape_test
from stillwatch.links.shared_attributes import SharedAttribute

FloatArray = NDArray[np.float64]

BIRTH = "birth"
TIE_LOG_E = float(np.log(100.0))
"""E-value from which a kind of attribute says something of single accounts."""
FRESH_RATE = 0.05
"""Customers of a reseller repeat each other less than users of one tool do."""


@dataclass(frozen=True)
class GroupTests:
    """What the tests said of one candidate.

    Attributes:
        candidate: the group.
        sampled: shape (n_entities,), exchanges of each entity that were looked at (at most the stated cap together,
            chosen by a hash). The exchanges themselves are not kept: of all groups they are most of a scan's memory.
        repeated_share: part of the tested ones whose task was asked before.
        findings: one per family.
        rung_log_e: natural logarithm of each rung's own e-value.
        verdicts: per-account outcomes by family (exchangeability, template_mix, common_stream, partition); that of
            the mix of templates at `LOYAL_PRECISION`, which tells one pool from two.
        sittings: outcome by sitting of whether a sitting holds together.
        fresh: partition against groups that repeat at a rate of `FRESH_RATE` only.
        shared: the attribute tests by kind; empty where ties found the group.
        owner_share: largest part of the exchanges behind one tied payment instrument or e-mail domain.
        shape: training shape.
        tied: kind of attribute that ties the group as a whole -> which of its entities share a value with another,
            shape (n_entities,).
        log_e: natural logarithm of each family's e-value.
        left_out: families that do not count.
    """

    candidate: Candidate
    sampled: NDArray[np.int64]
    repeated_share: float
    findings: tuple[Finding, ...]
    rung_log_e: Mapping[Rung, float]
    verdicts: Mapping[str, Verdict]
    sittings: Verdict
    fresh: Verdict
    shared: Mapping[str, SharedAttribute]
    owner_share: float
    shape: TrainingShape
    tied: Mapping[str, NDArray[np.bool_]]
    log_e: Mapping[str, float]
    left_out: Collection[str] = ()


@dataclass(frozen=True)
class Background:
    """What the tests of a group know beside the group.

    Attributes:
        models: attributes and their null models.
        benign_form: probability that a legitimate template has a training form.
        lives: births and bans of all accounts; None where nothing is known of them.
        wordings: shape (n_templates,), number of the wording of every template of the usage (`steps.wordings`); None
            where each is a wording of its own.
        left_out: families that do not count (`families.FAMILIES`), for ablations.
        thorough: run the dearer tests also where they cannot matter.
    """

    models: AttributeModels
    benign_form: float
    lives: births.Lives | None = None
    wordings: NDArray[np.int64] | None = None
    left_out: Collection[str] = ()
    thorough: bool = False

    def wordings_of(self, templates: Sequence[int]) -> NDArray[np.int64]:
        """Number of the wording of some templates."""
        numbers = np.array(templates, dtype=np.int64)
        return numbers if self.wordings is None else self.wordings[numbers]


@dataclass(frozen=True)
class Entities:
    """Where some entities stand in what is known beside their exchanges; arrays of shape (n,).

    Names are looked up once: those of a large group are some megabytes.

    Attributes:
        numbers: of `Attributes.numbers_of`.
        lives: of `Lives.places_of`; -1 where nothing is known of lives.
    """

    numbers: NDArray[np.int64]
    lives: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str], background: Background) -> "Entities":
        """Entities by their names."""
        lives = np.full(len(names), -1, np.int64)
        if background.lives is not None:
            lives = background.lives.places_of(names)
        return cls(background.models.attributes.numbers_of(names), lives)

    def some(self, places: NDArray[np.int64]) -> "Entities":
        """Those at some places."""
        return Entities(self.numbers[places], self.lives[places])


@dataclass(frozen=True)
class Asked:
    """What the exchanges of a group's sample ask for, beside their content.

    Attributes:
        forms: shape (n, 4), probabilities of the training forms.
        model: shape (n,), number of the model.
        words: shape (n,), words of the task.
    """

    forms: FloatArray
    model: NDArray[np.int64]
    words: NDArray[np.int32]


def run_tests(
    candidate: Candidate,
    sample: GroupSample,
    entities: Entities,
    asked: Asked,
    background: Background,
) -> GroupTests:
    """Run every family on one candidate.

    Args:
        candidate: the group.
        sample: its exchanges; entity index i is `entities[i]`.
        entities: the group's entities.
        asked: see `Asked`.
        background: see `Background`.
    """
    models, left_out, numbers = background.models, background.left_out, entities.numbers
    everybody, (sample, seen) = sample, _tested(sample)
    wording = background.wordings_of(candidate.templates)[sample.template]
    documents = len(asked.words) > 0 and bool(np.median(asked.words) >= DOCUMENT_WORDS)
    material = Material(sample, *topics(sample, seed=0), wording, asked.model, documents)
    verdicts = material.verdicts()
    by_account = {TOPICS: verdicts[TOPICS], MIX: material.loyal_mix()} | verdicts
    shared = co_occurrence_test(numbers, models)
    sampled = np.bincount(everybody.entity, minlength=everybody.n_entities)
    owned = owner_share(numbers, sampled.astype(np.float64), shared, models)
    if candidate.discovered_by == "links":
        # Ties that found the group cannot testify for it.
        shared = {}
    shape = training_shape_test(asked.forms, background.benign_form)
    connected, owner = connected_share(numbers, models), owners(numbers, models)
    one_hand = connected >= CONNECTED
    ties = {kind: tie_log_e(found, one_hand) for kind, found in shared.items()}
    if BIRTH in ties and not one_hand:
        # A firm opens its own accounts together; only one hand opens those of different owners in the same hours.
        born = co_occurrence_test(numbers[one_each(owner)], models, (BIRTH,))[BIRTH]
        ties[BIRTH] = min(ties[BIRTH], tie_log_e(born, one_hand))
    alone = material.findings(verdicts)
    last: list[Finding] = []
    within = fresh = Verdict(0.0, np.zeros(0), 1.0)
    if background.thorough or one_pool_log_e(_log_e(alone), left_out) > 0:
        # The dearer tests, only where their outcome can matter: the pool's rung fails without them.
        within, fresh = material.sittings(), partition_test(sample, FRESH_RATE)
        alone += material.further(verdicts[RHYTHM])
        if not one_hand and ties.get(BIRTH, 0.0) < TIE_LOG_E and colleagues(owner):
            firms = material.of_owners(owner[seen])
            of_firms = firms.verdicts()
            by_firms = [*firms.findings(of_firms), *firms.further(of_firms[RHYTHM])]
            alone = [
                words.by_owner(*both, firms.sample.n_entities) for both in zip(alone, by_firms, strict=True)
            ]
            fresh = min(fresh, partition_test(firms.sample, FRESH_RATE), key=lambda verdict: verdict.log_e)
        last = [*_births(entities.lives, background.lives), words.sittings(within)]
    findings = [
        words.repetition(candidate, len(sample.ts)),
        *(words.tie(kind, found, ties[kind], connected) for kind, found in shared.items()),
        *alone,
        words.shape(shape, background.benign_form, len(sample.ts)),
        *last,
    ]
    log_e = _log_e(findings)
    tied = {kind: tied_entities(numbers, models, kind) for kind in shared if ties[kind] > TIE_LOG_E}
    return GroupTests(
        candidate,
        sampled,
        everybody.repeated_share,
        tuple(finding for finding in findings if finding.family not in left_out),
        rungs(log_e, candidate.log_e_repetitive, left_out),
        {family: _of_all(verdict, seen, everybody.n_entities) for family, verdict in by_account.items()},
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
    entity, span, exposure = np.searchsorted(seen, sample.entity), sample.span[seen], sample.exposure[seen]
    return replace(sample, n_entities=len(seen), entity=entity, span=span, exposure=exposure), seen


def _of_all(verdict: Verdict, seen: NDArray[np.int64], n: int) -> Verdict:
    """An outcome by entity for all of a group: nothing is said of those that were not tested."""
    log_ratios = np.zeros(n)
    log_ratios[seen] = verdict.log_ratios
    return replace(verdict, log_ratios=log_ratios)


def _births(places: NDArray[np.int64], lives: births.Lives | None) -> list[Finding]:
    if lives is None:
        return []
    born, banned = lives.of(places)
    return [births.words(births.births_after_bans_test(born, banned, lives.everyone_banned))]


def _log_e(findings: Iterable[Finding]) -> dict[str, float]:
    return {finding.family: finding.log_e for finding in findings if finding.family in FAMILIES}
