"""Fits every output on a set of rows, and scores held-out projects with models that never saw them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from stillwatch.lab.training.capabilities import CAPABILITIES
from stillwatch.lab.training.examples import Examples
from stillwatch.lab.training.folds import N_FOLDS, copies_of_held_out, project_folds
from stillwatch.lab.training.labels import YES
from stillwatch.lab.training.regression import Fit, fit_logistic, fit_softmax
from stillwatch.signals.classifiers import LABELS

Floats = npt.NDArray[np.float64]
PENALTIES = (1e-5, 2e-6)
POSITIVE_SHARE = 0.25
"""Weight of the positive rows of a form label in training; the calibration puts the balance back."""


@dataclass(frozen=True)
class Targets:
    """What each row should get.

    Attributes:
        capability: int64 [n], index into `CAPABILITIES` or -1.
        forms: int64 [n, 4], 1, 0 or -1 (unclear) by `LABELS`.
        project: int64 [n], number of the row's project.
    """

    capability: npt.NDArray[np.int64]
    forms: npt.NDArray[np.int64]
    project: npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """Scores of rows by models that saw neither their project nor a near-copy of their template.

    Attributes:
        fold: int64 [n].
        raw: by penalty, float64 [n, n_capabilities + 4].
    """

    fold: npt.NDArray[np.int64]
    raw: dict[float, Floats]


def targets_of(examples: Examples) -> Targets:
    """Targets of all rows."""
    units = examples.units
    names = {name: i for i, name in enumerate(CAPABILITIES)}
    projects = {name: i for i, name in enumerate(sorted({unit.project for unit in units}))}
    capability = np.array([names[u.capability] if u.capability else -1 for u in units], np.int64)
    forms = np.array([u.form.values() for u in units], np.int64)
    project = np.array([projects[u.project] for u in units], np.int64)
    return Targets(capability[examples.unit], forms[examples.unit], project[examples.unit])


def fit_outputs(examples: Examples, targets: Targets, rows: npt.NDArray[np.bool_], penalties: Floats) -> Fit:
    """Fit the capabilities and the forms on some rows.

    Args:
        examples: all rows.
        targets: all targets.
        rows: bool [n], the rows to train on.
        penalties: float64 [5], of the capabilities and of each form.

    Returns:
        Weights over all features; those that fewer than two projects have are zero, for they name a project.
    """
    active = _shared_features(examples.x[rows], targets.project[rows])
    x = examples.x[:, active]
    weights = np.zeros((examples.x.shape[1], len(CAPABILITIES) + len(LABELS)))
    bias = np.zeros(weights.shape[1])
    k = len(CAPABILITIES)
    known = rows & (targets.capability >= 0)
    y = targets.capability[known]
    fit = fit_softmax(x[known], y, _class_weights(examples.weight[known], y, k), k, penalties[0])
    weights[active, :k], bias[:k] = fit.weights, fit.bias
    for j in range(len(LABELS)):
        known = rows & (targets.forms[:, j] >= 0)
        y = targets.forms[known, j]
        fit = fit_logistic(x[known], y, _form_weights(examples.weight[known], y), penalties[j + 1])
        weights[active, k + j], bias[k + j] = fit.weights[:, 0], fit.bias[0]
    return Fit(weights, bias)


def score_held_out(examples: Examples, targets: Targets) -> HeldOut:
    """Cross-validate over projects, once for each penalty."""
    folds = project_folds(examples.units)
    copies = copies_of_held_out(examples.units, folds)
    fold = examples.of_units(folds)
    shape = (len(fold), len(CAPABILITIES) + len(LABELS))
    raw = {penalty: np.zeros(shape) for penalty in PENALTIES}
    for held in range(N_FOLDS):
        rows = examples.trained & ~copies[examples.unit, held]
        tested = fold == held
        for penalty in PENALTIES:
            fit = fit_outputs(examples, targets, rows, np.full(len(LABELS) + 1, penalty))
            raw[penalty][tested] = fit.scores(examples.x[tested])
    return HeldOut(fold, raw)


def _shared_features(x: sp.csr_matrix, project: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    member = sp.csr_matrix((np.ones(len(project)), (project, np.arange(len(project)))))
    used = (member @ x) > 0
    return np.flatnonzero(np.asarray(used.sum(axis=0)).ravel() >= 2)


def _class_weights(weight: Floats, y: npt.NDArray[np.int64], k: int) -> Floats:
    # Every class counts the same: no deployment's mix of capabilities is known.
    return np.asarray(weight / np.maximum(np.bincount(y, weight, k), 1e-12)[y])


def _form_weights(weight: Floats, y: npt.NDArray[np.int64]) -> Floats:
    mass = np.maximum(np.bincount(y, weight, 2), 1e-12)
    share = np.array([1 - POSITIVE_SHARE, POSITIVE_SHARE])
    return np.asarray(weight * (share / mass)[np.where(y == YES, 1, 0)])
