"""The links as steps of a scan: what accounts share, which pairs are tied, and communities."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from stillwatch.engines.step import DriverStep, Step
from stillwatch.links.attributes import attribute_steps
from stillwatch.links.bicm import BipartiteModel, fit_bicm
from stillwatch.links.communities import communities, split_disconnected
from stillwatch.links.incidence import Attributes, Incidence
from stillwatch.links.pair_kernels import shared_values
from stillwatch.links.settings import LinkSettings
from stillwatch.links.validated import ValidatedPairs, validated_links

Ints = NDArray[np.int64]

LINKS_SCHEMA = pa.schema(
    [
        pa.field("entity_a", pa.string(), nullable=False),
        pa.field("entity_b", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("values", pa.list_(pa.string()), nullable=False),
        pa.field("log10_p", pa.float64(), nullable=False),
        pa.field("log10_p_pair", pa.float64(), nullable=False),
    ]
)
COMMUNITIES_SCHEMA = pa.schema(
    [
        pa.field("entity", pa.string(), nullable=False),
        pa.field("community", pa.int64(), nullable=False),
        pa.field("component", pa.int64(), nullable=False),
    ]
)


def link_steps(settings: LinkSettings | None = None, threads: int = 1) -> list[Step]:
    """Steps from `exchanges` and `accounts` to communities of tied entities.

    Makes the tables of `attribute_steps`, then:
        links: entity_a < entity_b, kind, values (shared, under the cap), log10_p (of the kind), log10_p_pair
            (over all kinds); one row per validated pair and kind that it shares.
        communities: entity, community, component (connected), both numbered from 0 by first entity; entities
            without a link are not in it.
    """
    settings = settings or LinkSettings()
    return [
        *attribute_steps(),
        DriverStep("links", ("account_attributes",), partial(_links, settings=settings, threads=threads)),
        DriverStep("communities", ("links",), partial(_communities, settings=settings)),
    ]


def fit_models(attributes: Attributes, strata: Mapping[str, str] | None = None) -> dict[str, BipartiteModel]:
    """Fit the null of every kind.

    Args:
        attributes: who has what.
        strata: entity name -> stratum; entities that are missing in it share a stratum of their own.

    Returns:
        Kind -> model.
    """
    if strata is None:
        return {kind: fit_bicm(incidence) for kind, incidence in attributes.kinds.items()}
    labels = [strata.get(entity, "") for entity in attributes.entities]
    numbers = np.unique(np.array(labels), return_inverse=True)[1].reshape(-1).astype(np.int64)
    return {kind: fit_bicm(incidence, numbers) for kind, incidence in attributes.kinds.items()}


def _links(tables: Mapping[str, pa.Table], settings: LinkSettings, threads: int) -> pa.Table:
    attributes = Attributes.from_table(tables["account_attributes"])
    pairs = validated_links(attributes, fit_models(attributes), settings, threads)
    entities = pa.array(attributes.entities, pa.string())
    parts = [
        _of_kind(attributes.kinds[kind], pairs, number, entities, settings.cap)
        for number, kind in enumerate(pairs.kinds)
    ]
    rows = pa.concat_tables([LINKS_SCHEMA.empty_table(), *(table for table, _ in parts)])
    place = np.concatenate([np.zeros(0, np.int64), *(at for _, at in parts)])
    # Pair by pair; within a pair kinds are in order already.
    return rows.take(pa.array(np.argsort(place, kind="stable")))


def _of_kind(
    incidence: Incidence, pairs: ValidatedPairs, number: int, entities: pa.Array, cap: int
) -> tuple[pa.Table, Ints]:
    """Rows of one kind, and the place of each row's pair."""
    matrix = incidence.matrix
    both = np.stack([pairs.first, pairs.second], axis=1)
    begins, values = shared_values(
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), incidence.value_degrees <= cap, both
    )
    at = np.flatnonzero(np.diff(begins))
    names = pa.array(incidence.values, pa.string()).take(pa.array(values))
    offsets = np.append(begins[at], begins[-1:]).astype(np.int32)
    columns = [
        entities.take(pa.array(pairs.first[at])),
        entities.take(pa.array(pairs.second[at])),
        pa.array([incidence.kind], pa.string()).take(pa.array(np.zeros(len(at), np.int64))),
        pa.ListArray.from_arrays(pa.array(offsets), names),
        pa.array(pairs.log_p_kind[at, number] / np.log(10)),
        pa.array(pairs.log_p[at] / np.log(10)),
    ]
    return pa.table(columns, schema=LINKS_SCHEMA), at.astype(np.int64)


def _communities(tables: Mapping[str, pa.Table], settings: LinkSettings) -> pa.Table:
    links = tables["links"]
    sides = [links.column(f"entity_{side}") for side in "ab"]
    names = pc.unique(pa.chunked_array([chunk for side in sides for chunk in side.chunks], pa.string()))
    names = names.take(pc.sort_indices(names))
    i, j = (pc.index_in(side, value_set=names).to_numpy().astype(np.int64) for side in sides)
    n = len(names)
    pair, place = np.unique(i * n + j, return_inverse=True)
    log_p = np.zeros(len(pair))
    np.minimum.at(log_p, place.reshape(-1), links.column("log10_p_pair").to_numpy())
    weight = np.maximum(-log_p, 1e-9)
    ends = np.stack([pair // max(n, 1), pair % max(n, 1)])
    graph = sparse.csr_array((np.tile(weight, 2), (ends.ravel(), ends[::-1].ravel())), shape=(n, n))
    columns = {
        "entity": names,
        "community": communities(graph, settings.resolution),
        "component": split_disconnected(graph, np.zeros(n, np.int64)),
    }
    return pa.table(columns, schema=COMMUNITIES_SCHEMA)
