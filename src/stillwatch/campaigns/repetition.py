"""Which accounts use which templates, and whether that use is a matter of the account at all (rung *repetitive*).

Null model: everybody uses a template in proportion to their volume. Users are named on one half of the exchanges
and the claim is tested on the other half (split likelihood ratio, an e-value by universal inference, Wasserman,
Ramdas & Balakrishnan 2020). Where account labels were permuted, nothing passes and no group is tested further.

Works badly: where one campaign is all the traffic there is (nobody is left to differ from).
Evaded by: a new wording in every exchange, which leaves no template (links may still name the group).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.campaigns.uses import Exposures, Uses, UsesByTemplate
from stillwatch.exchange.numbering import coded, places_in

MOST_SAID = 5.0
"""Exchanges of one account come in bursts; a Poisson likelihood would take a burst for many independent choices. Each
account counts as one observation at most: so much either way, in natural logarithms."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Usage:
    """Exchanges by entity and template, apart for the two halves.

    Attributes:
        entities: names, shape (n_entities,).
        templates: names, shape (n_templates,).
        by_template: exchanges of each entity in each template, in the half on which groups are found and in that on
            which they are tested.
        totals: shape (n_entities, 2); all exchanges of the entity, discovery half, held-out half.
        span: shape (n_entities, 2); first and last exchange of any kind, microseconds since 1970.
        repeated: shape (n_templates,); share of the discovery half's exchanges whose task was asked before.
    """

    entities: NDArray[np.str_]
    templates: NDArray[np.str_]
    by_template: UsesByTemplate
    totals: FloatArray
    span: NDArray[np.int64]
    repeated: FloatArray

    @cached_property
    def exposures(self) -> Exposures:
        """`totals`, for `log_e_of_use`."""
        return Exposures(self.totals)

    @cached_property
    def log_e_of_bundles(self) -> dict[tuple[int, ...], float]:
        """What `log_e_of_use` says of sets of templates, as far as anybody has asked: many groups use the same."""
        return {}

    def volumes(self, entities: NDArray[np.int64], templates: Sequence[int]) -> FloatArray:
        """Exchanges of these entities (ascending) in each of these templates, both halves, shape (len(templates),)."""
        _, uses, _ = self.by_template.of_group(entities, templates)
        return np.asarray(np.bincount(uses.template, uses.both, len(templates)), dtype=np.float64)

    def found_in(self, entities: NDArray[np.int64], templates: Sequence[int]) -> csr_array:
        """Exchanges of these entities (ascending) in these templates in the discovery half, shape (len(entities),
        len(templates))."""
        _, uses, row = self.by_template.of_group(entities, templates)
        used = uses.found > 0
        counts = (uses.found[used], (row[used], uses.template[used]))
        return csr_array(counts, shape=(len(entities), len(templates)))


def usage_from_tables(template_usage: pa.Table, entity_totals: pa.Table) -> Usage:
    """Read the step tables `template_usage` and `entity_totals` (campaigns/steps.py)."""
    entities, entity_of_total = coded(entity_totals.column("entity"))
    templates, template_index = coded(template_usage.column("template_id"))
    entity_index = places_in(entities, template_usage.column("entity"))
    counts = template_usage.column("n").to_numpy()
    held_out = template_usage.column("held_out").to_numpy(zero_copy_only=False).astype(bool)
    shape = (len(entities), len(templates))
    by_template = UsesByTemplate.counted(shape, entity_index, template_index, held_out, counts)
    totals = np.zeros((len(entities), 2))
    column = entity_totals.column("held_out").to_numpy(zero_copy_only=False).astype(np.int64)
    np.add.at(totals, (entity_of_total, column), entity_totals.column("n").to_numpy().astype(np.float64))
    found = np.where(held_out, 0.0, 1.0)
    repeats = found * template_usage.column("n_repeated").to_numpy().astype(np.float64)
    n_repeated = np.bincount(template_index, weights=repeats, minlength=len(templates))
    n_found = np.bincount(template_index, weights=found * counts, minlength=len(templates))
    repeated = n_repeated / np.maximum(n_found, 1.0)
    span = _spans(entity_totals, entity_of_total, len(entities))
    of_entities, of_templates = (
        np.asarray(names.to_pylist(), dtype=np.str_) for names in (entities, templates)
    )
    return Usage(of_entities, of_templates, by_template, totals, span, repeated)


def _spans(entity_totals: pa.Table, entity: NDArray[np.int64], n_entities: int) -> NDArray[np.int64]:
    limits = np.iinfo(np.int64)
    span = np.tile(np.array([limits.max, limits.min]), (n_entities, 1))
    np.minimum.at(span[:, 0], entity, entity_totals.column("first_ts").cast(pa.int64()).to_numpy())
    np.maximum.at(span[:, 1], entity, entity_totals.column("last_ts").cast(pa.int64()).to_numpy())
    return span


def log_e_of_use(uses: Uses, exposures: Exposures) -> float:
    """E-value (natural logarithm) that use of a set of templates is a matter of the account.

    It is worked out from the users alone: what those say who never used the set is added up without asking each.

    Args:
        uses: one row for each entity that used the set at all (`Uses.by_entity`).
        exposures: all exchanges of all entities.
    """
    sums = _sums(uses.entity, uses.found, uses.tested, exposures.found)
    found_by_users, own_of_users, found_by_others, tested = sums
    # The null's rate is the best one on the tested half itself, which can only lower the e-value.
    common = _rate(tested, exposures.all_tested)
    rates = np.array(
        [_rate(found_by_others, exposures.all_found - own_of_users), _rate(found_by_users, own_of_users)]
    )
    # Of the others each says `slope` for every exchange that was none of the set's.
    slope = common - float(rates[0])
    given = np.log(rates / common), rates - common, abs(slope)
    said, silent = _said(uses.entity, uses.found, uses.tested, exposures.tested, given)
    unsaid = exposures.clipped_sum(abs(slope), MOST_SAID) - float(silent.sum())
    return float(said.sum() + np.sign(slope) * unsaid)


@njit(nogil=True, cache=True)
def _sums(entity, found, tested, own_found):  # type: ignore[no-untyped-def]
    """Exchanges in the discovery half by those who used the set twice or more, their own of any kind, those by others;
    exchanges in the held-out half. All are whole numbers."""
    by_users, own, by_others, in_tested = 0.0, 0.0, 0.0, 0.0
    for at in range(len(entity)):
        if found[at] >= 2:
            by_users += found[at]
            own += own_found[entity[at]]
        else:
            by_others += found[at]
        in_tested += tested[at]
    return by_users, own, by_others, in_tested


@njit(nogil=True, cache=True)
def _said(entity, found, tested, own_tested, given):  # type: ignore[no-untyped-def]
    """What each says of the set, and what it would have said without an exchange in it; either cut at `MOST_SAID`."""
    of_each, of_none, slope = given
    said, silent = np.empty(len(entity)), np.empty(len(entity))
    for at in range(len(entity)):
        own, kind = own_tested[entity[at]], int(found[at] >= 2)
        ratio = tested[at] * of_each[kind] - own * of_none[kind]
        said[at] = min(max(ratio, -MOST_SAID), MOST_SAID)
        silent[at] = min(own * slope, MOST_SAID)
    return said, silent


def _rate(hits: float, exposure: float) -> float:
    return float((hits + 0.5) / (exposure + 1.0))
