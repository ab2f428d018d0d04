"""The accounts of a reported group: those that were tested, and newcomers in templates that nobody else uses.

An account that a pool opened an hour ago has one exchange; no test can say anything of it alone. But where a template
is used by members and by hardly anybody else, an account that does nothing but use it is most likely the next
member. Newcomers are taken in after the verdict and are no evidence for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit

from stillwatch.campaigns.cells import Cells
from stillwatch.campaigns.dealt_mix import mix_ratios
from stillwatch.campaigns.membership import (
    declared_ratios,
    joined_ratios,
    member_probabilities,
    part_odds,
    part_ratios,
    share_ratios,
    tie_ratios,
    use_odds,
)
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.exchange.numbering import places_among

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

EXCLUSIVE = 0.9
"""Part of a template's exchanges that members send, from which it is theirs alone."""
CLEAR = 0.8
SPEAKS = float(np.log(100.0))
"""E-value from which a family says something of single accounts."""


@dataclass(frozen=True)
class _Users:
    """Entities that used the templates of a part; arrays of shape (n_users,).

    Attributes:
        number: index into `Usage.entities`.
        of_part: index into the part's entities, or -1.
        tested: index into the wider group's entities, or -1.
        uses: exchanges in the templates.
        totals: all exchanges.
        declared: whether it is a declared organisation.
    """

    number: IntArray
    of_part: IntArray
    tested: IntArray
    uses: FloatArray
    totals: FloatArray
    declared: BoolArray


def entity_probabilities(
    parts: Sequence[JudgedGroup],
    usage: Usage,
    cells: Cells | None,
    tested: Sequence[JudgedGroup] = (),
    *,
    newcomers: bool = True,
) -> dict[str, float]:
    """Probability of each entity to belong to the campaign that these parts are.

    Args:
        parts: groups with members of their own.
        usage: who used which template.
        cells: of all users of the parts' templates; without them neither mix nor declaration is looked at.
        tested: all tested groups. Where a part is the core of a wider one, the other entities are judged by what
            the tests said of them in the wider one.
        newcomers: whether users whom no test of a part saw may belong to it.
    """
    best: dict[str, float] = {}
    for part in parts:
        templates = part.tests.candidate.templates
        wider = [group for group in tested if group.tests.candidate.templates == templates]
        widest = max([part, *wider], key=lambda group: len(group.tests.candidate.entities))
        for entity, probability in _part_probabilities(
            part, widest, usage, cells, newcomers=newcomers
        ).items():
            best[entity] = max(best.get(entity, 0.0), probability)
    return best


def _part_probabilities(
    part: JudgedGroup, wider: JudgedGroup, usage: Usage, cells: Cells | None, *, newcomers: bool
) -> dict[str, float]:
    templates = usage.templates[list(part.tests.candidate.templates)]
    users = _users(part, wider, usage, cells)
    inside = users.of_part >= 0
    ratios = _test_ratios(part, wider, users)
    if cells is not None:
        ratios.pop("template_mix", None)  # `pairs` says the same of more
    tied = {kind: _sharing(part, wider, users, kind) for kind in part.tests.tied}
    # Nobody asked what users of neither group share.
    ratios["ties"] = np.where(inside | (users.tested >= 0), tie_ratios(tied, len(inside)), 0.0)
    ratios["declared"] = declared_ratios(users.declared, tied)
    given = {"share": share_ratios(users.uses, users.totals)}
    prior = use_odds(users.uses, int((users.uses == 1).sum()))
    weight = np.where(inside, member_probabilities(prior, ratios | given), 0.0)
    if cells is not None:
        ratios |= _mixes(cells, templates, usage.entities[users.number], weight)
        weight = np.where(inside, member_probabilities(prior, ratios | given), 0.0)
    probabilities = member_probabilities(prior, ratios | given)
    others = _others(part, users, usage, weight) if newcomers else np.zeros_like(inside)
    if others.any():
        of_others = {name: ratio[others] for name, ratio in ratios.items()}
        of_others["part"] = part_ratios(users.uses, users.totals, weight, others)
        total = joined_ratios(of_others, int(others.sum()))
        probabilities[others] = expit(total + part_odds(total))
    kept = np.flatnonzero(inside | others)
    names = usage.entities[users.number[kept]].tolist()
    return dict(zip(names, probabilities[kept].tolist(), strict=True))


def _sharing(part: JudgedGroup, wider: JudgedGroup, users: _Users, kind: str) -> BoolArray:
    """Which users share a tied value of a kind with another of the part, or of the wider group."""
    found = np.zeros(len(users.number), dtype=bool)
    for group, place in ((part, users.of_part), (wider, users.tested)):
        if kind in group.tests.tied:
            found |= (place >= 0) & group.tests.tied[kind][place]
    return found


def _others(part: JudgedGroup, users: _Users, usage: Usage, weight: FloatArray) -> BoolArray:
    """Users outside the part who may be members: tested in the wider group, or in none but the members' templates."""
    templates = part.tests.candidate.templates
    _, uses, row = usage.by_template.of_group(users.number, templates)
    # What a declared organisation does is no secret, and takes no template from anybody.
    open_use = uses.both * ~users.declared[row]
    counts = csr_array((open_use, (row, uses.template)), shape=(len(users.number), len(templates)))
    alone = theirs_alone(counts, weight >= CLEAR) & ~users.declared
    return np.asarray((users.of_part < 0) & ((users.tested >= 0) | alone))


def _test_ratios(part: JudgedGroup, wider: JudgedGroup, users: _Users) -> dict[str, FloatArray]:
    """What the tests said of each user: in the part where it was tested there, else in the wider group, else 0.

    A family by which the group as a whole looks innocent (it works in sittings, say) does not tell its accounts from
    strays.
    """
    ratios = {}
    for family, verdict in part.tests.verdicts.items():
        if min(verdict.log_e, part.tests.log_e.get(family, verdict.log_e)) < SPEAKS:
            continue
        of_wider = wider.tests.verdicts[family].log_ratios
        ratio = np.where(users.tested >= 0, of_wider[users.tested], 0.0)
        ratios[family] = np.where(users.of_part >= 0, verdict.log_ratios[users.of_part], ratio)
    return ratios


def _users(part: JudgedGroup, wider: JudgedGroup, usage: Usage, cells: Cells | None) -> _Users:
    columns = list(part.tests.candidate.templates)
    used, _ = usage.by_template.of_templates(columns).by_entity()
    groups = [group.tests.candidate.entities for group in (part, wider)]
    number = np.union1d(used.entity, np.union1d(*groups))
    of_part, tested = (places_among(entities, number) for entities in groups)
    uses, totals = np.zeros(len(number)), usage.totals[number].sum(axis=1)
    uses[places_among(number, used.entity)] = used.both
    declared = np.zeros(len(number), dtype=bool)
    if cells is not None:
        entity = places_among(usage.entities[number], cells.entities)
        core = cells.touching(usage.templates[columns])
        # An exchange whose prompt and system prompt are both of the templates is one use.
        of_core = entity[cells.account[core]] + 1
        counted = np.bincount(of_core, weights=cells.n[core], minlength=len(number) + 1)
        uses = np.asarray(counted[1:], dtype=np.float64)
        declared[entity[(cells.entities != cells.accounts) & (entity >= 0)]] = True
    return _Users(number, of_part, tested, np.maximum(uses, 1.0), totals, declared)


def _mixes(
    cells: Cells, templates: NDArray[np.str_], names: NDArray[np.str_], weight: FloatArray
) -> dict[str, FloatArray]:
    """Ratios of the mix of pairs of templates, and of settings, within the group's templates."""
    user = places_among(names, cells.entities)[cells.account]
    core = np.flatnonzero(cells.touching(templates) & (user >= 0))
    labels = {"pairs": cells.pair[core], "settings": cells.setting[core]}
    return {kind: _mix(user[core], label, cells.n[core], weight) for kind, label in labels.items()}


def _mix(user: IntArray, label: IntArray, n: FloatArray, weight: FloatArray) -> FloatArray:
    """`mix_ratios` on cells that differ in more than the label."""
    labels, dense = np.unique(label, return_inverse=True)
    code, merged = np.unique(user * len(labels) + dense.reshape(-1), return_inverse=True)
    counts = np.asarray(np.bincount(merged.reshape(-1), weights=n), dtype=np.float64)
    return mix_ratios(code // len(labels), code % len(labels), counts, weight)


def theirs_alone(counts: FloatArray | csr_array, member: BoolArray) -> BoolArray:
    """Users all of whose exchanges are in templates that members have for themselves.

    Args:
        counts: shape (n_users, n_templates); exchanges of all users of the templates.
        member: shape (n_users,); which users are members.
    """
    shared = counts[member].sum(axis=0) < EXCLUSIVE * counts.sum(axis=0)
    return np.asarray(counts[:, shared].sum(axis=1) == 0)
