"""Error rates on projects that a model has not seen, counted over templates, with exact intervals."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_softmax, softmax
from scipy.stats import beta

from stillwatch.lab.training.capabilities import CAPABILITIES
from stillwatch.lab.training.corpus import BULK, OWN, PLAIN, PROMPT, TEACHER, Unit
from stillwatch.lab.training.examples import Examples
from stillwatch.lab.training.fitting import PENALTIES, HeldOut, Targets
from stillwatch.lab.training.labels import NO, UNCLEAR, YES
from stillwatch.lab.training.language import ENGLISH, NONE
from stillwatch.lab.training.language import OTHER as OTHER_LANGUAGE
from stillwatch.lab.training.regression import fit_platt, fit_temperature
from stillwatch.signals.classifiers import LABELS, TRAINING_FORMS
from stillwatch.signals.classifiers import OTHER as NO_CAPABILITY

Floats = npt.NDArray[np.float64]
THRESHOLD = 0.5
"""Calibrated probability from which a form counts as present."""
LEAST = 0.3
"""Calibrated probability below which a capability is given as `other`."""


@dataclass(frozen=True)
class Calibrated:
    """Probabilities of the units (mean over their fills) by models that have not seen their project.

    Attributes:
        penalties: float64 [5], the penalty of least held-out log loss for the capabilities and for each form.
        temperature: of the capabilities.
        platt: float64 [4, 2], fitted on all held-out scores: what is shipped.
        forms: float64 [n_units, 4], calibrated by the other folds' scores.
        shares: bool [n_units, 2], whether at least half of a unit's fills have one of `TRAINING_FORMS`,
            one of `LABELS`.
        capability: int64 [n_units], index into `CAPABILITIES`, or their number for `other`.
    """

    penalties: Floats
    temperature: float
    platt: Floats
    forms: Floats
    shares: npt.NDArray[np.bool_]
    capability: npt.NDArray[np.int64]


def calibrate(examples: Examples, targets: Targets, held: HeldOut) -> Calibrated:
    """Choose penalties by held-out log loss and calibrate on the held-out scores."""
    k = len(CAPABILITIES)
    known = (targets.capability >= 0) & (held.fold >= 0)
    losses = [
        _softmax_loss(held.raw[p][known, :k], targets.capability[known], examples.weight[known])
        for p in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(losses))]
    raw = held.raw[best][:, :k]
    temperature = fit_temperature(raw[known], targets.capability[known], examples.weight[known])
    capability = _unit_capability(softmax(raw / temperature, axis=1), examples)
    penalties, platt, forms = [best], [], np.zeros((len(examples.units), len(LABELS)))
    rows = np.zeros((len(held.fold), len(LABELS)))
    for j in range(len(LABELS)):
        truth = np.where(held.fold >= 0, targets.forms[:, j], UNCLEAR)
        losses = [_form_loss(held.raw[p][:, k + j], truth, examples.weight) for p in PENALTIES]
        penalties.append(PENALTIES[int(np.argmin(losses))])
        scores = held.raw[penalties[-1]][:, k + j]
        platt.append(_platt(scores, truth, examples.weight, truth >= 0))
        rows[:, j] = _cross_calibrated(scores, truth, examples.weight, held.fold)
        forms[:, j] = _unit_mean(rows[:, j], examples)
    shares = np.column_stack([_mostly(rows, examples, names) for names in (TRAINING_FORMS, LABELS)])
    return Calibrated(np.array(penalties), temperature, np.array(platt), forms, shares, capability)


def interval(hits: int, n: int) -> dict[str, Any]:
    """A share with its exact 95 % interval (Clopper & Pearson 1934); null rate where n is 0."""
    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return {
        "n": n,
        "labelled": hits,
        "rate": round(hits / n, 5) if n else None,
        "low": round(low, 5),
        "high": round(high, 5),
    }


def form_report(
    units: tuple[Unit, ...], probabilities: Floats, truth: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Precision, recall and false positive rates of one form.

    Args:
        units: all units.
        probabilities: float64 [n_units].
        truth: int64 [n_units], 1, 0 or -1 (unclear: not counted, except in the shares of legitimate use).
    """
    flagged = probabilities >= THRESHOLD
    template = _mask(units, lambda unit: unit.kind in (TEACHER, BULK, OWN))
    positive, negative = truth == YES, truth == NO
    benign = {
        "benign_templates": _mask(units, lambda unit: unit.kind == BULK),
        "benign_prompts": _mask(units, lambda unit: unit.kind == PROMPT),
    }
    report = {
        "threshold": THRESHOLD,
        "precision": interval(int((flagged & positive & template).sum()), int((flagged & (positive |
        negative) & template).sum())), "recall": interval(int((flagged & positive & template).sum()),
        int((positive & template).sum())), "false_positive_rate": {name: _share(flagged, mask & negative)
        for name, mask in benign.items()}, "false_positive_rate_by_language": {
            language: _share(flagged, benign["benign_templates"] & negative & _mask(units, lambda u,
                x=language: u.language == x))
            for language in (ENGLISH, OTHER_LANGUAGE, NONE)
        },
        "false_positive_rate_by_project": _by_project(units, flagged, benign["benign_templates"] & negative),
    }  # fmt: skip
    return report | {name: _share(flagged, mask) for name, mask in benign.items()}


def capability_report(units: tuple[Unit, ...], given: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Precision and recall of each capability over templates, and how legitimate templates are labelled."""
    names = np.array([*CAPABILITIES, NO_CAPABILITY])[given]
    truth = np.array([unit.capability or "" for unit in units])
    template = _mask(units, lambda unit: unit.kind in (TEACHER, BULK, OWN)) & (truth != "")
    prompt = _mask(units, lambda unit: unit.kind == PROMPT) & (truth != "")
    bulk = _mask(units, lambda unit: unit.kind == BULK)
    right = names == truth
    return {
        "templates": interval(int((right & template).sum()), int(template.sum())),
        "prompts": interval(int((right & prompt).sum()), int(prompt.sum())),
        "given_as_other": _share(names == NO_CAPABILITY, template | prompt),
        "classes": {
            name: {
                "projects": len(
                    {unit.project for unit in units if unit.capability == name and unit.kind != PLAIN}
                ),
                "precision": _share(right, template & (names == name)),
                "recall": _share(right, template & (truth == name)),
                "recall_prompts": _share(right, prompt & (truth == name)),
            }
            for name in CAPABILITIES
        },
        "benign_templates": {name: _share(names == name, bulk) for name in CAPABILITIES},
    }


def any_form_report(
    units: tuple[Unit, ...], any_form: npt.NDArray[np.bool_], forms: tuple[str, ...]
) -> dict[str, Any]:
    """How often at least half of a template's fills have at least one of some forms.

    Args:
        units: all units.
        any_form: bool [n_units].
        forms: which forms are meant, for the record.
    """
    bulk = _mask(units, lambda unit: unit.kind == BULK)
    by_project = _by_project(units, any_form, bulk)
    return {
        "forms": list(forms),
        "benign_templates": _share(any_form, bulk),
        "benign_templates_by_language": {
            language: _share(any_form, bulk & _mask(units, lambda u, x=language: u.language == x))
            for language in (ENGLISH, OTHER_LANGUAGE, NONE)
        },
        "benign_templates_by_project": by_project,
        "benign_projects_mean": round(float(np.mean([share["rate"] for share in by_project.values()])), 5),
        "benign_prompts": _share(any_form, _mask(units, lambda unit: unit.kind == PROMPT)),
        "teacher_templates": _share(any_form, _mask(units, lambda unit: unit.kind == TEACHER)),
        "own_rewriting_templates": _share(any_form, _mask(units, lambda u: u.kind == OWN and not u.benign)),
    }


def _mask(units: tuple[Unit, ...], chosen: Any) -> npt.NDArray[np.bool_]:
    return np.array([bool(chosen(unit)) for unit in units], np.bool_)


def _share(hit: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return interval(int((hit & of).sum()), int(of.sum()))


def _by_project(
    units: tuple[Unit, ...], hit: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    projects: Iterable[str] = sorted(
        {unit.project for unit, counted in zip(units, of, strict=True) if counted}
    )
    return {name: _share(hit, of & _mask(units, lambda u, x=name: u.project == x)) for name in projects}


def _unit_mean(values: Floats, examples: Examples) -> Floats:
    count = np.bincount(examples.unit, minlength=len(examples.units))
    return np.asarray(np.bincount(examples.unit, values, len(examples.units)) / np.maximum(count, 1))


def _mostly(rows: Floats, examples: Examples, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    chosen = rows[:, [LABELS.index(name) for name in names]]
    has: Floats = (chosen.max(axis=1) >= THRESHOLD).astype(np.float64)
    return _unit_mean(has, examples) >= 0.5


def _unit_capability(probabilities: Floats, examples: Examples) -> npt.NDArray[np.int64]:
    mean = np.column_stack([_unit_mean(probabilities[:, j], examples) for j in range(probabilities.shape[1])])
    return np.where(mean.max(axis=1) >= LEAST, mean.argmax(axis=1), len(CAPABILITIES)).astype(np.int64)


def _softmax_loss(raw: Floats, y: npt.NDArray[np.int64], weight: Floats) -> float:
    raw = raw / fit_temperature(raw, y, weight)
    return -float((weight * log_softmax(raw, axis=1)[np.arange(len(y)), y]).sum() / weight.sum())


def _form_loss(raw: Floats, truth: npt.NDArray[np.int64], weight: Floats) -> float:
    known = truth >= 0
    slope, offset = _platt(raw, truth, weight, known)
    z, y, w = slope * raw[known] + offset, truth[known], weight[known]
    return float((w * (np.logaddexp(0.0, z) - y * z)).sum() / w.sum())


def _platt(
    raw: Floats, truth: npt.NDArray[np.int64], weight: Floats, rows: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    known = rows & (truth >= 0)
    return fit_platt(raw[known], truth[known], weight[known])


def _cross_calibrated(
    raw: Floats, truth: npt.NDArray[np.int64], weight: Floats, fold: npt.NDArray[np.int64]
) -> Floats:
    out = np.zeros(len(raw))
    for held in np.unique(fold):
        slope, offset = _platt(raw, truth, weight, fold != held)
        out[fold == held] = expit(slope * raw[fold == held] + offset)
    return out
