"""Release pivot (family model_choice): does the account explain which model is asked, while there is a choice?

What should move: people and programs set their own model, so that of two customers of one tool one has moved to the
new release and the other has not; a queue that is dealt out and moves half of its work moves half of the work of
every account. Null model: at least two thirds of the accounts have a mix of models of their own,
Dirichlet-multinomial around what the template's other users ask in the same six hours, with a precision of at most
`OWN_CHOICE` (a standard deviation of 0.15 or more around one half). Only strata in which the discovery half shows
a choice from beginning to end are tested: where a tool moves all its users in one night, nobody chose, and nothing
is held against them.

The move itself, however fast, is no evidence and is not tested: enthusiasts, and users of a tool that changes its
default, all move within a day, and the disclosed campaigns moved no faster (docs/decisions).
Sees: pools that move by request, from about a thousand exchanges after the release on; shards of a benchmark are
dealt as well, so it never stands alone. Works badly: where clients pick a model at random for each request (a
gateway that tries a release on a share of everybody's traffic), who then look dealt; and where only one model is
used. Evaded by: moving account by account or not at all, which costs some days of the new model or of the old one.
Source of the test: Dirichlet-multinomial mixing against universal inference (campaigns/mixture.py).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.dirichlet_multinomial import log_likelihoods
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.mixture import Verdict, dealt_test
from stillwatch.campaigns.sample import HOUR_US, GroupSample
from stillwatch.campaigns.tables import Rung

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OWN_CHOICE = 10.0
PRECISIONS = np.array([0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, np.inf])
STRATUM_HOURS = 6
LEAST_SEEN = 3
LEAST_CHOICE = 0.1
"""Share of the exchanges of each half of a stratum that must go to other models than its first. In both halves:
a default that changes at noon leaves no choice in the morning."""


@dataclass(frozen=True)
class ModelChoice:
    """Outcome for one group.

    Attributes:
        verdict: e-value, ratio of each account, share of accounts with a mix of their own.
        n_open: exchanges in strata where there was a choice, on which it rests.
        n_models: models in them.
        largest: share of the model that most of them went to.
    """

    verdict: Verdict
    n_open: int
    n_models: int
    largest: float

    @property
    def log_e(self) -> float:
        """Natural logarithm of the e-value."""
        return self.verdict.log_e


def model_choice_test(sample: GroupSample, model: Ints) -> ModelChoice:
    """Test whether accounts have a mix of models of their own, on the held-out half.

    Args:
        sample: the group's exchanges.
        model: shape (n,), number of the model of each exchange.
    """
    if len(model) == 0:
        return ModelChoice(Verdict(0.0, np.zeros(sample.n_entities), 1.0), 0, 0, 1.0)
    half = _halves(sample)
    rows = _where_there_is_a_choice(half, model, sample.held_out)
    tested = sample.held_out[rows]
    if not tested.any():
        nothing = Verdict(0.0, np.zeros(sample.n_entities), 1.0)
        return ModelChoice(nothing, len(rows), 0, 1.0)
    names, label = np.unique(model[rows], return_inverse=True)
    entity, stratum = sample.entity[rows], np.unique(half[rows] // 2, return_inverse=True)[1]
    base = _base(replace(sample, entity=entity, held_out=tested), stratum, label, len(names))
    cell, count = np.unique(entity[tested] * len(names) + label[tested], return_counts=True)
    likelihood = log_likelihoods(
        cell // len(names),
        count.astype(np.float64),
        base.ravel()[cell],
        np.tile(PRECISIONS, (sample.n_entities, 1)),
    )
    verdict = dealt_test(likelihood, PRECISIONS <= OWN_CHOICE)
    return ModelChoice(verdict, len(rows), len(names), float(np.bincount(label).max() / len(label)))


def words(found: ModelChoice) -> Finding:
    """The finding in words."""
    own = found.verdict.innocent_share
    text = (
        f"{own:.0%} of the accounts have a mix of models of their own; for the others, knowing the account says "
        f"nothing about which of {found.n_models} models is asked"
        if found.n_open
        else "the group's exchanges never had a choice between models"
    )
    return Finding(
        Rung.COORDINATED,
        "model_choice",
        "share of accounts with a mix of models of their own",
        own if found.n_open else None,
        2 / 3,
        found.n_open,
        found.log_e,
        "at least two thirds of the accounts choose their models by themselves",
        text,
    )


def _halves(sample: GroupSample) -> Ints:
    """Number of each exchange's template and three hours; two of them in a row, 2k and 2k + 1, are a stratum."""
    half = sample.ts // (STRATUM_HOURS * HOUR_US // 2)
    half = half - half.min() // 2 * 2
    return np.asarray(sample.template * (int(half.max()) // 2 * 2 + 2) + half, dtype=np.int64)


def _where_there_is_a_choice(half: Ints, model: Ints, held_out: NDArray[np.bool_]) -> Ints:
    """Places of the exchanges in strata in both halves of which the discovery half went to several models."""
    strata, of = np.unique(half // 2, return_inverse=True)
    names, label = np.unique(model, return_inverse=True)
    counts = np.zeros((len(strata), 2, len(names)))
    np.add.at(counts, (of[~held_out], half[~held_out] % 2, label[~held_out]), 1.0)
    seen = counts.sum(axis=2)
    others = seen[..., None] - counts
    # One model must not rule one half and another the other half.
    several = (seen >= LEAST_SEEN).all(axis=1) & (others.min(axis=2) >= LEAST_CHOICE * seen).all(axis=1)
    return np.flatnonzero(several[of])


def _base(sample: GroupSample, stratum: Ints, label: Ints, n_labels: int) -> Floats:
    """Mix of models of each account if it were a thinning of the pool, shape (n_entities, n_labels).

    What the OTHERS of the account's strata asked in the discovery half, weighted by the account's own tested
    exchanges there; one count of the others' whole mix is added to each.
    """
    n, found = sample.n_entities, ~sample.held_out
    pairs, pair = np.unique(sample.entity * (int(stratum.max()) + 1) + stratum, return_inverse=True)
    entity, of = pairs // (int(stratum.max()) + 1), pairs % (int(stratum.max()) + 1)
    own = _counts(pair[found], label[found], (len(pairs), n_labels))
    others = _counts(stratum[found], label[found], (int(stratum.max()) + 1, n_labels))[of] - own
    overall = np.zeros((n, n_labels))
    np.add.at(overall, entity, own)
    overall = own.sum(axis=0) - overall + 0.5
    overall /= overall.sum(axis=1, keepdims=True)
    mix = others + overall[entity]
    mix /= mix.sum(axis=1, keepdims=True)
    base = np.zeros((n, n_labels))
    np.add.at(base, entity, mix * np.bincount(pair[~found], minlength=len(pairs))[:, None])
    untested = base.sum(axis=1) == 0
    base[untested] = 1.0
    return np.asarray(base / base.sum(axis=1, keepdims=True))


def _counts(row: Ints, column: Ints, shape: tuple[int, int]) -> Floats:
    flat = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)
