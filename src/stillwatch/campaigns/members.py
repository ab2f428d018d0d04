"""The accounts of a reported group: those that were tested, and newcomers in templates that nobody else uses.

An account that a pool opened an hour ago has one exchange; no test can say anything of it alone. But where a template
is used by members and by hardly anybody else, an account that does nothing but use it is most likely the next
member. Newcomers are taken in after the verdict and are no evidence for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stillwatch.campaigns.cells import Cells
from stillwatch.campaigns.dealt_mix import mix_ratios
from stillwatch.campaigns.membership import (
    LEAST,
    MOST,
    declared_ratios,
    member_probabilities,
    newcomer_odds,
    newcomer_ratios,
    share_ratios,
    tie_ratios,
    use_odds,
)
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

EXCLUSIVE = 0.9
"""Part of a template's exchanges that members send, from which it is theirs alone."""
STRANGERS = 0.02
"""Part of a template's users, seen more than once, who may be strangers to a template that is members' alone."""
CLEAR = 0.8


@dataclass(frozen=True)
class _Users:
    """Entities that used the templates of a part; arrays of shape (n_users,).

    Attributes:
        number: index into `Usage.entities`.
        tested: index into the candidate's entities, or -1.
        uses: exchanges in the templates.
        totals: all exchanges.
        declared: whether it is a declared organisation.
    """

    number: IntArray
    tested: IntArray
    uses: FloatArray
    totals: FloatArray
    declared: BoolArray


def entity_probabilities(parts: Sequence[JudgedGroup], usage: Usage, cells: Cells | None) -> dict[str, float]:
    """Probability of each entity to belong to the campaign that these parts are.

    Args:
        parts: groups with members of their own.
        usage: who used which template.
        cells: of all users of the parts' templates; without them neither mix nor declaration is looked at.
    """
    best: dict[str, float] = {}
    for part in parts:
        for entity, probability in _part_probabilities(part, usage, cells).items():
            best[entity] = max(best.get(entity, 0.0), probability)
    return best


def _part_probabilities(part: JudgedGroup, usage: Usage, cells: Cells | None) -> dict[str, float]:
    candidate, tied = part.tests.candidate, part.tests.tied
    templates = usage.templates[list(candidate.templates)]
    users = _users(part, usage, cells, templates)
    names = usage.entities[users.number].tolist()
    inside = users.tested >= 0
    ratios = {
        family: np.where(inside, verdict.log_ratios[users.tested], 0.0)
        for family, verdict in part.tests.verdicts.items()
        if cells is None or family != "template_mix"  # `pairs` says the same of more
    }
    ratios["ties"] = tie_ratios(names, tied)
    ratios["share"] = share_ratios(users.uses, users.totals)
    ratios["declared"] = declared_ratios(users.declared, names, tied)
    prior = use_odds(users.uses, int((users.uses == 1).sum()))
    weight = np.where(inside, member_probabilities(prior, ratios), 0.0)
    if cells is not None:
        ratios |= _mixes(cells, templates, usage.entities[users.number], weight)
        weight = np.where(inside, member_probabilities(prior, ratios), 0.0)
    probabilities = member_probabilities(prior, ratios)
    newcomers = _newcomers(part, users, usage, weight)
    ratios["newcomer"] = newcomer_ratios(users.uses, users.totals, weight)
    del ratios["share"]
    total = sum((np.clip(ratio, LEAST, MOST) for ratio in ratios.values()), np.zeros(len(names)))
    probabilities[newcomers] = expit(total[newcomers] + newcomer_odds(total[newcomers]))
    wanted = inside | newcomers
    return {name: float(p) for name, p, keep in zip(names, probabilities, wanted, strict=True) if keep}


def _newcomers(part: JudgedGroup, users: _Users, usage: Usage, weight: FloatArray) -> BoolArray:
    """Users who were not tested and use nothing but what is the members' alone."""
    candidate = part.tests.candidate
    if candidate.discovered_by == "links":
        # A group found by its links was told from the other users of its templates; they are no newcomers.
        return np.zeros(len(users.number), dtype=bool)
    counts = usage.both[users.number][:, list(candidate.templates)].toarray()
    return (users.tested < 0) & theirs_alone(counts, weight >= CLEAR)


def _users(part: JudgedGroup, usage: Usage, cells: Cells | None, templates: NDArray[np.str_]) -> _Users:
    entities = part.tests.candidate.entities
    counts = np.asarray(usage.both[:, list(part.tests.candidate.templates)].sum(axis=1), dtype=np.float64)
    number = np.union1d(np.flatnonzero(counts.ravel() > 0), entities)
    tested = np.full(len(usage.entities), -1, dtype=np.int64)
    tested[entities] = np.arange(len(entities))
    uses, totals = counts.ravel()[number], usage.totals.sum(axis=1)[number]
    declared = np.zeros(len(number), dtype=bool)
    if cells is not None:
        entity = _positions(usage.entities[number], cells.entities)
        core = cells.touching(templates)
        # An exchange whose prompt and system prompt are both of the templates is one use.
        of_core = entity[cells.account[core]] + 1
        counted = np.bincount(of_core, weights=cells.n[core], minlength=len(number) + 1)
        uses = np.asarray(counted[1:], dtype=np.float64)
        declared[entity[(cells.entities != cells.accounts) & (entity >= 0)]] = True
    return _Users(number, tested[number], np.maximum(uses, 1.0), totals, declared)


def _positions(names: NDArray[np.str_], wanted: NDArray[np.str_]) -> IntArray:
    """Index of each of `wanted` in `names` (sorted), or -1."""
    at = np.minimum(np.searchsorted(names, wanted), max(len(names) - 1, 0))
    return np.where(names[at] == wanted, at, -1).astype(np.int64)


def _mixes(
    cells: Cells, templates: NDArray[np.str_], names: NDArray[np.str_], weight: FloatArray
) -> dict[str, FloatArray]:
    """Ratios of the mix of pairs of templates, and of settings, within the group's templates."""
    user = _positions(names, cells.entities)[cells.account]
    core = np.flatnonzero(cells.touching(templates) & (user >= 0))
    labels = {"pairs": cells.pair[core], "settings": cells.setting[core]}
    return {kind: _mix(user[core], label, cells.n[core], weight) for kind, label in labels.items()}


def _mix(user: IntArray, label: IntArray, n: FloatArray, weight: FloatArray) -> FloatArray:
    """`mix_ratios` on cells that differ in more than the label."""
    labels, dense = np.unique(label, return_inverse=True)
    code, merged = np.unique(user * len(labels) + dense.reshape(-1), return_inverse=True)
    counts = np.asarray(np.bincount(merged.reshape(-1), weights=n), dtype=np.float64)
    return mix_ratios(code // len(labels), code % len(labels), counts, weight)


def theirs_alone(counts: FloatArray, member: BoolArray) -> BoolArray:
    """Users all of whose exchanges are in templates that members have for themselves.

    Args:
        counts: shape (n_users, n_templates); exchanges of all users of the templates.
        member: shape (n_users,); which users are members.
    """
    used = counts.sum(axis=0)
    settled = counts >= 2
    strangers = settled[~member].sum(axis=0)
    shared = (counts[member].sum(axis=0) < EXCLUSIVE * used) | (strangers > STRANGERS * settled.sum(axis=0))
    return np.asarray(counts[:, shared].sum(axis=1) == 0)
