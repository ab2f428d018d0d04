"""The links as steps of a scan: what accounts share, which pairs are tied, and communities."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import pyarrow as pa
from scipy import sparse

from stillwatch.engines.step import DriverStep, Step
from stillwatch.links.attributes import attribute_steps
from stillwatch.links.bicm import BipartiteModel, fit_bicm
from stillwatch.links.communities import communities, split_disconnected
from stillwatch.links.incidence import Attributes
from stillwatch.links.settings import LinkSettings
from stillwatch.links.validated import validated_links

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


def link_steps(settings: LinkSettings | None = None) -> list[Step]:
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
        DriverStep("links", ("account_attributes",), partial(_links, settings=settings)),
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


def _links(tables: Mapping[str, pa.Table], settings: LinkSettings) -> pa.Table:
    attributes = Attributes.from_table(tables["account_attributes"])
    pairs = validated_links(attributes, fit_models(attributes), settings)
    rows: dict[str, list[object]] = {name: [] for name in LINKS_SCHEMA.names}
    for at, (i, j) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
        for number, kind in enumerate(pairs.kinds):
            values = _shared_values(attributes, kind, i, j, settings.cap)
            if not values:
                continue
            row = (
                attributes.entities[i],
                attributes.entities[j],
                kind,
                values,
                float(pairs.log_p_kind[at, number]) / np.log(10),
                float(pairs.log_p[at]) / np.log(10),
            )
            for name, cell in zip(LINKS_SCHEMA.names, row, strict=True):
                rows[name].append(cell)
    return pa.table(rows, schema=LINKS_SCHEMA)


def _shared_values(attributes: Attributes, kind: str, i: int, j: int, cap: int) -> list[str]:
    incidence = attributes.kinds[kind]
    matrix = incidence.matrix
    first = matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]
    second = matrix.indices[matrix.indptr[j] : matrix.indptr[j + 1]]
    both = np.intersect1d(first, second, assume_unique=True)
    return [incidence.values[v] for v in both if incidence.value_degrees[v] <= cap]


def _communities(tables: Mapping[str, pa.Table], settings: LinkSettings) -> pa.Table:
    links = tables["links"]
    pairs = links.group_by(["entity_a", "entity_b"]).aggregate([("log10_p_pair", "min")])
    first, second = (np.array(pairs.column(name).to_pylist(), dtype=str) for name in ("entity_a", "entity_b"))
    names, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    i, j = numbers.reshape(2, -1)
    weight = np.maximum(-pairs.column("log10_p_pair_min").to_numpy(), 1e-9)
    graph = sparse.csr_array(
        (np.tile(weight, 2), (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(names.size, names.size)
    )
    columns = {
        "entity": names.tolist(),
        "community": communities(graph, settings.resolution),
        "component": split_disconnected(graph, np.zeros(names.size, np.int64)),
    }
    return pa.table(columns, schema=COMMUNITIES_SCHEMA)
