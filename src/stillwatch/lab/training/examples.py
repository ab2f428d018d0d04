"""Training rows: every unit filled a few times, its features, and how much each row counts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from stillwatch.lab.training.corpus import BULK, OWN, PLAIN, PROMPT, TEACHER, Corpus, Unit
from stillwatch.lab.training.slots import build_pools, fill
from stillwatch.signals.classifiers import joined_text
from stillwatch.text.linear import features

FILLS = {TEACHER: 4, OWN: 4, BULK: 5, PROMPT: 1, PLAIN: 6}
TRAINED_PER_PROJECT = 150
"""Templates of one project that take part in training, at most; all take part in the counting of errors."""


@dataclass(frozen=True)
class Examples:
    """Filled texts.

    Attributes:
        units: all units.
        unit: int64 [n], the unit of each row.
        x: features, CSR [n, 2**bits].
        trained: bool [n], whether the row may be trained on.
        weight: float64 [n], weight before classes are balanced: a project's rows together count as the
            square root of its number of trained units, so that no large project decides.
    """

    units: tuple[Unit, ...]
    unit: npt.NDArray[np.int64]
    x: sp.csr_matrix
    trained: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]

    def of_units(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Spread a value of each unit over its rows."""
        return values[self.unit]


def build_examples(corpus: Corpus, bits: int, seed: int) -> Examples:
    """Fill the templates and extract features; the same seed gives the same rows."""
    pools = build_pools(corpus.tables, corpus.sensitive)
    rng = np.random.default_rng([seed, 2])
    owner: list[int] = []
    systems: list[str | None] = []
    prompts: list[str] = []
    for i, unit in enumerate(corpus.units):
        for _ in range(FILLS[unit.kind]):
            owner.append(i)
            if unit.kind == PROMPT:
                systems.append(None)
                prompts.append(unit.text)
            else:
                systems.append(fill(unit.system, pools, rng) if unit.system else None)
                prompts.append(fill(unit.text, pools, rng))
    text = joined_text(pa.array(systems, pa.string()), pa.array(prompts, pa.string()))
    trained = _chosen(corpus.units, np.random.default_rng([seed, 3]))
    index = np.asarray(owner, np.int64)
    return Examples(
        corpus.units, index, features(text, bits), trained[index], _weights(corpus.units, trained)[index]
    )


def _chosen(units: tuple[Unit, ...], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    chosen = np.ones(len(units), np.bool_)
    for project in sorted({unit.project for unit in units}):
        members = np.array(
            [i for i, unit in enumerate(units) if unit.project == project and unit.kind != PROMPT]
        )
        if len(members) > TRAINED_PER_PROJECT:
            chosen[rng.choice(members, len(members) - TRAINED_PER_PROJECT, replace=False)] = False
    return chosen


def _weights(units: tuple[Unit, ...], trained: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    sizes: dict[tuple[str, str], int] = {}
    for unit, counts in zip(units, trained, strict=True):
        key = (unit.project, unit.kind)
        sizes[key] = sizes.get(key, 0) + int(counts)
    return np.array(
        [1 / (np.sqrt(max(sizes[unit.project, unit.kind], 1)) * FILLS[unit.kind]) for unit in units]
    )
