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

    entity_at = {str(name): place for place, name in enumerate(usage.entities.tolist())}
    template_at = {str(name): place for place, name in enumerate(usage.templates.tolist())}

    def meant(accounts: Iterable[str]) -> NDArray[np.int64]:
        return _places(entity_at, {entity_of[name] for name in accounts if name in entity_of})

    found = []
    for verdict in verdicts:
        if verdict.account_id is not None:
            found.append(Label(verdict, meant([verdict.account_id]), None))
        else:
            group = groups[str(verdict.group_id)]
            found.append(Label(verdict, meant(group.accounts), _places(template_at, group.templates.keys())))
    return found


def _places(at: Mapping[str, int], wanted: Set[str]) -> NDArray[np.int64]:
    return np.array(sorted(at[name] for name in wanted if name in at), dtype=np.int64)


def weight_scores(
    found: Sequence[Label], alike: FloatArray, usage: Usage, candidates: Sequence[Candidate]
) -> FloatArray:
    """What `normalised` makes weights of: each label's likeness to a candidate, positive where confirmed, added up.

    Args:
        found: all labels.
        alike: shape (labels on groups, n_candidates), their `likeness`.
        usage: who uses what.
        candidates: what is tested.
    """
    signs = np.array([SIGNS[label.verdict.opinion] for label in found if label.templates is not None])
    scores = signs @ alike if len(signs) else np.zeros(len(candidates))
    leaning = np.zeros(len(usage.entities))
    for label in found:
        if label.templates is None:
            leaning[label.entities] += SIGNS[label.verdict.opinion]
    if leaning.any():
        leaning = np.clip(leaning, -1.0, 1.0)
        scores = scores + np.array([_leaning(leaning, usage, candidate) for candidate in candidates])
    return np.asarray(scores, dtype=np.float64)


def _leaning(leaning: FloatArray, usage: Usage, candidate: Candidate) -> float:
    """Average of the accounts' labels, each exchange of the candidate counted once."""
    used = usage.found_in(candidate.entities, candidate.templates)
    volume = np.asarray(used.sum(axis=1), dtype=np.float64).ravel()
    return float(leaning[candidate.entities] @ volume / max(float(volume.sum()), 1.0))


def likeness(found: Sequence[Label], usage: Usage, candidates: Sequence[Candidate]) -> FloatArray:
    """How far each candidate is the group that each label is about: the share of its discovery exchanges.

    What is confirmed is known again by its accounts or by its templates, of which one may have been replaced. What is
    benign is known by both at once: others who use a benign product's template have not been looked at.

    Args:
        found: labels on groups.
        usage: who uses what.
        candidates: what is tested.

    Returns:
        shape (len(found), len(candidates)), from 0 to 1.
    """
    entities = _membership([label.entities for label in found], len(usage.entities))
    templates = _membership([label.templates for label in found], len(usage.templates))
    benign = np.array([label.verdict.opinion is Opinion.BENIGN for label in found], dtype=np.bool_)
    result = np.zeros((len(found), len(candidates)))
    for column, candidate in enumerate(candidates):
        used = usage.found_in(candidate.entities, candidate.templates)
        total = float(used.sum())
        if total == 0:
            continue
        inside = csr_array(entities[:, candidate.entities] @ used)
        named = templates[:, list(candidate.templates)]
        by_entity = np.asarray(inside.sum(axis=1)).ravel()
        by_template = np.asarray(named @ np.asarray(used.sum(axis=0)).ravel())
        both = np.asarray(inside.multiply(named).sum(axis=1)).ravel()
        result[:, column] = np.where(benign, both, np.maximum(by_entity, by_template)) / total
    return result


def _membership(places: Sequence[NDArray[np.int64] | None], n: int) -> csr_array:
    """A row of ones and zeros for each list of places."""
    columns = [np.empty(0, np.int64) if place is None else place for place in places]
    rows = np.repeat(np.arange(len(columns)), [len(column) for column in columns])
    at = (rows, np.concatenate(columns) if columns else rows)
    return csr_array((np.ones(len(rows)), at), shape=(len(columns), n))


def normalised(scores: FloatArray) -> FloatArray:
    """Weights for e-BH from `weight_scores`: same shape, average 1."""
    raw = 10.0 ** (DECADES * np.clip(scores, -1.0, 1.0))
    return np.asarray(raw / raw.mean(), dtype=np.float64) if len(raw) else raw
