"""Splits by project: who is held out together, and near-copies that must not stand on both sides."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.lab.training.corpus import PLAIN, PROMPT, Unit
from stillwatch.lab.training.slots import without_slots
from stillwatch.text.linear import features

N_FOLDS = 6
NEAR_COPY = 0.6
"""Cosine of two templates' distinct words and word pairs from which one counts as a copy of the other."""


def project_folds(units: tuple[Unit, ...]) -> npt.NDArray[np.int64]:
    """Fold of each unit, int64 [n_units]: whole projects, dealt out so that each kind is spread over the
    folds.

    Our own plain templates are in no fold (-1): they are trained on and never counted.
    """
    sizes: dict[tuple[str, str], int] = {}
    for unit in units:
        sizes[unit.kind, unit.project] = sizes.get((unit.kind, unit.project), 0) + 1
    fold: dict[str, int] = {}
    load = np.zeros((N_FOLDS, 5))
    kinds = sorted({kind for kind, _ in sizes})
    for (kind, project), size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        column = kinds.index(kind)
        if project not in fold:
            # The fold with the least of this kind, then with the least of all.
            fold[project] = min(range(N_FOLDS), key=lambda f: (load[f, column], load[f].sum(), f))
        load[fold[project], column] += size
    return np.array([-1 if unit.kind == PLAIN else fold[unit.project] for unit in units], np.int64)


def copies_of_held_out(units: tuple[Unit, ...], folds: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which units have a near-copy in a fold, bool [n_units, N_FOLDS]: projects borrow templates."""
    templates = np.array([i for i, unit in enumerate(units) if unit.kind not in (PROMPT, PLAIN)], np.int64)
    texts = [without_slots(f"{units[i].system or ''}\n{units[i].text}") for i in templates]
    x = features(pa.array(texts, pa.string()), 18)
    similar = (x @ x.T).tocoo()
    close = similar.data >= NEAR_COPY
    copies = np.zeros((len(units), N_FOLDS), np.bool_)
    copies[templates[similar.row[close]], folds[templates[similar.col[close]]]] = True
    counted = np.flatnonzero(folds >= 0)
    copies[counted, folds[counted]] = True
    return copies
