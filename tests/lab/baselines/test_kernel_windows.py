from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.baselines.streams import START, Row, words, write_stream

from stillwatch.lab.baselines import kernel_windows
from stillwatch.lab.baselines._kernel import SCALES, Features, Sample, discrepancy, median_distance
from stillwatch.lab.baselines._vectors import read_prompts
from stillwatch.lab.baselines.registry import named, read_settings
from stillwatch.lab.baselines.tables import Found

Vectors = npt.NDArray[np.float32]
Kernel = Callable[[Vectors, Vectors], float]


def on_sphere(random: np.random.Generator, n: int, shift: float = 0.0) -> Vectors:
    units = random.standard_normal((n, 8))
    units[:, 0] += shift
    return (units / np.linalg.norm(units, axis=1, keepdims=True)).astype(np.float32)  # type: ignore[no-any-return]


def brute_force(left: Vectors, right: Vectors, kernel: Kernel) -> float:
    """Unbiased squared discrepancy, pair by pair."""
    n, m = len(left), len(right)
    within = sum(kernel(left[i], left[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(kernel(right[i], right[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within + other - 2 * sum(kernel(a, b) for a in left for b in right) / (n * m)


def gaussian(bandwidth: float) -> Kernel:
    def kernel(a: Vectors, b: Vectors) -> float:
        square = float(((a.astype(float) - b.astype(float)) ** 2).sum())
        return float(np.mean([np.exp(-square / (2 * (scale * bandwidth) ** 2)) for scale in SCALES]))

    return kernel


def test_a_discrepancy_by_hand():
    # Kernel 1 of equal vectors, 0 of others: left is a, a; right is b, b, and then a, b.
    a, b = np.eye(2)
    left = Sample(2 * a, 2)
    assert discrepancy(left, Sample(2 * b, 2)) == 2  # 1 + 1 - 2 * 0
    assert discrepancy(left, Sample(a + b, 2)) == 0  # 1 + 0 - 2 * 1 / 2
    assert discrepancy(Sample(a + b, 2), Sample(a + b, 2)) == -1  # unbiased: 0 + 0 - 2 * 1 / 2
    both = np.stack([a, b]).astype(np.float32)
    np.testing.assert_allclose(Sample(2 * a + b, 3).mean_kernel(both, own=True), [0.5, 0.0])
    np.testing.assert_allclose(Sample(2 * a + b, 3).mean_kernel(both, own=False), [2 / 3, 1 / 3])


@settings(max_examples=25)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_sums_of_features_are_brute_force_over_their_kernel(n, m, seed):
    random = np.random.default_rng(seed)
    features = Features.drawn(8, 0.7, 16, random)
    left, right = on_sphere(random, n), on_sphere(random, m, shift=1.0)
    expected = brute_force(features.of(left), features.of(right), lambda a, b: float(a.astype(float) @ b))
    assert discrepancy(features.sample(left), features.sample(right)) == pytest.approx(expected, abs=1e-5)


def test_features_approach_the_gaussian_kernels():
    random = np.random.default_rng(1)
    left, right = on_sphere(random, 40), on_sphere(random, 30, shift=1.0)
    bandwidth = median_distance(np.concatenate([left, right]))
    features = Features.drawn(8, bandwidth, 4096, random)
    exact = brute_force(left, right, gaussian(bandwidth))
    assert exact > 0.02
    assert discrepancy(features.sample(left), features.sample(right)) == pytest.approx(exact, rel=0.05)
    witness = features.sample(left).mean_kernel(features.of(right), own=False)
    kernel = gaussian(bandwidth)
    np.testing.assert_allclose(witness, [np.mean([kernel(a, b) for a in left]) for b in right], atol=0.02)


def test_the_median_is_over_pairs_of_different_rows():
    units = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    assert median_distance(units) == pytest.approx(np.sqrt(2))
    assert median_distance(np.repeat(units[:1], 5, axis=0)) == 1
    assert median_distance(units[:1]) == 1


def run(folder: Path, **given: object) -> Found:
    baseline = named("kernel_windows")
    return baseline.run(folder, read_settings(baseline, given))


def flagged_of(found: Found) -> pa.Table:
    assert found.flagged is not None
    return found.flagged


def ordinary(random: np.random.Generator, n: int) -> list[Row]:
    """Some accounts, a few of them busy, in one language."""
    return [(f"a{min(int(random.pareto(1)), 200)}", words(random, "w", size=500)) for _ in range(n)]


def test_consecutive_nulls_are_brute_force_over_every_start(tmp_path):
    random = np.random.default_rng(6)
    prompts = read_prompts(write_stream(tmp_path / "d", ordinary(random, 300)), 64)
    chosen = read_settings(named("kernel_windows"), {"level": 0.0001, "frequencies": 32})
    history = kernel_windows.learn(prompts, 200, 30, chosen, np.random.default_rng(0))
    units = prompts.units(slice(0, 200))
    scores = []
    for first in range(0, 171, 2):  # a hop is a fifteenth of a window
        inside = np.arange(first, first + 30)
        left, right = units[inside], np.delete(units, inside, axis=0)
        scores.append(discrepancy(history.features.sample(left), history.features.sample(right)))
    assert history.threshold == pytest.approx(max(scores), abs=1e-6)
    assert history.whole.n == 200


def test_windows_of_a_campaign_are_flagged_and_traced_back(tmp_path):
    random = np.random.default_rng(7)
    rows = ordinary(random, 6000)
    # From 3,000 to 3,800 every second prompt is a campaign's, of ten accounts and another language.
    for n in range(3000, 3800, 2):
        rows[n] = (f"bad{n // 2 % 10}", words(random, "v", size=40))
    found = run(write_stream(tmp_path / "d", rows), window=200, level=0.01, frequencies=64)
    assert (found.notes["n_history"], found.notes["n_windows"]) == (1200, 24)
    names = found.members["campaign_id"].to_pylist()
    assert "kernel_windows-10-13" in names  # rows 3,000 to 3,800 are windows 10 to 13 after row 1,200
    own = found.members.filter(pc.field("campaign_id") == "kernel_windows-10-13")["account_id"].to_pylist()
    assert {f"bad{n}" for n in range(10)} <= set(own)
    of_it = flagged_of(found).filter(pc.field("campaign_id") == "kernel_windows-10-13")
    flagged = [int(exchange[1:]) for exchange in of_it["exchange_id"].to_pylist()]
    theirs = [n for n in flagged if rows[n][0].startswith("bad")]
    assert len(theirs) > 0.9 * 400
    assert len(theirs) > 0.9 * len(flagged)
    # The verdict falls when the first window is full.
    assert (found.flagged_at["kernel_windows-10-13"] - START).total_seconds() / 60 == 3199


def test_members_need_enough_prompts(tmp_path):
    random = np.random.default_rng(8)
    rows = ordinary(random, 2000)
    for n in range(1000, 1400, 2):
        rows[n] = ("bad" if n % 8 else f"once{n}", words(random, "v", size=500))
    folder = write_stream(tmp_path / "d", rows)
    few, many = run(folder, window=200, prompts=1), run(folder, window=200, prompts=3)
    assert any(name.startswith("once") for name in few.members["account_id"].to_pylist())
    assert "bad" in many.members["account_id"].to_pylist()
    assert not any(name.startswith("once") for name in many.members["account_id"].to_pylist())


@pytest.mark.parametrize("null", ["windows", "draws"])
def test_a_stream_that_does_not_change_keeps_the_level(tmp_path, null):
    rows = ordinary(np.random.default_rng(9), 10_000)
    found = run(write_stream(tmp_path / "d", rows), window=100, null=null, frequencies=32, dimensions=64)
    # 80 windows at 5 %: more than 12 has a probability below 0.001, were they independent.
    assert found.notes["n_windows"] == 80
    assert found.notes["n_flagged_windows"] <= 12


def test_bursts_fill_the_null_of_draws_with_false_alarms(tmp_path):
    # Each day has its own subject: nothing but life, yet no window is like a random draw.
    random = np.random.default_rng(10)
    rows = [(f"a{n % 50}", words(random, f"day{n // 100 % 7}", size=300)) for n in range(7000)]
    folder = write_stream(tmp_path / "d", rows)
    counts = {
        null: run(folder, window=100, null=null, frequencies=32).notes["n_flagged_windows"]
        for null in ("windows", "draws")
    }
    assert counts["draws"] == 56  # all of them
    assert counts["windows"] <= 12


def test_the_last_window_is_whole_and_flags_nothing_twice(tmp_path):
    random = np.random.default_rng(11)
    rows = ordinary(random, 1500) + [("bad", words(random, "v", size=40)) for _ in range(130)]
    found = run(write_stream(tmp_path / "d", rows), window=100)
    flagged = flagged_of(found)["exchange_id"].to_pylist()
    assert len(flagged) == len(set(flagged))
    assert "x001629" in flagged


def test_a_history_too_short_for_a_null_finds_nothing_and_says_so(tmp_path):
    found = run(write_stream(tmp_path / "d", ordinary(np.random.default_rng(12), 100)))
    assert (found.members.num_rows, flagged_of(found).num_rows) == (0, 0)
    assert "why_nothing" in found.notes


def test_the_same_seed_gives_the_same_tables(tmp_path):
    random = np.random.default_rng(13)
    rows = ordinary(random, 2000) + [(f"bad{n % 5}", words(random, "v")) for n in range(500)]
    first = run(write_stream(tmp_path / "one", rows), window=100)
    second = run(write_stream(tmp_path / "two", rows, parts=3, reverse=True), window=100)
    assert first.members.equals(second.members)
    assert flagged_of(first).equals(flagged_of(second))
    assert first.members.num_rows
