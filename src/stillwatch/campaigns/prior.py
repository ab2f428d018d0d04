"""Prior weights of the tested groups from analysts' verdicts, bounded so that a wrong verdict cannot blind the tests.

A group that an analyst confirmed or found benign moves the weight in e-BH of the candidates that look like it, by a
factor of at most the square root of ten either way; all weights are then divided by their average. From this follow,
whatever the verdicts say:

- No weight is below 1/10 or above 10. A group that is reported without verdicts at a tenth of the stated rate is
  reported with them, and one reported with them is reported without them at ten times the rate.
- Between two tables that differ in one row, all raw weights move the same way, by a decade at most, and so does
  their average: no weight moves by more than a decade. A group that one table lets be reported at a tenth of the rate
  is reported with the other.

Both hold because the level at which e-BH reports a group does not fall when an e-value falls, and is divided by c when
all of them are multiplied by c. Weights use the half of the exchanges on which groups are found, never the half on
which they are tested. Where verdicts were made on the very exchanges that are scanned again, the stated rate holds
within the factor of ten.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.campaigns.analyst_verdicts import AnalystVerdict, Opinion
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.known import KnownGroup
from stillwatch.campaigns.repetition import Usage

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DECADES = 0.5
"""Decades by which a verdict can move a raw weight either way."""


@dataclass(frozen=True)
class Label:
    """A verdict, on the entities and templates of a run.

    Attributes:
        verdict: what was found.
        entities: shape (n_entities,), which are meant.
        templates: shape (n_templates,), which are meant; None where an account is meant, whatever it does.
    """

    verdict: AnalystVerdict
    entities: BoolArray
    templates: BoolArray | None


def labels(
    verdicts: Iterable[AnalystVerdict],
    groups: Mapping[str, KnownGroup],
    usage: Usage,
    entity_of: Mapping[str, str],
) -> list[Label]:
    """The verdicts, on what this run holds of the accounts and templates that they are about.

    Args:
        verdicts: what counts; group names are keys of `groups`.
        groups: of the known results.
        usage: who uses what in this run.
        entity_of: account -> entity; accounts that are missing made no exchange.
    """
    return [_label(verdict, groups, usage, entity_of) for verdict in verdicts]


def _label(
    verdict: AnalystVerdict, groups: Mapping[str, KnownGroup], usage: Usage, entity_of: Mapping[str, str]
) -> Label:
    if verdict.account_id is not None:
        return Label(verdict, _which([verdict.account_id], usage.entities, entity_of), None)
    group = groups[str(verdict.group_id)]
    entities = _which(group.accounts, usage.entities, entity_of)
    return Label(verdict, entities, np.isin(usage.templates, list(group.templates)))


def _which(accounts: Iterable[str], names: NDArray[np.str_], entity_of: Mapping[str, str]) -> BoolArray:
    present = [entity_of[account] for account in accounts if account in entity_of]
    return np.asarray(np.isin(names, np.array(present, dtype=np.str_)), dtype=np.bool_)


def likeness(label: Label, usage: Usage, candidate: Candidate) -> float:
    """How far a candidate is what a label is about, 0 to 1: the share of its discovery exchanges.

    What is confirmed is known again by its accounts or by its templates, of which one may have been replaced. What is
    benign is known by both at once: others who use a benign product's template have not been looked at.
    """
    used = csr_array(usage.discovery[candidate.entities][:, list(candidate.templates)])
    total = float(used.sum())
    if total == 0:
        return 0.0
    rows = label.entities[candidate.entities]
    by_entity = float(used[rows].sum()) / total
    if label.templates is None:
        return by_entity
    columns = label.templates[list(candidate.templates)]
    if label.verdict.opinion is Opinion.BENIGN:
        return float(used[rows][:, columns].sum()) / total
    return max(by_entity, float(used[:, columns].sum()) / total)


def prior_weights(found: Sequence[Label], usage: Usage, candidates: Sequence[Candidate]) -> FloatArray:
    """Weights of the candidates for e-BH; shape (len(candidates),), average 1."""
    scores = np.zeros(len(candidates))
    for label in found:
        sign = {Opinion.CONFIRMED: 1.0, Opinion.BENIGN: -1.0, Opinion.UNSURE: 0.0}[label.verdict.opinion]
        if sign and label.entities.any() | (label.templates is not None and label.templates.any()):
            scores += sign * np.array([likeness(label, usage, candidate) for candidate in candidates])
    return normalised(scores)


def normalised(scores: FloatArray) -> FloatArray:
    """Weights from sums of labels' likeness (positive for confirmed); average 1."""
    raw = 10.0 ** (DECADES * np.clip(scores, -1.0, 1.0))
    return np.asarray(raw / raw.mean(), dtype=np.float64) if len(raw) else raw
