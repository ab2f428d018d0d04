import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lab.baselines.streams import START, Row, words, write_stream

from stillwatch.lab.baselines import seat
from stillwatch.lab.baselines.registry import named, read_settings
from stillwatch.lab.baselines.tables import Found


def at(*degrees: float) -> npt.NDArray[np.float32]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_pairs_by_hand():
    # Closer than 30 degrees: 0-20, 20-40, 0-1, 1-20; the first, third, and fourth with query 1, 2, 3 ...
    units = at(0, 20, 40, 90, 1)
    delta = math.cos(math.radians(30))
    assert seat.first_excess(units, delta, 0) == 1
    assert seat.first_excess(units, delta, 1) == 2
    assert seat.first_excess(units, delta, 3) == 4  # query 4 brings two pairs at once
    assert seat.first_excess(units, delta, 4) is None
    assert seat.kth_closest(units, 1) == pytest.approx(math.cos(math.radians(1)), abs=1e-6)
    assert seat.kth_closest(units, 4) == pytest.approx(math.cos(math.radians(20)), abs=1e-6)
    assert seat.kth_closest(units, 11) == -1  # five queries have ten pairs


@given(st.integers(0, 40), st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_pairs_are_those_of_brute_force(n, k, seed, block):
    random = np.random.default_rng(seed)
    units = random.standard_normal((n, 3))
    units = (units / np.linalg.norm(units, axis=1, keepdims=True)).astype(np.float32)
    pairs = [(float(units[i] @ units[j]), j, i) for j in range(n) for i in range(j)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seat, "_BLOCK", block)
        closest = seat.kth_closest(units, k)
        ordered = sorted((cosine for cosine, _, _ in pairs), reverse=True)
        assert closest == pytest.approx(ordered[k - 1] if len(ordered) >= k else -1, abs=1e-6)
        delta = 0.3
        if any(abs(cosine - delta) < 1e-5 for cosine, _, _ in pairs):
            return
        counts = [sum(c > delta and j <= query for c, j, _ in pairs) for query in range(n)]
        expected = next((query for query, count in enumerate(counts) if count > k), None)
        assert seat.first_excess(units, delta, k) == expected


def test_the_threshold_keeps_the_promised_share():
    closest = [0.1, 0.9, 0.5, 0.7, 0.3]
    assert seat.threshold(closest, 0.0001) == 0.9  # none of five may alarm: closer than 0.9 is needed
    assert seat.threshold(closest, 0.2) == 0.7
    assert seat.threshold(closest, 0.5) == 0.5
    assert seat.threshold([], 0.5) == 1.0


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.floats(0, 0.5))
def test_no_more_than_the_promised_share_exceeds_the_threshold(closest, rate):
    delta = seat.threshold(closest, rate)
    assert sum(value > delta for value in closest) <= rate * len(closest)


def run(folder: Path, **given: object) -> Found:
    baseline = named("seat")
    return baseline.run(folder, read_settings(baseline, given))


def test_an_account_of_similar_queries_is_cancelled_and_one_that_repeats_itself_is_not(tmp_path):
    random = np.random.default_rng(4)
    rows = []
    for n in range(600):
        rows.append((f"plain{n // 40}", words(random, "w")))
        rows.append(("cron", "the very same nightly report as always, please"))
        if n >= 400:
            rows.append(("bad", f"rate this very answer on clarity and style for me {words(random, 'w', 2)}"))
    found = run(write_stream(tmp_path / "d", rows), reference=0.5)
    assert found.members.to_pylist() == [{"campaign_id": "seat-bad", "account_id": "bad"}]
    assert found.notes["n_reference_accounts"] >= 8  # the cron job, of one text, is none of them
    when = found.flagged_at["seat-bad"]
    own = [n for n, (account, _) in enumerate(rows) if account == "bad"]
    # 50 pairs need at least 11 queries.
    assert (when - START).total_seconds() / 60 in own[10:]
    assert (when - START).total_seconds() / 60 <= own[60]


def test_a_given_delta_is_used(tmp_path):
    random = np.random.default_rng(5)
    folder = write_stream(tmp_path / "d", [("a", words(random, "w")) for _ in range(40)])
    assert run(folder, delta=1).members.num_rows == 0
    assert run(folder, delta=0.0001, pairs=1).members.num_rows == 1
    capped = run(folder, delta=0.0001, pairs=1, queries=2, memory="ever")
    assert (capped.members.num_rows, capped.notes["n_counts_capped"]) == (0, 1)


def test_counts_begin_anew_in_every_stretch_unless_they_last_for_ever(tmp_path):
    # Eight similar prompts, 28 pairs, in each half of the time: 120 pairs in all.
    random = np.random.default_rng(6)
    rows: list[Row] = []
    for n in range(16):
        rows += [("a", f"rate this very answer on clarity and style v{n}")]
        rows += [(f"b{n}", words(random, "w")) for _ in range(9)]
    folder = write_stream(tmp_path / "d", rows)
    assert run(folder, delta=0.35, reference=0.5).members.num_rows == 0
    ever = run(folder, delta=0.35, memory="ever")
    assert ever.members["account_id"].to_pylist() == ["a"]
    # Ten queries have 45 pairs, eleven have 55.
    assert (ever.flagged_at["seat-a"] - START).total_seconds() / 60 == 10 * 10
