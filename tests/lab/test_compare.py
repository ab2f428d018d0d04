"""Two detectors on the same worlds: pairs by hand, the bootstrap against scipy's, and nothing dropped silently."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from tests.lab.golden_files import agrees_with_golden, printed
from tests.lab.score_worlds import write_rich_world

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab.compare import MEASURES, bootstrap_interval, compare, difference
from stillwatch.lab.score import Score, score
from stillwatch.lab.scoring.compared import comparison_tables
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.spent import Spent

RECALL, FALSE = MEASURES[2], MEASURES[4]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Score:
    return score(*write_rich_world(tmp_path_factory.mktemp("rich")))


def with_recall(base: Score, hits: int, seconds: float = 10.0) -> Score:
    """A score like the real one, with another exchange recall (of 100) and time."""
    exchanges = Agreement(Rate(hits, hits), Rate(hits, 100))
    return replace(base, exchanges=exchanges, spent=Spent(seconds))


def save(folder: Path, scores: dict[str, Score]) -> Path:
    folder.mkdir()
    for name, found in scores.items():
        (folder / f"{name}.json").write_text(json.dumps(found.to_dict(spent=True)))
    return folder


def test_pairs_computed_by_hand(tmp_path, base):
    a = save(tmp_path / "a", {f"w-x-{n}": with_recall(base, h) for n, h in enumerate((50, 60, 70))})
    b = save(tmp_path / "b", {f"w-x-{n}": with_recall(base, h, 12) for n, h in enumerate((60, 55, 90))})
    found = compare(a, b)
    rows = {row.measure: row for row in found.worlds["w-x"]}
    recall = rows["exchange recall"]
    assert (recall.pairs, recall.better, recall.worse, recall.equal) == (3, 2, 1, 0)
    assert recall.mean == pytest.approx(0.25 / 3)
    assert recall.sign_p == 1  # two of three says nothing
    time = rows["time"]
    assert (time.mean, time.low, time.high, time.worse, time.sign_p) == (2, 2, 2, 3, 0.25)
    assert rows["campaign recall"].mean_a == pytest.approx(0.8)
    assert rows["campaign recall"].equal == 3
    assert rows["campaign recall"].sign_p is None
    assert rows["leakage"].mean_a == pytest.approx(0.4)
    assert rows["memory"].unmeasured == ("w-x-0", "w-x-1", "w-x-2")


def test_runs_without_a_partner_are_named(tmp_path, base):
    a = save(tmp_path / "a", {"w-1": base, "w-2": base, "v-1": base})
    b = save(tmp_path / "b", {"w-2": with_recall(base, 90), "w-3": base, "v-1": base})
    found = compare(a, b)
    assert (found.pairs, found.only_a, found.only_b) == (("v-1", "w-2"), ("w-1",), ("w-3",))
    assert agrees_with_golden("compare.txt", printed(comparison_tables(found)))
    json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(UsageError, match=r"no run has a partner .*here u-9; there v-1, w-2, w-3"):
        compare(save(tmp_path / "c", {"u-9": base}), b)


def quality(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"runs": rows}))
    return path


def test_detectors_of_one_quality_file(tmp_path, base):
    def run(detector: str, seed: int, hits: int | None, **more):
        kept = None if hits is None else with_recall(base, hits).to_dict()
        return {"world": "w", "seed": seed, "null": False, "detector": detector, "score": kept, **more}

    rows = [
        run("us", 1, 80, wall_s=5.0),
        run("us", 2, 80),
        run("peer", 1, 40, wall_s=2.0),
        run("peer", 2, None),
    ]
    rows += [{**run("us", 1, 70), "null": True}, {**run("peer", 1, 70), "null": True}]
    file = quality(tmp_path / "q" / "quality.json", rows)
    times = [{"world": "w", "seed": 1, "null": False, "detector": "peer", "wall_s": 99.0, "peak_bytes": 10}]
    quality(tmp_path / "q" / "times.json", times)
    found = compare(tmp_path / "q", file, "peer", "us")
    assert found.pairs == ("w-1", "w (null)-1")
    assert (found.failed_a, found.only_b) == (("w-2",), ())  # named once, as failed
    by_name = {row.measure: row for row in found.worlds["w"]}
    assert by_name["exchange recall"].mean == pytest.approx(0.4)
    assert by_name["time"].mean == 3  # the run's own time stands before that of times.json
    assert by_name["memory"].unmeasured == ("w-1",)
    with pytest.raises(UsageError, match="it holds the detectors peer, us"):
        compare(file, file)
    with pytest.raises(UsageError, match=r"no detector them in it[\s\S]*peer, us"):
        compare(file, file, "them", "us")


def test_files_that_are_no_scores_are_named(tmp_path, base):
    good = save(tmp_path / "good", {"w-1": base})
    with pytest.raises(UnreadableInputError, match="no scores in it"):
        compare(tmp_path / "none", good)
    with pytest.raises(UsageError, match=r"notes\.json: the name tells no world and seed"):
        compare(save(tmp_path / "a", {"notes": base}), good)
    with pytest.raises(UsageError, match=r"w-1\.json: world w with seed 1 stands twice"):
        compare(save(tmp_path / "b", {"w-1": base, "w-01": base}), good)
    with pytest.raises(UsageError, match=r"no quality\.json to look for detector us in"):
        compare(good, good, "us")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "w-1.json").write_text('{"campaigns": []}')
    with pytest.raises(UnreadableInputError, match=r"w-1\.json: no score of this version"):
        compare(broken, good)
    (broken / "w-1.json").write_text("{")
    with pytest.raises(UnreadableInputError, match=r"w-1\.json: cannot be read"):
        compare(broken, good)
    with pytest.raises(UnreadableInputError, match=r"row 0: no run .KeyError: 'seed'"):
        compare(quality(tmp_path / "q.json", [{"world": "w", "detector": "us"}]), good)
    with pytest.raises(UnreadableInputError, match="no list of runs"):
        compare(quality(tmp_path / "r.json", [1]), good)


def test_a_figure_that_one_of_a_pair_lacks_is_named():
    found = difference(RECALL, {("w", 1): (0.5, None), ("w", 2): (0.5, 0.75), ("w", 3): (None, None)})
    assert (found.pairs, found.mean, found.unmeasured) == (1, 0.25, ("w-1", "w-3"))
    assert (found.low, found.high) == (None, None)  # one pair has no interval
    nothing = difference(RECALL, {("w", 1): (None, 1.0)})
    assert (nothing.pairs, nothing.mean, nothing.unmeasured) == (0, None, ("w-1",))


def test_the_interval_is_that_of_scipys_bootstrap():
    values = np.random.default_rng(3).normal(1, 2, 25)
    low, high = bootstrap_interval(values)
    other = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(4)
    )
    assert low == pytest.approx(other.confidence_interval.low, abs=0.06)
    assert high == pytest.approx(other.confidence_interval.high, abs=0.06)
    assert bootstrap_interval(values) == (low, high)


pairs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=9)


@given(pairs)
def test_the_sign_test_is_that_of_counting_all_coins(figures):
    found = difference(FALSE, {("w", n): (float(x), float(y)) for n, (x, y) in enumerate(figures)})
    better = sum(y < x for x, y in figures)
    worse = sum(y > x for x, y in figures)
    assert (found.better, found.worse, found.equal) == (better, worse, len(figures) - better - worse)
    n = better + worse
    if not n:
        assert found.sign_p is None
        return
    at_most = sum(math.comb(n, k) for k in range(min(better, worse) + 1)) / 2**n
    assert found.sign_p == pytest.approx(min(1, 2 * at_most))


@given(pairs)
def test_swapping_the_two_turns_the_difference_round(figures):
    there = difference(RECALL, {("w", n): (float(x), float(y)) for n, (x, y) in enumerate(figures)})
    back = difference(RECALL, {("w", n): (float(y), float(x)) for n, (x, y) in enumerate(figures)})
    assert there.mean == -(back.mean or 0)
    assert (there.better, there.worse) == (back.worse, back.better)
    if there.low is not None and there.high is not None and back.high is not None and there.mean is not None:
        assert there.low == pytest.approx(-back.high)
        assert there.low - 1e-9 <= there.mean <= there.high + 1e-9
