"""Kin: template families whose fixed words overlap a little, as paraphrases of one template do.

A family holds texts of one wording. An attacker who gives each account a wording of its own leaves many families
with few users each, which no two accounts share; but a paraphrase keeps some of the words. Kin is no claim that two
families are one: it says which of them are worth testing together.
"""

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, triu

from stillwatch.text.grams import GRAMS

KIN = 0.1
"""Least Jaccard similarity of the shingles of two skeletons."""
COMMON = 64
"""Shingles that more families have are boilerplate and make nobody kin; this also bounds the work."""
KIN_SCHEMA = pa.schema(
    [
        pa.field("template_a", pa.string(), nullable=False),
        pa.field("template_b", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
    ]
)


def template_kin(families: pa.Table) -> pa.Table:
    """Pairs of template families that are kin.

    Args:
        families: table of `templates.FAMILIES_SCHEMA`.

    Returns:
        Table of `KIN_SCHEMA`, template_a < template_b, ordered; the similarity is that of the closest members.
    """
    signed = [row for row in families.select(["template_id", "signature"]).to_pylist() if row["signature"]]
    if not signed:
        return KIN_SCHEMA.empty_table()
    names, family = np.unique([row["template_id"] for row in signed], return_inverse=True)
    shingles = [np.frombuffer(row["signature"], "<u8")[2 : GRAMS + 2] for row in signed]
    shared = _overlaps(shingles)
    a, b = family[shared.coords[0]], family[shared.coords[1]]
    sizes = np.array([len(one) for one in shingles], dtype=np.float64)
    total = sizes[shared.coords[0]] + sizes[shared.coords[1]] - shared.data
    alike = shared.data / np.maximum(total, 1.0)
    kept = (alike >= KIN) & (a != b)
    pair = np.minimum(a, b)[kept] * len(names) + np.maximum(a, b)[kept]
    pairs, place = np.unique(pair, return_inverse=True)
    best = np.zeros(len(pairs))
    np.maximum.at(best, place, alike[kept])
    columns = [names[pairs // len(names)].tolist(), names[pairs % len(names)].tolist(), best]
    return pa.table(columns, schema=KIN_SCHEMA)


def _overlaps(shingles: list[np.ndarray]):  # type: ignore[no-untyped-def]
    """Shared shingles of every pair of skeletons that shares one, as a sparse upper triangle in coordinates."""
    row = np.repeat(np.arange(len(shingles)), [len(one) for one in shingles])
    _, column, users = np.unique(np.concatenate(shingles), return_inverse=True, return_counts=True)
    rare = users[column] <= COMMON
    has = csr_array((np.ones(int(rare.sum())), (row[rare], column[rare])), shape=(len(shingles), len(users)))
    return triu(csr_array(has @ has.T), k=1).tocoo()
