"""Random bipartite graphs with heavy tails, for the tests of the links."""

import numpy as np

from stillwatch.links.incidence import Incidence


def draw(
    rng: np.random.Generator, n: int = 400, m: int = 600, edges: int = 1600, kind: str = "prefix"
) -> Incidence:
    """A graph from a configuration-like law: fitnesses of both sides are Pareto, entries independent."""
    x = rng.pareto(1.5, n) + 0.2
    y = rng.pareto(1.3, m) + 0.05
    mean = edges * np.outer(x / x.sum(), y / y.sum())
    entities, values = np.nonzero(rng.random((n, m)) < mean / (1 + mean))
    return Incidence.from_pairs(kind, entities, values, (n, m))


def rewired(incidence: Incidence, rng: np.random.Generator, rounds: int = 10) -> Incidence:
    """The same degrees, exactly, and nothing else: edge swaps of the bipartite graph."""
    coo = incidence.matrix.tocoo()
    entities, values = (a.astype(np.int64).copy() for a in coo.coords)
    present = set(zip(entities.tolist(), values.tolist(), strict=True))
    for a, b in rng.integers(0, entities.size, (rounds * entities.size, 2)).tolist():
        i, v, j, w = int(entities[a]), int(values[a]), int(entities[b]), int(values[b])
        if i == j or v == w or (i, w) in present or (j, v) in present:
            continue
        present -= {(i, v), (j, w)}
        present |= {(i, w), (j, v)}
        values[a], values[b] = w, v
    return Incidence.from_pairs(incidence.kind, entities, values, incidence.matrix.shape, incidence.values)


def planted(
    incidence: Incidence, members: list[int], values: list[int], rng: np.random.Generator
) -> Incidence:
    """The graph with each member given one or two of `values` on top."""
    coo = incidence.matrix.tocoo()
    extra = [(i, int(v)) for i in members for v in rng.choice(values, 2)]
    more_entities, more_values = np.array(extra).T
    return Incidence.from_pairs(
        incidence.kind,
        np.concatenate([coo.coords[0], more_entities]),
        np.concatenate([coo.coords[1], more_values]),
        incidence.matrix.shape,
        incidence.values,
    )
