import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import shapiro
from tests.lab.baselines.streams import START, Row, words, write_stream

from stillwatch.lab.baselines import prada
from stillwatch.lab.baselines.registry import named, read_settings
from stillwatch.lab.baselines.tables import Found


def at(*degrees: float) -> npt.NDArray[np.float32]:
    """Unit vectors in the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def chord(degrees: float) -> float:
    return 2 * math.sin(math.radians(degrees) / 2)


def test_a_growing_set_by_hand():
    # 60 joins {0} (1.000 > 0): joined with 0, 1, so mean 0.5, deviation 0.5, threshold 0.
    # 180 joins (120 from 60, 1.732): joined 0, 1, 1.732: mean 0.911, deviation 0.710, threshold 0.201.
    # 190 does not (10 from 180, 0.174), so 200 is measured from 180 again (20, 0.347) and joins.
    # 205 is then measured from 200.
    found = prada.distances(at(0, 60, 180, 190, 200, 205))
    np.testing.assert_allclose(found, [chord(60), chord(120), chord(10), chord(20), chord(5)], atol=1e-3)


def plain(units: npt.NDArray[np.float64]) -> list[float]:
    """The algorithm of the paper, word by word."""
    members, joined, threshold, out = [units[0]], [0.0], 0.0, []
    for unit in units[1:]:
        nearest = min(float(np.linalg.norm(unit - member)) for member in members)
        out.append(nearest)
        if nearest > threshold:
            members.append(unit)
            joined.append(nearest)
            threshold = max(threshold, float(np.mean(joined) - np.std(joined)))
    return out


@given(st.integers(2, 60), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_distances_are_those_of_the_plain_algorithm(n, spread, seed):
    random = np.random.default_rng(seed)
    units = random.standard_normal((n, 6)) + 2 * random.integers(0, spread, (n, 1))
    units = (units / np.linalg.norm(units, axis=1, keepdims=True)).astype(np.float32)
    np.testing.assert_allclose(prada.distances(units), plain(units.astype(np.float64)), atol=2e-3)


def test_one_query_has_no_distance():
    assert len(prada.distances(at(0))) == 0


def test_the_statistic_is_scipys_without_outliers():
    random = np.random.default_rng(2)
    found = random.normal(1, 0.1, 125)
    found[3] = 9.0
    kept = np.delete(found[:120], 3)
    assert abs(found[3] - found[:120].mean()) > 3 * found[:120].std()
    within = kept[np.abs(kept - found[:120].mean()) < 3 * found[:120].std()]
    statistics = prada.normality(found)
    assert len(statistics) == 2  # after 110 and 120 of 125
    assert statistics[1] == pytest.approx(shapiro(within).statistic)


def test_no_test_before_more_than_a_hundred_and_none_speaks_of_equal_distances():
    assert len(prada.normality(np.linspace(0, 1, 109))) == 0
    np.testing.assert_array_equal(prada.normality(np.zeros(130)), [1, 1, 1])


def stream(random: np.random.Generator) -> list[Row]:
    """Two accounts of plain prompts; from minute 1,000 on a third sends each of its prompts twice."""
    rows: list[Row] = []
    for n in range(2000):
        rows.append((f"plain{n % 2}", words(random, "w")))
        if n >= 1000:
            rows[-1:] = [rows[-1], ("bad", "the same question once more" if n % 2 else words(random, "w"))]
    return rows


def run(folder: Path, **given: object) -> Found:
    baseline = named("prada")
    return baseline.run(folder, read_settings(baseline, given))


def test_an_account_that_repeats_itself_alarms(tmp_path):
    folder = write_stream(tmp_path / "d", stream(np.random.default_rng(3)))
    found = run(folder)
    assert found.members.to_pylist() == [{"campaign_id": "prada-bad", "account_id": "bad"}]
    assert found.notes["n_reference_accounts"] == 2
    assert found.notes["delta"] <= prada.HIGHEST
    # Distance 110 is that of its query 111: the first moment at which anything can be known.
    asked = [n for n, (account, _) in enumerate(stream(np.random.default_rng(3))) if account == "bad"]
    assert (found.flagged_at["prada-bad"] - START).total_seconds() / 60 == asked[110]


def test_a_given_delta_is_used_and_without_long_accounts_the_authors_default(tmp_path):
    rows = stream(np.random.default_rng(3))
    folder = write_stream(tmp_path / "d", rows)
    assert run(folder, delta=0.0001).members.num_rows == 0
    assert run(folder, delta=1).members.num_rows == 3
    short = run(write_stream(tmp_path / "short", rows[:300]))
    assert (short.notes["delta"], short.notes["n_reference_accounts"]) == (prada.FALLBACK, 0)


def test_only_the_first_queries_of_a_long_account_are_looked_at(tmp_path):
    folder = write_stream(tmp_path / "d", stream(np.random.default_rng(3)))
    found = run(folder, queries=500)
    assert found.notes["n_accounts_capped"] == 3
    assert found.members["account_id"].to_pylist() == ["bad"]
