"""Kin: paraphrases of one template are found, and nobody else."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.signals.kinship import KIN, KIN_SCHEMA, template_kin
from stillwatch.signals.templates import FAMILIES_SCHEMA


def families_of(shingles: list[set[int]], names: list[str] | None = None) -> pa.Table:
    """Each skeleton with its shingles."""
    rows = [
        {
            "skeleton": number + 1,
            "template_id": names[number] if names else f"tpl_{number:03d}",
            "n_exchanges": 10,
            "n_texts": 10,
            "signature": np.array([0, 0, *sorted(own)], "<u8").tobytes(),
        }
        for number, own in enumerate(shingles)
    ]
    return pa.Table.from_pylist(rows, schema=FAMILIES_SCHEMA)


def test_paraphrases_are_kin_and_strangers_are_not():
    found = template_kin(families_of([set(range(1, 21)), set(range(15, 35)), set(range(100, 120))]))
    assert found.select(["template_a", "template_b"]).to_pylist() == [
        {"template_a": "tpl_000", "template_b": "tpl_001"}
    ]
    assert found["similarity"].to_pylist() == [6 / 34]


def test_the_closest_members_decide():
    found = template_kin(families_of([{1, 2, 3}, {1, 2, 3, 4}, {1, 9, 8, 7}], ["a", "b", "a"]))
    assert found.to_pylist() == [{"template_a": "a", "template_b": "b", "similarity": 0.75}]


def test_boilerplate_makes_nobody_kin():
    assert template_kin(families_of([{7, 1_000 + n} for n in range(80)])).num_rows == 0


def test_nothing_gives_nothing():
    assert template_kin(FAMILIES_SCHEMA.empty_table()).schema == KIN_SCHEMA


@settings(max_examples=60)
@given(st.lists(st.sets(st.integers(1, 60), min_size=1, max_size=20), min_size=1, max_size=12))
def test_equal_to_all_pairs(shingles):
    expected = {}
    for j, right in enumerate(shingles):
        for i, left in enumerate(shingles[:j]):
            alike = len(left & right) / len(left | right)
            if alike >= KIN:
                expected[f"tpl_{i:03d}", f"tpl_{j:03d}"] = alike
    found = template_kin(families_of(shingles)).to_pylist()
    assert {(row["template_a"], row["template_b"]): row["similarity"] for row in found} == expected
