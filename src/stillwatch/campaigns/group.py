"""All tests of one candidate group, gathered."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns import alternation, births, release_pivot, words
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.co_occurrence import (
    AttributeModels,
    co_occurrence_test,
    owner_share,
    tie_log_e,
    tied_entities,
)
from stillwatch.campaigns.common_stream import common_stream_test, dispersion
from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.exchangeability import LOYAL_PRECISION, label_test, topics
from stillwatch.campaigns.families import (
    FAMILIES,
    MIX,
    RHYTHM,
    TASKS,
    TOPICS,
    one_pool_log_e,
    rungs,
)
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.owners import CONNECTED, by_owner, colleagues, connected_share, owners
from stillwatch.campaigns.partition import REPEATING, partition_test
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.sittings import sittings_test
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.training_shape import TrainingShape, training_shape_test
from stillwatch.links.shared_attributes import SharedAttribute

FloatArray = NDArray[np.float64]

BIRTH = "birth"
TIE_LOG_E = float(np.log(100.0))
"""E-value from which a kind of attribute says something of single accounts."""
OWN_MIX = 10.0
"""Highest precision of a mix of templates that is a customer's own: a stranger copies one wording of a prompt, and
users of a product use what they need of it."""
OWN_HOURS = -2 * LN10
"""E-value (natural logarithm) of a common stream below which accounts plainly work in sittings of their own."""
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
    one_hand = connected >= CONNECTED
    ties = {kind: tie_log_e(found, one_hand) for kind, found in shared.items()}
    alone = _findings(sample, verdicts)
    last: list[Finding] = []
    within = fresh = Verdict(0.0, np.zeros(0), 1.0)
    if background.thorough or one_pool_log_e(_log_e(alone), left_out) > 0:
        # The dearer tests, only where their outcome can matter: the pool's rung fails without them.
        within, fresh = sittings_test(sample, topic, n_topics), partition_test(sample, FRESH_RATE)
        wording = background.wordings_of(candidate.templates)[sample.template]
        alone += _further(sample, verdicts[RHYTHM], wording, asked.model)
        owner = owners(entities, models)[seen]
        # Firms do not open their accounts in the same hours as each other.
        if not one_hand and ties.get(BIRTH, 0.0) < TIE_LOG_E and colleagues(owner):
            firms = by_owner(sample, owner)
            of_firms = _verdicts(firms, topic, n_topics)
            by_firms = _findings(firms, of_firms)
            by_firms += _further(firms, of_firms[RHYTHM], wording, asked.model)
            alone = [words.by_owner(*both, firms.n_entities) for both in zip(alone, by_firms, strict=True)]
        last = [*_births(entities, background.lives), words.sittings(within)]
    findings = [
        words.repetition(candidate, len(sample.ts)),
        *(words.tie(kind, found, ties[kind], connected) for kind, found in shared.items()),
        *alone,
        words.shape(shape, background.benign_form, len(sample.ts)),
        *last,
    ]
    log_e = {f"shared_{kind}": value for kind, value in ties.items()} | _log_e(findings)
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


def _findings(sample: GroupSample, verdicts: Mapping[str, Verdict]) -> list[Finding]:
    """What is asked of every group."""
    return [
        words.stream(verdicts[RHYTHM], dispersion(sample), sample.n_entities),
        words.exchangeability(verdicts[TOPICS], sample),
        words.partition(verdicts[TASKS], sample, REPEATING),
    ]


def _further(
    sample: GroupSample, rhythm: Verdict, wording: NDArray[np.int64], model: NDArray[np.int64]
) -> list[Finding]:
    """More ways in which accounts may be coordinated.

    Args:
        sample: the group's exchanges.
        rhythm: what their hours say.
        wording: shape (n,), number of each exchange's wording.
        model: shape (n,), number of its model.
    """
    # Where accounts plainly live hours of their own, one mix of a program's wordings is the program's, not a hand's.
    apart = rhythm.log_e < OWN_HOURS
    names, label = np.unique(wording if apart else sample.template, return_inverse=True)
    mix = label_test(sample, label.reshape(-1), len(names), by_template=False, loyal=OWN_MIX)
    return [
        alternation.words(alternation.alternation_test(sample)),
        words.mix(mix, len(names), sample),
        release_pivot.words(release_pivot.model_choice_test(sample, model)),
    ]


def _births(entities: NDArray[np.str_], lives: births.Lives | None) -> list[Finding]:
    if lives is None:
        return []
    born, banned = lives.of(entities.tolist())
    return [births.words(births.births_after_bans_test(born, banned, lives.everyone_banned))]


def _log_e(findings: Iterable[Finding]) -> dict[str, float]:
    return {finding.family: finding.log_e for finding in findings if finding.family in FAMILIES}


def _verdicts(sample: GroupSample, topic: NDArray[np.int64], n_topics: int) -> dict[str, Verdict]:
    """Outcomes by account."""
    return {
        TOPICS: label_test(sample, topic, n_topics),
        MIX: label_test(
            sample, sample.template, int(sample.template.max()) + 1, by_template=False, loyal=LOYAL_PRECISION
        ),
        RHYTHM: common_stream_test(sample),
        TASKS: partition_test(sample),
    }
