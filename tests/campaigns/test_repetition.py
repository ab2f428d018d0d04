"""Who uses which template: a matter of the account for pools and tools, not for what everybody has."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from stillwatch.campaigns.repetition import log_e_of_use, usage_from_tables
from stillwatch.campaigns.uses import Exposures, UsesByTemplate


def log_e_repetitive(found: NDArray[Any], tested: NDArray[Any], totals: NDArray[np.float64]) -> float:
    """Of all templates together; `found` and `tested` have shape (n_entities, n_templates)."""
    half, entity, template = np.nonzero(np.stack([found, tested]))
    n = np.stack([found, tested])[half, entity, template]
    by_template = UsesByTemplate.counted(found.shape, entity, template, half == 1, n)
    users, _ = by_template.of_templates(range(found.shape[1])).by_entity()
    return log_e_of_use(users, Exposures(totals))


def evidence(rng: np.random.Generator, uses: NDArray[np.int64], totals: NDArray[np.int64]) -> float:
    """Each account's exchanges fall into halves by coins; `uses` of `totals` are in the template."""
    used = rng.binomial(uses, 0.5)
    other = rng.binomial(totals - uses, 0.5)
    both = np.column_stack([used + other, totals - used - other]).astype(float)
    return log_e_repetitive(used[:, None], (uses - used)[:, None], both)


def test_fires_where_some_accounts_live_in_a_template():
    rng = np.random.default_rng(0)
    totals = rng.poisson(30, 300) + 1
    uses = np.where(np.arange(300) < 20, totals, 0)
    assert evidence(rng, uses, totals) > np.log(1e9)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_rarely_fires_where_use_goes_with_volume(rate):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        totals = np.maximum(rng.lognormal(2.5, 1.0, 400).astype(int), 1)
        found.append(evidence(rng, rng.binomial(totals, rate), totals))
    assert np.mean(np.array(found) >= np.log(20)) <= 0.05
    assert max(found) < np.log(1e4)


def test_says_nothing_where_everybody_lives_in_it():
    rng = np.random.default_rng(2)
    totals = rng.poisson(30, 100) + 1
    assert evidence(rng, totals, totals) < np.log(20)


def test_no_accounts_say_nothing():
    assert log_e_repetitive(np.zeros((0, 1), np.int64), np.zeros((0, 1), np.int64), np.zeros((0, 2))) == 0.0


def test_tables_are_read_in_any_order():
    usage = pa.table(
        {
            "template_id": ["t", "s", "t", "t"],
            "entity": ["b", "a", "a", "b"],
            "held_out": [True, False, False, False],
            "n": [3, 4, 1, 2],
            "n_repeated": [3, 2, 0, 1],
        }
    )
    totals = pa.table(
        {
            "entity": ["c", "b", "b", "a"],
            "held_out": [True, True, False, False],
            "n": [9, 5, 4, 6],
            "first_ts": pa.array([7, 5, 3, 1], pa.timestamp("us", tz="UTC")),
            "last_ts": pa.array([8, 6, 4, 2], pa.timestamp("us", tz="UTC")),
        }
    )
    found = usage_from_tables(usage, totals)
    assert found.entities.tolist() == ["a", "b", "c"]
    assert found.templates.tolist() == ["s", "t"]
    assert found.by_template.starts.tolist() == [0, 1, 3]
    assert found.by_template.entity.tolist() == [0, 0, 1]
    assert found.by_template.found.tolist() == [4, 1, 2]
    assert found.by_template.tested.tolist() == [0, 0, 3]
    np.testing.assert_array_equal(found.totals, [[6, 0], [4, 5], [0, 9]])
    np.testing.assert_array_equal(found.span, [[1, 2], [3, 6], [7, 8]])
    # Only the discovery half is looked at: 2 of 4, and 1 of 3.
    np.testing.assert_allclose(found.repeated, [0.5, 1 / 3])
