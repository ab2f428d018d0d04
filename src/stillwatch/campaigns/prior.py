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

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.campaigns.analyst_verdicts import AnalystVerdict, Opinion
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.known import KnownGroup
from stillwatch.campaigns.repetition import Usage

FloatArray = NDArray[np.float64]

DECADES = 0.5
"""Decades by which a verdict can move a raw weight either way."""
SIGNS = {Opinion.CONFIRMED: 1.0, Opinion.BENIGN: -1.0, Opinion.UNSURE: 0.0}


@dataclass(frozen=True)
class Label:
    """A verdict, on the entities and templates of a run.

    Attributes:
        verdict: what was found.
        entities: indices of those that are meant; empty where none of them made an exchange.
        templates: indices of those that are meant; None where an account is meant, whatever it does.
    """

    verdict: AnalystVerdict
    entities: NDArray[np.int64]
    templates: NDArray[np.int64] | None


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

    def meant(accounts: Iterable[str]) -> NDArray[np.int64]:
        return _places(usage.entities, {entity_of[name] for name in accounts if name in entity_of})

    found = []
    for verdict in verdicts:
        if verdict.account_id is not None:
            found.append(Label(verdict, meant([verdict.account_id]), None))
        else:
            group = groups[str(verdict.group_id)]
            found.append(
                Label(verdict, meant(group.accounts), _places(usage.templates, set(group.templates)))
            )
    return found


def _places(names: NDArray[np.str_], wanted: Set[str]) -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(names, np.array(sorted(wanted), dtype=np.str_)))


def likeness(found: Sequence[Label], usage: Usage, candidates: Sequence[Candidate]) -> FloatArray:
    """How far each candidate is what each label is about: the share of its discovery exchanges.

    What is confirmed is known again by its accounts or by its templates, of which one may have been replaced. What is
    benign is known by both at once: others who use a benign product's template have not been looked at.

    Returns:
        shape (len(found), len(candidates)), from 0 to 1.
    """
    entities = _membership([label.entities for label in found], len(usage.entities))
    templates = _membership([label.templates for label in found], len(usage.templates))
    of_group = np.array([label.templates is not None for label in found], dtype=np.bool_)
    benign = np.array([label.verdict.opinion is Opinion.BENIGN for label in found], dtype=np.bool_)
    result = np.zeros((len(found), len(candidates)))
    for column, candidate in enumerate(candidates):
        used = csr_array(usage.discovery[candidate.entities][:, list(candidate.templates)])
        total = float(used.sum())
        if total == 0:
            continue
        inside = csr_array(entities[:, candidate.entities] @ used)
        named = templates[:, list(candidate.templates)]
        by_entity = np.asarray(inside.sum(axis=1)).ravel()
        by_template = np.asarray(named @ np.asarray(used.sum(axis=0)).ravel())
        both = np.asarray(inside.multiply(named).sum(axis=1)).ravel()
        of_groups = np.where(benign, both, np.maximum(by_entity, by_template))
        result[:, column] = np.where(of_group, of_groups, by_entity) / total
    return result


def _membership(places: Sequence[NDArray[np.int64] | None], n: int) -> csr_array:
    """A row of ones and zeros for each list of places."""
    columns = [np.empty(0, np.int64) if place is None else place for place in places]
    rows = np.repeat(np.arange(len(columns)), [len(column) for column in columns])
    at = (rows, np.concatenate(columns) if columns else rows)
    return csr_array((np.ones(len(rows)), at), shape=(len(columns), n))


def prior_weights(found: Sequence[Label], alike: FloatArray) -> FloatArray:
    """Weights of the candidates for e-BH; shape (n_candidates,), average 1.

    Args:
        found: the labels.
        alike: shape (len(found), n_candidates), their `likeness`.
    """
    signs = np.array([SIGNS[label.verdict.opinion] for label in found])
    return normalised(signs @ alike)


def normalised(scores: FloatArray) -> FloatArray:
    """Weights from sums of labels' likeness (positive for confirmed); average 1."""
    raw = 10.0 ** (DECADES * np.clip(scores, -1.0, 1.0))
    return np.asarray(raw / raw.mean(), dtype=np.float64) if len(raw) else raw
