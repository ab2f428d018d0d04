import io
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binomtest

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.tables import LABELS
from stillwatch.lab.score import Score, score
from stillwatch.lab.scoring.grouping import compare
from stillwatch.lab.scoring.rates import Agreement, Rate
from stillwatch.lab.scoring.render import to_json, to_tables

Labels = dict[str, tuple[str, str | None, str]]


def write(path: Path, schema: TableSchema, rows: list[dict[str, Any]]) -> None:
    columns = {c.name: [row.get(c.name) for row in rows] for c in schema}
    pq.write_table(pa.table({n: pa.array(v, schema[n].type) for n, v in columns.items()}), path)


def write_world(
    folder: Path, labels: Labels, campaigns: dict[str, str], members: list[Any], flagged: list[Any]
) -> Score:
    """labels: exchange -> (account, campaign, stratum); members: (campaign, account, probability)."""
    folder.mkdir(exist_ok=True)
    rows = [
        {"exchange_id": e, "account_id": a, "campaign_id": c, "stratum": s} for e, (a, c, s) in labels.items()
    ]
    write(folder / "labels.parquet", LABELS, rows)
    write(
        folder / "campaigns.parquet", CAMPAIGNS, [{"campaign_id": c, "rung": r} for c, r in campaigns.items()]
    )
    keys = ("campaign_id", "account_id", "probability")
    write(folder / "members.parquet", MEMBERS, [dict(zip(keys, m, strict=True)) for m in members])
    write(folder / "flagged.parquet", FLAGGED, [{"exchange_id": e, "campaign_id": c} for e, c in flagged])
    return score(folder, folder / "labels.parquet")


@pytest.fixture
def world(tmp_path):
    """X over a1 and a2, of which a2 is a reseller's and has benign exchanges too; Y over b1 is missed."""
    labels: Labels = {f"x{n}": ("a1", "X", "X") for n in range(6)}
    labels |= {f"x{n}": ("a2", "X", "X") for n in range(6, 10)}
    labels |= {f"r{n}": ("a2", None, "reseller") for n in range(5)}
    labels |= {f"y{n}": ("b1", "Y", "Y") for n in range(20)}
    labels |= {"c1": ("c1", None, "chat"), "c2": ("c2", None, "chat"), "d1": ("d1", None, "cron")}
    campaigns = {"P": "one_task_pool", "Q": "training_shaped", "R": "coordinated", "S": "repetitive"}
    flagged = [(f"x{n}", "P") for n in range(5)] + [("r0", "P")]  # 5 of 6 are X's, half of X
    flagged += [("x8", "Q"), ("x9", "Q")]  # both X's: a second match
    flagged += [("c1", "R"), ("d1", "R"), ("c2", "R")]  # false, mostly chat
    flagged += [("y0", "S")]  # right, but a twentieth of Y: a fragment
    members = [
        ("P", "a1", 0.9),
        ("P", "c1", 0.2),
        ("Q", "a2", 0.8),
        ("R", "c1", 0.6),
        ("R", "d1", 0.7),
        ("S", "b1", 0.5),
    ]
    return tmp_path / "w", labels, campaigns, members, flagged


def test_a_case_computed_by_hand(world):
    result = write_world(*world)
    x, y = result.campaigns
    assert (x.campaign_id, x.found, x.reported, x.rung) == ("X", True, ("P", "Q"), "training_shaped")
    assert (x.accounts.precision.hits, x.accounts.precision.total) == (2, 3)  # a1, a2 of a1, c1, a2
    assert (x.accounts.recall.hits, x.accounts.recall.total) == (2, 2)
    assert (x.exchanges.precision.hits, x.exchanges.precision.total) == (7, 8)
    assert (x.exchanges.recall.hits, x.exchanges.recall.total) == (7, 10)
    assert (y.campaign_id, y.found, y.rung, y.reported) == ("Y", False, None, ())
    assert y.accounts.precision.share is None
    (false,) = result.false_campaigns
    assert (false.campaign_id, false.stratum, false.n_accounts, false.n_exchanges, false.precision) == (
        "R",
        "chat",
        2,
        3,
        0,
    )
    (fragment,) = result.fragments
    assert (fragment.campaign_id, fragment.stratum, fragment.precision) == ("S", "Y", 1)
    # Innocent: c1, c2, d1; a2 is a true member although it carries a reseller's customers.
    assert (result.benign.hits, result.benign.total) == (2, 3)
    rates = {name: (r.hits, r.total) for name, r in result.benign_by_stratum.items()}
    assert rates == {"chat": (1, 2), "cron": (1, 1)}
    assert (result.accounts.precision.hits, result.accounts.precision.total) == (3, 5)
    assert (result.accounts.recall.hits, result.accounts.recall.total) == (3, 3)
    assert (result.exchanges.precision.hits, result.exchanges.precision.total) == (8, 12)
    assert (result.exchanges.recall.hits, result.exchanges.recall.total) == (8, 30)
    # Reported groups {a1} {a2} {c1, d1} {b1}; true {a1, a2} {b1} {c1} {d1}.
    g = result.grouping
    assert g.items == 5
    assert g.b_cubed_precision == pytest.approx((1 + 1 + 0.5 + 0.5 + 1) / 5)
    assert g.b_cubed_recall == pytest.approx((0.5 + 0.5 + 1 + 1 + 1) / 5)
    assert (g.pair_precision, g.pair_recall) == (0, 0)


def test_the_score_prints_and_is_json(world):
    result = write_world(*world)
    data = json.loads(to_json(result))
    assert data["campaigns"][0]["exchanges"]["recall"]["share"] == 0.7
    assert data["false_campaigns"][0]["stratum"] == "chat"
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(to_tables(result))
    text = console.export_text()
    assert all(
        word in text for word in ("missed", "training_shaped", "87.50 %", "False campaigns", "Fragments")
    )


def test_a_detector_that_only_names_accounts_is_matched_by_accounts(tmp_path):
    labels: Labels = {f"e{n}": (f"a{n}", "X" if n < 4 else None, "s") for n in range(8)}
    members = [("P", f"a{n}", 1.0) for n in (0, 1, 4, 5)]
    assert write_world(tmp_path / "half", labels, {"P": "repetitive"}, members, []).campaigns[0].found
    worse = write_world(tmp_path / "less", labels, {"P": "repetitive"}, [*members, ("P", "a6", 1.0)], [])
    assert not worse.campaigns[0].found
    assert [u.campaign_id for u in worse.false_campaigns] == ["P"]


def test_recall_of_exactly_a_tenth_is_enough(tmp_path):
    labels: Labels = {f"e{n}": ("a", "X", "X") for n in range(20)}
    assert (
        write_world(tmp_path / "two", labels, {"P": "x"}, [], [("e0", "P"), ("e1", "P")]).campaigns[0].found
    )
    assert not write_world(tmp_path / "one", labels, {"P": "x"}, [], [("e0", "P")]).campaigns[0].found


def test_nothing_reported_in_a_world_without_campaigns(tmp_path):
    result = write_world(tmp_path / "w", {"e": ("a", None, "chat")}, {}, [], [])
    assert not result.campaigns
    assert not result.false_campaigns
    assert (result.benign.hits, result.benign.total) == (0, 1)
    assert result.accounts.recall.share is None
    assert result.grouping.items == 0
    json.loads(to_json(result))


@pytest.mark.parametrize(
    ("members", "flagged", "message"),
    [
        ([("P", "nobody", 1.0)], [], "account nobody does not stand in the labels"),
        ([("Z", "a", 1.0)], [], "campaign Z does not stand in campaigns.parquet"),
        ([], [("f", "P")], "exchange f does not stand in the labels"),
        ([], [("e", "P"), ("e", "P")], "exchange e stands twice"),
    ],
)
def test_results_that_do_not_fit_the_labels_are_refused(tmp_path, members, flagged, message):
    with pytest.raises(UsageError, match=message):
        write_world(tmp_path / "w", {"e": ("a", None, "chat")}, {"P": "x"}, members, flagged)


def test_a_missing_table_or_column_is_named(tmp_path, world):
    write_world(*world)
    folder = world[0]
    with pytest.raises(UnreadableInputError, match=r"labels\.parquet"):
        score(folder, tmp_path / "none" / "labels.parquet")
    pq.write_table(pa.table({"campaign_id": ["P"]}), folder / "members.parquet")
    with pytest.raises(UnreadableInputError, match="no column account_id, probability"):
        score(folder, folder / "labels.parquet")


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_interval_is_that_of_an_exact_binomial_test(hits, misses):
    total = hits + misses
    rate = Rate(hits, total)
    if not total:
        assert rate.share is rate.low is rate.high is None
        return
    exact = binomtest(hits, total).proportion_ci(0.95, "exact")
    assert rate.low == pytest.approx(exact.low)
    assert rate.high == pytest.approx(exact.high)


@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")))
def test_precision_and_recall_count_each_name(reported, true):
    result = Agreement.of(reported, true)
    assert result.precision.hits == result.recall.hits == sum(name in true for name in reported)
    assert (result.precision.total, result.recall.total) == (len(reported), len(true))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25))
def test_grouping_agrees_with_counting_every_item_and_pair(groups):
    said = {str(n): g for n, (g, _) in enumerate(groups)}
    true = {str(n): t for n, (_, t) in enumerate(groups)}
    result = compare(said, true)
    shares = []
    for item, group in said.items():
        mine = {i for i in said if said[i] == group}
        real = {i for i in said if true[i] == true[item]}
        shares.append((len(mine & real) / len(mine), len(mine & real) / len(real)))
    precision = sum(p for p, _ in shares) / len(shares)
    recall = sum(r for _, r in shares) / len(shares)
    assert result.b_cubed_precision == pytest.approx(precision)
    assert result.b_cubed_recall == pytest.approx(recall)
    assert result.b_cubed_f1 == pytest.approx(2 * precision * recall / (precision + recall))
    pairs = [(said[a] == said[b], true[a] == true[b]) for a, b in combinations(said, 2)]
    both = sum(s and t for s, t in pairs)
    together = sum(s for s, _ in pairs)
    real_pairs = sum(t for _, t in pairs)
    assert result.pair_precision == (pytest.approx(both / together) if together else None)
    assert result.pair_recall == (pytest.approx(both / real_pairs) if real_pairs else None)


def test_different_items_cannot_be_compared():
    with pytest.raises(ValueError, match="same items"):
        compare({"a": 1}, {"b": 1})
