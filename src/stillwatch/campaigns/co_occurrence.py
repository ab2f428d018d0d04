"""Validated co-occurrence (families shared_*): does the group share attributes beyond a degree-corrected null?

What should move: accounts opened and paid by one hand share cards, address prefixes, e-mail domains and hours of
birth; unrelated users of a template share only what everybody shares. Null model: the bipartite configuration
model, in which every account keeps how many values it has and every value how popular it is (links/bicm.py), so
carriers' gateways, freemail domains and launch days discount themselves. Declared organisations count as one.

The client (JA4 and user agent) is left out: users of one tool share its client by the nature of the tool.
Sees: payment clusters, hosting ranges, throw-away domains, registration by script. Works badly: a class behind
one address is tied, too; being tied is not hostile. Evaded by: one card, one residential address and one freemail
box for each account, opened over weeks - the dearest evasion there is; or by cells, each with cards, networks and
domains of its own, which hold together only within themselves.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.evalues import log_e_from_log_p
from stillwatch.exchange.numbering import places_among
from stillwatch.links.bicm import BipartiteModel
from stillwatch.links.incidence import Attributes
from stillwatch.links.shared_attributes import (
    RARE,
    SharedAttribute,
    holding_tied_value,
    shared_attribute_test,
)

IntArray = NDArray[np.int64]

TIED_BY = ("payment", "prefix", "email_domain", "birth")
TIED_SHARE = 0.5
CONNECTED_BY = ("payment", "prefix", "email_domain")
OWNED_BY = ("payment", "email_domain")
WORDS = {
    "payment": "payment instruments",
    "prefix": "address prefixes",
    "email_domain": "e-mail domains",
    "birth": "hours of registration",
    "client": "client fingerprints",
}


@dataclass(frozen=True)
class AttributeModels:
    """What accounts have, and the null model of each kind."""

    attributes: Attributes
    models: Mapping[str, BipartiteModel]


def co_occurrence_test(
    entities: IntArray, models: AttributeModels, kinds: Collection[str] = TIED_BY
) -> dict[str, SharedAttribute]:
    """The test of each kind that the dataset has; entities without any attribute count as untied.

    Args:
        entities: numbers (`Attributes.numbers_of`), shape (n,).
        models: attributes of all entities.
        kinds: kinds of attribute.
    """
    known = entities[entities >= 0]
    return {
        kind: shared_attribute_test(known, models.attributes.kinds[kind], models.models[kind])
        for kind in kinds
        if kind in models.attributes.kinds
    }


def tie_log_e(found: SharedAttribute, one_hand: bool) -> float:
    """Natural logarithm of the e-value that a kind of attribute ties the group as a whole.

    A part of a group may be tied while the rest is not (a reseller's accounts among the users of a tool): where
    fewer than half of the accounts share a value with another, or the ties do not hold the group together, the
    finding says nothing for the group. Setting an e-value to 1 on some outcomes where it was larger keeps it an
    e-value.

    Args:
        found: the test of one kind.
        one_hand: whether the ties of all kinds together hold the group together (`owners.CONNECTED`).
    """
    log_e = log_e_from_log_p(found.log_p)
    apart = found.kind in CONNECTED_BY and not one_hand
    whole = found.n_tied >= TIED_SHARE * found.n_entities and not apart
    return log_e if whole else min(log_e, 0.0)


def held_rare_values(
    known: IntArray, models: AttributeModels, kinds: Collection[str]
) -> tuple[IntArray, IntArray]:
    """Rare values of some kinds that entities hold: place of the entity, number of the value; both (n,)."""
    members, values, first = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for kind in sorted(kinds):
        if kind in models.attributes.kinds:
            incidence = models.attributes.kinds[kind]
            held, member = incidence.values_of(known)
            rare = incidence.value_degrees[held] <= RARE * incidence.n_entities
            members.append(member[rare])
            values.append(held[rare] + first)
            first += incidence.n_values
    return np.concatenate(members), np.concatenate(values)


def owner_share(
    entities: IntArray,
    weight: NDArray[np.float64],
    shared: Mapping[str, SharedAttribute],
    models: AttributeModels,
) -> float:
    """Largest part of a group's exchanges that one tied payment instrument or e-mail domain stands behind.

    Counted in exchanges: a few strangers who tried a firm's template do not make the firm several customers.

    Args:
        entities: numbers (`Attributes.numbers_of`), shape (n,).
        weight: exchanges of each, shape (n,).
        shared: the tests of the group.
        models: attributes of all entities.
    """
    largest = 0.0
    known = entities >= 0
    for kind in OWNED_BY:
        if kind not in shared or not shared[kind].shared:
            continue
        held, member = models.attributes.kinds[kind].values_of(entities[known])
        tied = np.sort(np.array([value.number for value in shared[kind].shared], np.int64))
        place = places_among(tied, held)
        behind = np.bincount(place[place >= 0], weights=weight[known][member[place >= 0]])
        largest = max(largest, float(behind.max()))
    return largest / max(float(weight.sum()), 1.0)


def tied_entities(entities: IntArray, models: AttributeModels, kind: str) -> NDArray[np.bool_]:
    """Whether each entity of a group, given by number, shares a tied value of that kind with another of it; (n,)."""
    found = np.zeros(len(entities), dtype=bool)
    known = entities >= 0
    found[known] = holding_tied_value(entities[known], models.attributes.kinds[kind])
    return found
