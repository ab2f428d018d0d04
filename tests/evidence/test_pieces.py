"""Numbers, visible text, timelines and drawings by themselves."""

import math
import unicodedata
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.evidence import numbers
from stillwatch.evidence.figures import Row, key_of
from stillwatch.evidence.graph import (
    HEIGHT,
    MOST_ACCOUNTS,
    MOST_VALUES,
    WIDTH,
    draw_graph,
    place_nodes,
    shared_values,
)
from stillwatch.evidence.timeline import bin_timeline, draw_timeline, nice_top, small_outline, sparkline
from stillwatch.evidence.visible import visible

from .page import says

START = datetime(2026, 2, 2, tzinfo=UTC)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_numbers_are_written_to_half_a_percent(value):
    assert says(numbers.number(value), value, "evidence.value[x]")


@given(st.floats(0, 1, allow_subnormal=False))
def test_shares_are_written_to_half_a_tenth_of_a_percent(value):
    text = numbers.share(value)
    assert says(text, value, "evidence.share[x]")
    assert (text == "100%") == (value == 1)
    assert (text in {"0%", "0"}) == (value == 0)


@given(st.floats(-50, 400))
def test_chances_never_say_more_than_the_e_value(log10_e):
    assert says(numbers.chance(log10_e), log10_e, "evidence.log10_e[x]")


@pytest.mark.parametrize(
    ("log10_e", "words"),
    [(43.9, "1 in 10⁴³"), (0.0, "no evidence"), (-3.0, "no evidence"), (0.2, "next to nothing"),
     (0.434197, "1 in 2.7"), (1.4, "1 in 25"), (3.0, "1 in 1,000"), (4.3, "1 in 19,000"), (6.0, "1 in 10⁶"),
     (math.inf, "beyond measure"), (math.nan, "not computed"), (None, "not computed")],
)  # fmt: skip
def test_chances_in_words(log10_e, words):
    assert numbers.chance(log10_e) == words


@given(st.text(max_size=300), st.integers(0, 200), st.booleans())
def test_visible_text_hides_nothing(text, limit, prose):
    shown = visible(text, limit, prose=prose)
    allowed = "\n\t\u200c\u200d" if prose else ""
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Zl", "Zp"} or c in allowed for c in shown)
    assert shown.endswith(f"… (+{len(text) - limit:,} characters)") == (len(text) > limit)


BLANK_LETTERS = "\u3164\u115f\u1160\uffa0"


@given(
    st.text(
        st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters=BLANK_LETTERS), max_size=80
    )
)
def test_ordinary_text_is_left_as_it_is(text):
    assert visible(text) == text


PARTS = st.lists(st.text(max_size=100), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_keys_tell_rows_apart(left, right):
    assert (key_of(*left) == key_of(*right)) == (left == right)


def hours(counts: dict[int, tuple[int, int]]) -> list[Row]:
    rows = []
    for place, (exchanges, accounts) in counts.items():
        values = {
            "group_id": "g",
            "hour": START + timedelta(hours=place),
            "n_exchanges": exchanges,
            "n_accounts": accounts,
        }
        rows.append(Row("timeline", key_of("g", values["hour"]), values))
    return rows


COUNTS = st.dictionaries(
    st.integers(0, 20_000), st.tuples(st.integers(1, 10**6), st.integers(1, 10**4)), min_size=1, max_size=60
)


@given(COUNTS)
def test_bins_keep_every_exchange_and_the_busiest_hour(counts):
    timeline = bin_timeline(hours(counts))
    assert timeline is not None
    assert timeline.exchanges.sum() == sum(exchanges for exchanges, _ in counts.values())
    assert timeline.accounts.max() == max(accounts for _, accounts in counts.values())
    assert len(timeline.exchanges) <= 732
    assert len(sparkline(timeline)) == min(56, len(timeline.exchanges))


@given(COUNTS)
@settings(max_examples=30)
def test_drawings_of_time_stay_in_their_box(counts):
    drawing = draw_timeline("g", hours(counts), START + timedelta(hours=1))
    assert drawing is not None
    assert sum(day.exchanges.value for day in drawing.days) in {
        0,
        sum(exchanges for exchanges, _ in counts.values()),
    }
    assert all(0 <= tick.x <= 720 for tick in drawing.ticks)
    assert all(right.x > left.x for left, right in pairwise(drawing.ticks))
    assert small_outline(hours(counts), START, START + timedelta(days=900)).startswith("M0 21L")


@given(st.integers(1, 10**12))
def test_the_scale_ends_just_above_the_highest(value):
    assert value <= nice_top(value) <= 2 * value


def ties(pairs: set[tuple[int, int]]) -> list[Row]:
    return [
        Row("ties", key_of("g", "payment", f"v{value}", f"a{account}"),
            {"group_id": "g", "kind": "payment", "value": f"v{value}", "account_id": f"a{account}",
             "n_accounts_everywhere": 9, "log10_p": -1.0 - value % 7})
        for account, value in pairs
    ]  # fmt: skip


@given(st.sets(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=80))
@settings(max_examples=30, deadline=None)
def test_every_drawn_line_is_a_tie_and_no_tie_is_missing(pairs):
    holders: dict[int, set[int]] = {}
    for account, value in pairs:
        holders.setdefault(value, set()).add(account)
    shared = {value: held for value, held in holders.items() if len(held) > 1}
    values = shared_values("g", ties(pairs))
    assert {v.row["value"]: set(v.accounts) for v in values} == {
        f"v{value}": {f"a{account}" for account in held} for value, held in shared.items()
    }
    graph = draw_graph(values)
    if not shared:
        assert graph is None
        return
    assert graph is not None
    at = {(node.x, node.y): node for node in graph.nodes}
    assert len(at) == len(graph.nodes)
    ends = [(at[x1, y1].account, at[x2, y2].value) for x1, y1, x2, y2, _ in graph.edges]
    drawn = {(account.value, value.row["value"]) for account, value in ends if account and value}
    assert drawn == {(f"a{account}", f"v{value}") for value, held in shared.items() for account in held}
    assert all(0 <= node.x <= WIDTH and 0 <= node.y <= HEIGHT for node in graph.nodes)


def test_a_large_graph_is_capped_and_says_so():
    pairs = {(account, account % 90) for account in range(2_000)}
    graph = draw_graph(shared_values("g", ties(pairs)))
    assert graph is not None
    assert (graph.n_tied.value, graph.n_values.value) == (2_000, 90)
    assert graph.n_drawn == MOST_ACCOUNTS
    assert graph.n_values_drawn <= MOST_VALUES
    assert len(graph.nodes) == graph.n_drawn + graph.n_values_drawn


def test_tied_nodes_are_drawn_closer_than_others():
    pairs = np.array([(a, 20 + a // 5) for a in range(20)])
    points = place_nodes(24, pairs)
    tied = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    others = [
        np.linalg.norm(points[a] - points[20 + hub]) for a in range(20) for hub in range(4) if hub != a // 5
    ]
    assert max(tied) < np.mean(others)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_smallest_graphs_are_placed(n):
    assert np.isfinite(place_nodes(n, np.zeros((0, 2), dtype=np.int64))).all()
