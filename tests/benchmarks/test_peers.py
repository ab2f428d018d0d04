"""The logic of `make bench-peers` that is not the peers': turns, measuring, tables, lengthening, installing."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from benchmarks.peers import child, signature_kernels
from benchmarks.peers.__main__ import COMPARISONS, PAGE, PLACE, not_installed
from benchmarks.peers.account_linking import verdict
from benchmarks.peers.installing import blocks
from benchmarks.peers.material import folded, lengthened, pairs
from benchmarks.peers.measuring import (
    MOST_TIMES,
    THREADS,
    Errand,
    Outcome,
    SideFailed,
    Spent,
    environment,
    in_turns,
    last_words,
    run_child,
)
from benchmarks.peers.page import Measured, section
from benchmarks.peers.side import Comparison, Side, Task
from benchmarks.peers.signatures import errors
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.tokens import tokenize

ROOT = Path(__file__).parent.parent.parent


def nothing(_: Path) -> Task:
    return Task(lambda: None, lambda: None)


def side(name: str, package: str | None = None, against: str | None = None) -> Side:
    return Side(name, nothing, package, f"{name} does a | b.", against)


def comparison(*sides: Side, facts: Mapping[str, tuple[str, str]] | None = None) -> Comparison:
    return Comparison("Things", "Of things.", "things", lambda _: 1, sides, facts or {})


def test_sides_take_turns_and_tell_facts_once():
    order: list[tuple[str, bool]] = []

    def run(one: Side, facts: bool) -> Spent:
        order.append((one.name, facts))
        return Spent(len(order), 1.0, {"error": 0.5} if facts else {})

    outcomes = in_turns((side("ours"), side("peer", "peer")), 3, run, 0.0)
    assert order == [("ours", True), ("peer", True), *[("ours", False), ("peer", False)] * 2]
    assert [one.cpu for one in outcomes] == [3, 4]
    assert outcomes[1].fact("error") == 0.5
    assert outcomes[1].fact("other") is None


def test_a_side_that_fails_is_left_out_and_the_rest_goes_on():
    asked: list[str] = []

    def run(one: Side, facts: bool) -> Spent:
        asked.append(one.name)
        if one.name == "broken":
            raise SideFailed("there is no wheel")
        return Spent(1.0, 1.0, {})

    outcomes = in_turns((side("ours"), side("broken", "x"), side("peer", "y")), 2, run, 0.0)
    assert asked == ["ours", "broken", "peer", "ours", "peer"]
    assert [one.why_not for one in outcomes] == [None, "there is no wheel", None]
    assert [len(one.runs) for one in outcomes] == [2, 0, 2]


def test_quick_sides_have_more_turns_than_slow_ones(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def run(one: Side, facts: bool) -> Spent:
        now[0] += {"quick": 10.0, "slow": 100.0, "instant": 0.0}[one.name]
        return Spent(1.0, 1.0, {})

    assert len(in_turns((side("quick"),), 3, run, 45.0)[0].runs) == 5
    assert len(in_turns((side("slow"),), 3, run)[0].runs) == 3
    assert len(in_turns((side("instant"),), 3, run)[0].runs) == 3 * MOST_TIMES


def rows(text: str) -> list[list[str]]:
    return [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]


def test_the_table_has_ratios_to_the_side_that_each_is_compared_with():
    sides = (side("one"), side("eight"), side("peer", "p"), side("peer of eight", "p", "eight"))
    spent = [(2.0, 4.0), (3.0, 5.0), (8.0, 2.0), (6.0, 10.0)]
    outcomes = [Outcome(s, (Spent(c, w, {"e": 0.25}),)) for s, (c, w) in zip(sides, spent, strict=True)]
    text = section(
        [Measured(comparison(*sides, facts={"e": ("error", "{:.1%}")}), 2_000_000, outcomes)], "About."
    )
    head, _, one, _, peer, of_eight = rows(text.replace("\\|", "/"))
    assert text.startswith("About.\n\n### Things\n\nOf things. 2,000,000 things.\n")
    assert text.endswith("|\n")
    assert [cell.strip() for cell in head][1:6] == [
        "CPU s",
        "CPU s for a million things",
        "CPU, times ours",
        "wall, times ours",
        "error",
    ]
    assert one[1:6] == ["2.00", "1.00", "1.00", "1.00", "25.0%"]
    assert peer[1:6] == ["8.00", "4.00", "4.00", "0.50", "25.0%"]
    assert of_eight[1:6] == ["6.00", "3.00", "2.00", "2.00", "25.0%"]


def test_a_row_says_why_a_side_could_not_be_measured():
    sides = (side("ours"), side("peer", "p"))
    failed = Outcome(sides[1], (), "could not be installed: no wheel")
    text = section([Measured(comparison(*sides), 1, [Outcome(sides[0], (Spent(1, 1, {}),)), failed])], "")
    assert "| peer | - | - | - | - | could not be installed: no wheel. peer does a \\| b. |" in text
    # And without ours there is no ratio, but the seconds stand.
    swapped = [Outcome(sides[0], (), "broke"), Outcome(sides[1], (Spent(1, 1, {}),))]
    text = section([Measured(comparison(*sides), 1_000_000, swapped)], "")
    assert "| peer | 1.00 | 1.00 | - | - |" in text


def test_a_comparison_begins_with_ours_and_knows_its_sides():
    with pytest.raises(ValueError, match="ours"):
        comparison(side("peer", "p"))
    with pytest.raises(ValueError, match="same name"):
        comparison(side("ours"), side("ours", "p"))
    with pytest.raises(ValueError, match="not there"):
        comparison(side("ours"), side("peer", "p", "theirs"))


def test_a_child_measures_our_side(tmp_path):
    offsets, hashes = np.arange(0, 60_001, 20), np.arange(60_000, dtype=np.uint64)
    np.savez(tmp_path / "hashes.npz", offsets=offsets, hashes=hashes)
    assert signature_kernels.count(tmp_path) == 3_000
    spent = run_child(Path(sys.executable), Errand("signature_kernels", 0, tmp_path, facts=True))
    assert 0 < spent.cpu < 60
    assert 0 < spent.wall < 60
    assert spent.facts == {}


def test_a_child_that_breaks_says_why(tmp_path):
    with pytest.raises(SideFailed, match=r"FileNotFoundError.*hashes\.npz"):
        run_child(Path(sys.executable), Errand("signature_kernels", 0, tmp_path, facts=False))


def test_processor_seconds_count_work():
    before, end = child.processor_seconds(), time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert child.processor_seconds() - before >= 0.03


def test_short_work_is_repeated_and_its_median_told(monkeypatch):
    ticks = iter([0.0, 0.3, 1.0, 1.1, 2.0, 2.8])
    seconds = iter([0.0, 0.2, 1.0, 1.1, 2.0, 2.7])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(child, "processor_seconds", lambda: next(seconds))
    results = iter("abc")
    result, spent = child.measured(lambda: next(results))
    assert result == "c"
    assert spent == pytest.approx({"cpu": 0.2, "wall": 0.3})


def test_a_side_gets_one_thread_and_no_settings_of_the_user():
    given = {
        "HOME": "/h",
        "STILLWATCH_THREADS": "8",
        "STILLWATCH_FDR": "0.5",
        "PYTHONPATH": "x",
        "OMP_NUM_THREADS": "4",
    }
    made = environment(given)
    assert {key: made[key] for key in THREADS} == dict.fromkeys(THREADS, "1")
    assert made["HOME"] == "/h"
    assert not {"STILLWATCH_FDR", "PYTHONPATH"} & made.keys()


def test_last_words():
    assert last_words("Traceback\n  File x\nImportError: no wheel\n\n") == "ImportError: no wheel"
    assert last_words("") == ""


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.none() | st.text("ab c,.é", min_size=0, max_size=40), min_size=1, max_size=30),
    st.integers(0, 2**31),
)
def test_lengthened_prompts_keep_their_beginning_and_equal_ones_stay_equal(texts, seed):
    prompts = pa.chunked_array([texts], pa.string())
    longer = lengthened(prompts, 200, np.random.default_rng(seed)).to_pylist()
    assert len(longer) == len(texts)
    told: dict[str, str] = {}
    for before, after in zip(texts, longer, strict=True):
        assert (before is None) == (after is None)
        if before is not None:
            assert after.startswith(before)
            assert told.setdefault(before, after) == after


def test_lengthened_prompts_have_the_wanted_mean_and_stay_in_proportion():
    random = np.random.default_rng(3)
    texts = [" ".join(random.choice(["alpha", "be", "gamma-ray", "of"], n)) for n in range(2, 402)]
    longer = lengthened(pa.chunked_array([texts]), 2_000, random)
    lengths = np.array([len(text) for text in longer.to_pylist()])
    before = np.array([len(text) for text in texts])
    assert abs(lengths.mean() - 2_000) < 40
    assert np.corrcoef(lengths, before)[0, 1] > 0.99
    same = lengthened(pa.chunked_array([texts]), 10, random)
    assert same.to_pylist() == texts


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("aB \n.,-_é漢字ก9", max_size=30), min_size=1, max_size=20))
def test_folded_words_are_the_tokens(texts):
    array = pa.array(texts, pa.large_string())
    words = folded(array)
    again, tokens = tokenize(words), tokenize(array)
    assert again.offsets.tolist() == tokens.offsets.tolist()
    assert again.hashes.tolist() == tokens.hashes.tolist()
    assert [len(text.split()) for text in words.to_pylist()] == tokens.counts.tolist()


def test_pairs_have_their_exact_index_and_all_tenths():
    random = np.random.default_rng(5)
    vocabulary = [f"w{i}" for i in range(500)]
    words = pa.array([" ".join(random.choice(vocabulary, 60)) for _ in range(300)], pa.large_string())
    table = pairs(words, random)
    for row in table.slice(0, 200).to_pylist():
        left, right = (set(row[name].split()) for name in ("left", "right"))
        assert row["jaccard"] == len(left & right) / len(left | right) < 1
    assert set(np.floor(table.column("jaccard").to_numpy() * 10)) == set(range(10))


def test_errors_of_an_estimate_that_is_off_by_a_known_amount(tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table({"left": ["a", "b"], "right": ["c", "d"], "jaccard": [0.25, 0.75]}),
        tmp_path / "pairs.parquet",
    )
    # Half of the values are equal: the estimate is 0.5 for both.
    made = errors(
        lambda texts, seed: texts.to_pylist(), lambda of: np.array([[1, ord(c)] for c in of]), tmp_path
    )
    assert made == {"bias": 0.0, "rmse": 0.25}


def test_pairs_of_accounts_are_of_one_campaign_or_chance(tmp_path):
    import pyarrow.parquet as pq

    truth = {
        "entity": ["a", "b", "c", "d", "e", "f"],
        "campaign": ["x", "x", None, None, None, None],
        "population": ["x", "x", "university", "university", "chat_users", "chat_users"],
    }
    pq.write_table(pa.table(truth), tmp_path / "truth.parquet")
    found = verdict([("a", "b"), ("c", "d"), ("a", "c"), ("e", "f")], tmp_path)
    assert found == {"pairs": 4, "together": 1, "chance": 50.0}
    assert verdict([], tmp_path) == {"pairs": 0, "together": 0, "chance": 0.0}


def test_a_lock_falls_into_its_packages():
    parts = [f"{name} \\\n    --hash=sha256:1\n" for name in ("a-b==1", "numpy==2 ; x", "numpy==3 ; y")]
    lock = "".join(parts)
    found = blocks(lock)
    assert list(found) == ["a-b", "numpy"]
    assert "".join(found.values()) == lock
    wanted = (ROOT / "requirements" / "peers.in").read_text().splitlines()
    locked = blocks((ROOT / "requirements" / "peers.txt").read_text())
    assert {line.split(">")[0] for line in wanted if line and not line.startswith("#")} <= locked.keys()


def test_an_environment_says_what_it_lacks(tmp_path):
    assert not_installed(tmp_path) is None
    (tmp_path / "not_installed.json").write_text('{"daft": "no wheel"}')
    assert not_installed(tmp_path) == {"daft": "no wheel"}


def test_every_comparison_is_one_and_its_peers_are_locked():
    import importlib

    locked = blocks((ROOT / "requirements" / "peers.txt").read_text())
    for name in COMPARISONS:
        one = importlib.import_module(f"benchmarks.peers.{name}").COMPARISON
        assert {side.package for side in one.sides} - {None} <= locked.keys()
        assert all(side.says.endswith(".") for side in one.sides)


def test_the_page_has_a_place_for_the_table():
    text = PAGE.read_text("utf-8")
    assert text.count(PLACE.begin) == text.count(PLACE.end) == 1
