"""Fixed-window co-occurrence, by hand and against brute force."""

import itertools

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.lab.baselines import _windows
from stillwatch.lab.baselines._objects import object_hashes
from stillwatch.lab.baselines.co_occurrence import run
from stillwatch.lab.baselines.execute import execute
from stillwatch.lab.baselines.registry import named, read_settings


def settings(**given):
    return read_settings(named("co_occurrence"), given)


def by_hand(make_dataset):
    """Shares as (account, second, prompt).

    Window 10 s, weights of pairs of accounts:
    - "One  text" at a 0, b 10, c 21: a-b at 10 s (the limit counts), b-c 11 s apart: no pair.
    - "Two" at a 100, a 103, b 105: a-b twice (100-105, 103-105); a-a is no pair.
    - "Three" at c 200, d 201: c-d once.
    - "Four" at d 300, e 302 and "five" at d 400, e 401: d-e twice.
    So a-b 3, d-e 2, c-d 1. f shares only once in all; it is left out before.
    """
    shares = [
        ("a", 0, "One  text"),
        ("b", 10, " one TEXT "),
        ("c", 21, "one text"),
        ("a", 100, "Two"),
        ("a", 103, "Two"),
        ("b", 105, "Two"),
        ("c", 200, "Three"),
        ("d", 201, "Three"),
        ("d", 300, "Four"),
        ("e", 302, "Four"),
        ("f", 302, "Four"),
        ("d", 400, "five"),
        ("e", 401, "five"),
        ("a", 900, None),
        ("b", 900, "  "),
    ]
    return make_dataset([{"account_id": a, "seconds": s, "prompt": p} for a, s, p in shares])


def test_pairs_within_the_window_that_recur(make_dataset, groups):
    found = run(by_hand(make_dataset), settings())
    assert groups(found.members) == {frozenset("ab"), frozenset("de")}
    # 12 shares with words but f's one; in pairs: a0 b10 a100 a103 b105 c200 d201 d300 e302 d400 e401.
    assert dict(found.notes) == {
        "shares": 12,
        "shares_in_pairs": 11,
        "pairs_of_accounts": 3,
        "edges": 2,
        "shares_capped": 0,
    }


def test_thresholds(make_dataset, groups):
    dataset = by_hand(make_dataset)
    # c-d once ties c to d and e.
    assert groups(run(dataset, settings(min_edge_weight=1)).members) == {frozenset("ab"), frozenset("cde")}
    # b-c of "one text" is 11 s apart, too: weight 1, then all five are one.
    wider = settings(min_edge_weight=1, time_window=11)
    assert groups(run(dataset, wider).members) == {frozenset("abcde")}
    assert groups(run(dataset, settings(min_edge_weight=3)).members) == {frozenset("ab")}
    # Weights 3, 2, 1 have the median 2: only 3 is above it.
    median = settings(min_edge_weight=1, edge_quantile=0.5)
    assert groups(run(dataset, median).members) == {frozenset("ab")}
    assert groups(run(dataset, settings(min_edge_weight=1, min_accounts=3)).members) == {frozenset("cde")}


def test_participation_of_one_of_two_is_enough(make_dataset, groups):
    # Pairs: g-h once, i-j once, j-k twice. In pairs stand g 1, h 1, i 1, j 3, k 2; alone one more of g, h, i.
    shares = [("g", 0), ("h", 1), ("g", 50), ("h", 100), ("i", 200), ("j", 201), ("i", 250)]
    shares += [("j", 300), ("k", 301), ("j", 400), ("k", 401)]
    dataset = make_dataset([{"account_id": a, "seconds": s, "prompt": f"text {s // 10}"} for a, s in shares])
    # Neither g nor h has two; i has one, but j has three.
    assert groups(run(dataset, settings(min_edge_weight=1)).members) == {frozenset("ijk")}
    once = settings(min_edge_weight=1, min_participation=1)
    assert groups(run(dataset, once).members) == {frozenset("gh"), frozenset("ijk")}
    # g, h, i and k have two shares in all: left out before, so that j is alone.
    assert groups(run(dataset, settings(min_edge_weight=1, min_participation=3)).members) == set()


def test_communities_part_what_one_bridge_joins(make_dataset, groups):
    # Two triangles, every pair sharing three texts, and one bridge c-d of two: one component, two communities.
    rows, moment = [], itertools.count(0, 100)
    for trio in ("abc", "def"):
        for pair in itertools.combinations(trio, 2):
            rows += [(pair, next(moment)) for _ in range(3)]
    rows += [(("c", "d"), next(moment)) for _ in range(2)]
    shares = [{"account_id": a, "seconds": s, "prompt": f"text {s}"} for pair, s in rows for a in pair]
    dataset = make_dataset(shares)
    assert groups(run(dataset, settings()).members) == {frozenset("abcdef")}
    assert groups(run(dataset, settings(groups="communities")).members) == {
        frozenset("abc"),
        frozenset("def"),
    }


def test_flagging_accounts_or_shares(make_dataset, tmp_path):
    dataset = by_hand(make_dataset)
    whole = execute("co_occurrence", dataset, tmp_path / "whole", {})
    # a: 4 exchanges, b: 3, d: 3, e: 2.
    assert whole["n_exchanges"] == 12
    execute("co_occurrence", dataset, tmp_path / "shares", {"flag": "share"})
    rows = pq.read_table(tmp_path / "shares" / "flagged.parquet").to_pylist()
    # Of those in pairs the members' only, so without c's of "Three" (e6).
    assert {row["exchange_id"] for row in rows} == {f"e{n}" for n in (0, 1, 3, 4, 5, 7, 8, 9, 11, 12)}


def test_similar_texts(make_dataset, groups):
    # 40 words, of which 2 differ: Jaccard 38 / 42 = 0.90; 20 differ: 20 / 60 = 0.33.
    words = [f"word{n}" for n in range(40)]
    near, far = (
        " ".join([*words[:38], "{0}x", "{0}y"]),
        " ".join([*words[:20], *(f"{{0}}z{n}" for n in range(20))]),
    )
    rows = []
    for turn in range(4):
        rows += [(a, 100 * turn, near.format(f"{a}{turn}")) for a in "ab"]
        rows += [(a, 100 * turn + 50, far.format(f"{a}{turn}")) for a in "cd"]
        rows += [(a, 100 * turn + 80, "?!") for a in "ef"]  # without words nothing is similar
    dataset = make_dataset([{"account_id": a, "seconds": s, "prompt": p} for a, s, p in rows])
    assert groups(run(dataset, settings()).members) == {frozenset("ef")}
    assert groups(run(dataset, settings(content="similar")).members) == {frozenset("ab")}
    assert groups(run(dataset, settings(content="similar", similarity=0.2)).members) == {
        frozenset("ab"),
        frozenset("cd"),
    }


def test_what_is_capped_is_told(make_dataset, groups):
    # Ten accounts send one text at seconds 0..9, three times. With at most 2 earlier ones, the shares 3..9 of
    # each time have more (7 x 3 = 21), and the chain of neighbours still joins all.
    rows = [(f"a{n}", 100 * turn + n) for turn in range(3) for n in range(10)]
    dataset = make_dataset([{"account_id": a, "seconds": s, "prompt": "hello"} for a, s in rows])
    found = run(dataset, settings(max_counterparts=2))
    assert found.notes["shares_capped"] == 21
    assert found.notes["pairs_of_accounts"] == 9 + 8
    assert groups(found.members) == {frozenset(f"a{n}" for n in range(10))}
    free = run(dataset, settings())
    assert (free.notes["shares_capped"], free.notes["pairs_of_accounts"]) == (0, 45)


shares = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 60)), max_size=60)


def brute_force(rows, window):
    """Counter of pairs of accounts, and the rows in pairs."""
    weight: dict[tuple[int, int], int] = {}
    took = set()
    for (i, x), (j, y) in itertools.combinations(enumerate(rows), 2):
        if x[0] != y[0] and x[1] == y[1] and abs(x[2] - y[2]) <= window:
            pair = (min(x[0], y[0]), max(x[0], y[0]))
            weight[pair] = weight.get(pair, 0) + 1
            took |= {i, j}
    return weight, took


@given(rows=shares, window=st.integers(0, 20), small=st.booleans())
def test_the_sweep_agrees_with_brute_force(rows, window, small):
    rows = sorted(rows, key=lambda row: (row[1], row[2], row[0]))
    accounts, objects, times = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    took = np.zeros(len(rows), np.uint8)
    cap = 60
    sweep = _windows.identical(objects.astype(np.uint64), times, accounts, took, np.array([window, cap]))
    if small:  # a buffer that is full after each share
        whole = sweep

        def sweep(start, left, right):
            return whole(start, left[:cap], right[:cap])

    pairs = _windows.count_pairs(sweep, len(rows), 6, cap)
    weight, in_pairs = brute_force(rows, window)
    found = {(int(a), int(b)): int(w) for a, b, w in zip(pairs.left, pairs.right, pairs.weight, strict=True)}
    assert found == weight
    assert set(np.flatnonzero(took)) == in_pairs
    assert pairs.n_cut == 0


@given(rows=shares, window=st.integers(0, 20))
def test_equal_signatures_are_the_same_object(rows, window):
    # Sorted by time alone, as the sweep over similar texts needs it.
    rows = sorted(rows, key=lambda row: (row[2], row[0]))
    accounts, objects, times = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    signatures = np.repeat(objects.astype(np.uint8)[:, None], 64, axis=1)
    took = np.zeros(len(rows), np.uint8)
    sweep = _windows.similar(signatures, times, accounts, took, np.array([window, 60, 12]))
    pairs = _windows.count_pairs(sweep, len(rows), 6, 60)
    weight, in_pairs = brute_force(rows, window)
    found = {(int(a), int(b)): int(w) for a, b, w in zip(pairs.left, pairs.right, pairs.weight, strict=True)}
    assert found == weight
    assert set(np.flatnonzero(took)) == in_pairs


@pytest.mark.parametrize("seed", range(5))
def test_a_random_dataset_agrees_with_networkx(seed, make_dataset, groups):
    rng = np.random.default_rng(seed)
    rows = [
        (int(a), int(o), int(t)) for a, o, t in zip(*rng.integers(0, (30, 40, 2000), (600, 3)).T, strict=True)
    ]
    dataset = make_dataset(
        [{"account_id": f"a{a:02}", "prompt": f"text {o}", "seconds": t} for a, o, t in rows]
    )
    weight, _ = brute_force(rows, 10)
    graph = nx.Graph(pair for pair, count in weight.items() if count >= 2)
    expected = {frozenset(f"a{n:02}" for n in part) for part in nx.connected_components(graph)}
    # Every account has shares enough here, so that only the weight decides.
    assert min(sum(a == n for a, _, _ in rows) for n in range(30)) >= 2
    assert groups(run(dataset, settings(min_participation=1)).members) == expected


def test_nothing_shared_is_nothing_found(make_dataset, groups):
    assert groups(run(make_dataset([{"account_id": "a"}, {"account_id": "b"}]), settings()).members) == set()
    empty = make_dataset([], name="empty")
    assert groups(run(empty, settings(content="similar", flag="share")).members) == set()


@given(st.lists(st.text(alphabet="aAbBéÉ \t\n\u00a0\u3000+-?", max_size=8), max_size=30))
def test_objects_are_texts_up_to_case_and_white_space(texts):
    hashes = object_hashes(pa.array([*texts, None]))
    normal = [" ".join(text.lower().split()) for text in texts]
    assert [bool(h) for h in hashes] == [*map(bool, normal), False]
    for one, other in itertools.combinations(range(len(texts)), 2):
        assert (hashes[one] == hashes[other]) == (normal[one] == normal[other])
