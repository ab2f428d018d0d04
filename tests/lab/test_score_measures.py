"""The measures beyond matching: scenarios, leakage, relinking, calibration, price, effort; alone and pooled."""

import json
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.score_worlds import minute, write_labels, write_results, write_rich_world

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab.score import Score, pool, score
from stillwatch.lab.scoring.calibration import Discoveries, Discovery, Outcome, calibrate
from stillwatch.lab.scoring.grouping import compare
from stillwatch.lab.scoring.grouping import pool as pool_groupings
from stillwatch.lab.scoring.leakage import Stopped
from stillwatch.lab.scoring.price import Reached, prices
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.recall import SIZES, by_size, size_class
from stillwatch.lab.scoring.scenarios import Scenario


@pytest.fixture(scope="module")
def rich(tmp_path_factory) -> tuple[Score, object]:
    folder = tmp_path_factory.mktemp("rich")
    return score(*write_rich_world(folder)), folder


def test_leakage_computed_by_hand(rich):
    leaks = {c.campaign_id: c.leakage for c in rich[0].campaigns}
    # The verdict on jitter_0 comes with its tenth exchange, which is gone, too.
    assert (leaks["jitter_0"].gone, leaks["jitter_0"].total) == (10, 40)
    assert leaks["jitter_2"].gone == 20
    assert (leaks["jitter_6"].gone, leaks["jitter_6"].stopped) == (40, Stopped.AFTER_EVERYTHING)
    assert (leaks["mixture_20"].gone, leaks["mixture_20"].stopped) == (0, Stopped.AT_VERDICT)
    assert (leaks["mixture_50"].gone, leaks["mixture_50"].stopped) == (40, Stopped.MISSED)
    summary = pool([rich[0]]).leakage
    assert (summary.found.campaigns, summary.found.median, summary.all.median) == (4, 15, 20)
    assert summary.found.p95 == pytest.approx(20 + 0.85 * 20)  # between the third and the fourth
    assert summary.all.p95_share == 1
    assert summary.after_everything == 1


def test_recall_by_scenario_and_size_computed_by_hand(rich):
    pooled = pool([rich[0]])
    rows = {(r.family, r.dose): r.recall for r in pooled.by_scenario}
    assert list(rows) == [("jitter", 0), ("jitter", 2), ("jitter", 6), ("mixture", 20), ("mixture", 50)]
    assert rows["jitter", 2].exchanges == Rate(30, 50)
    assert rows["jitter", 2].accounts == Rate(20, 50)
    assert [(r.size, r.recall.campaigns) for r in pooled.by_size] == [(20, Rate(3, 4)), (50, Rate(1, 1))]


def test_relinking_counts_pairs_of_accounts_that_were_seen(rich):
    found = rich[0]
    # jitter_0: both pairs; jitter_2: its account 30 is no member; mixture_50 is missed; one account never asked.
    assert found.relinking == Rate(2, 4)
    assert {c.campaign_id: c.relinked for c in found.campaigns}["jitter_2"] == Rate(0, 1)
    assert any("Relinking leaves out" in note for note in found.notes)


def test_time_and_memory_come_from_the_run_and_else_from_the_summary(rich):
    found, folder = rich
    assert (found.spent.wall_s, found.spent.peak_bytes) == (12.5, 1_500_000_000)
    results = folder / "results"
    (results / "run.json").rename(results / "kept")
    assert score(results, folder / "world" / "labels.parquet").spent.wall_s == 1
    (results / "run.json").write_text('{"wall_s": "long"}')
    with pytest.raises(UnreadableInputError, match=r"run\.json.*wall_s = 'long'"):
        score(results, folder / "world" / "labels.parquet")
    (results / "kept").replace(results / "run.json")


def test_a_saved_score_is_read_as_it_was(rich):
    found = rich[0]
    data = json.loads(json.dumps(found.to_dict(spent=True), allow_nan=False))
    assert Score.from_dict(data) == found
    assert data["campaigns"][0]["leakage"] == 0.25
    del data["campaigns"][0]["found"]
    with pytest.raises(
        UnreadableInputError, match=r"first-1\.json: no score of this version .KeyError: 'found'"
    ):
        Score.from_dict(data, "first-1.json")
    assert "spent" not in found.to_dict()  # the same results give the same bytes


def test_pooled_counts_are_sums(rich):
    one, two = pool([rich[0]]), pool([rich[0], rich[0]])
    assert two.benign == Rate(2 * one.benign.hits, 2 * one.benign.total)
    assert two.campaigns == Rate(8, 10)
    assert two.by_scenario[0].recall.campaigns == Rate(2, 2)
    assert two.false_campaigns == {"chat_users": 2}
    assert [p.money_eur for p in two.prices] == [p.money_eur for p in one.prices]
    assert two.grouping.b_cubed_f1 == pytest.approx(one.grouping.b_cubed_f1)
    assert two.relinking == Rate(4, 8)
    assert two.notes == one.notes
    assert two.effort.median_wall_s == 12.5
    assert pool([]).campaigns == Rate(0, 0)
    json.dumps(two.to_dict(), allow_nan=False)


def test_without_the_tables_beside_the_labels(tmp_path):
    results, labels = write_rich_world(tmp_path)
    for name in ("scenarios", "replacements"):
        (labels.parent / f"{name}.parquet").unlink()
    (labels.parent / "dataset").rename(tmp_path / "elsewhere")
    found = score(results, labels)
    assert [r.family for r in pool([found]).by_scenario][:2] == ["jitter_0", "jitter_2"]
    assert found.relinking is None
    assert pool([found]).prices == ()
    leak = found.campaigns[0].leakage
    assert (leak.gone, leak.stopped) == (None, Stopped.UNKNOWN)
    assert sum("--dataset" in note or "scenarios.parquet" in note for note in found.notes) == 2
    named = score(results, labels, tmp_path / "elsewhere")
    assert named.campaigns[0].leakage.gone == 10
    with pytest.raises(UnreadableInputError, match="no such folder"):
        score(results, labels, tmp_path / "nowhere")


def test_a_dataset_or_scenarios_of_another_world_are_refused(tmp_path):
    results, labels = write_rich_world(tmp_path)
    write_labels(tmp_path / "other", [("x1", "a", None, "s"), ("x2", "a", None, "s")])
    with pytest.raises(UsageError, match="0 of the 40 labelled exchanges of campaign jitter_0"):
        score(results, labels, tmp_path / "other" / "dataset")
    table = pq.read_table(labels.parent / "scenarios.parquet")
    pq.write_table(table.slice(1), labels.parent / "scenarios.parquet")
    with pytest.raises(UsageError, match="campaign jitter_0 of the labels does not stand in it"):
        score(results, labels)
    pq.write_table(table.drop_columns(["family"]), labels.parent / "scenarios.parquet")
    with pytest.raises(UnreadableInputError, match="no column family"):
        score(results, labels)


def test_an_exchange_that_is_labelled_twice_is_refused(tmp_path):
    labels = write_labels(tmp_path, [("x1", "a", None, "s"), ("x2", "a", None, "s"), ("x1", "b", "C", "C")])
    with pytest.raises(UsageError, match=r"labels\.parquet, row 2: exchange x1 stands twice"):
        score(write_results(tmp_path / "r", [], [], []), labels)


def test_a_verdict_time_without_a_zone_is_utc(tmp_path):
    labels = write_labels(tmp_path, [(f"x{n}", "a", "C", "C") for n in range(10)])
    results = write_results(
        tmp_path / "r", [("P", "x", 0.1, minute(3))], [("P", "a")], [(f"x{n}", "P") for n in range(5)]
    )
    table = pq.read_table(results / "campaigns.parquet")
    plain = table["flagged_at"].cast(pa.timestamp("ms"))
    place = table.column_names.index("flagged_at")
    pq.write_table(table.set_column(place, "flagged_at", plain), results / "campaigns.parquet")
    assert score(results, labels).campaigns[0].leakage.gone == 4
    text = pa.array(["soon"])
    pq.write_table(table.set_column(place, "flagged_at", text), results / "campaigns.parquet")
    with pytest.raises(UnreadableInputError, match="flagged_at cannot be read"):
        score(results, labels)


@settings(max_examples=30)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 4), st.sampled_from([None, "C", "D"]), st.sampled_from([None, "P", "Q", "R"])
        ),
        min_size=1,
        max_size=30,
    ),
    times=st.tuples(*[st.none() | st.integers(-1, 31)] * 3),
)
def test_counts_and_leakage_agree_with_going_through_every_exchange(tmp_path_factory, rows, times):
    folder = tmp_path_factory.mktemp("w")
    labels = write_labels(
        folder, [(f"e{n}", f"a{a}", c, c or f"s{a % 2}") for n, (a, c, _) in enumerate(rows)]
    )
    at = dict(zip("PQR", times, strict=True))
    campaigns = [(name, "x", 0.1, None if t is None else minute(t)) for name, t in at.items()]
    flagged = [(f"e{n}", said) for n, (_, _, said) in enumerate(rows) if said]
    found = score(write_results(folder / "r", campaigns, [], flagged), labels)
    true, said = defaultdict(set), defaultdict(set)
    for n, (_, campaign, name) in enumerate(rows):
        true[campaign].add(n)
        said[name].add(n)
    both = {n for n, (_, campaign, name) in enumerate(rows) if campaign and name}
    assert found.exchanges.precision == Rate(len(both), len(flagged))
    assert found.exchanges.recall == Rate(len(both), len(true["C"] | true["D"]))
    right = set()
    for campaign in found.campaigns:
        own = true[campaign.campaign_id]
        names = [
            name
            for name in "PQR"
            if 2 * len(said[name] & own) >= len(said[name]) > 0
            and 10 * len(said[name] & own) >= len(own)
            and (len(said[name] & own), campaign.campaign_id == "C")
            >= max((len(said[name] & true[c]), c == "C") for c in "CD")
        ]
        assert list(campaign.reported) == names
        right |= set(names)
        assert campaign.exchanges.recall == Rate(sum(len(said[n] & own) for n in names), len(own))
        instants = [at[name] for name in names if at[name] is not None]
        gone = sum(n <= min(instants) for n in own) if instants else len(own)
        assert campaign.leakage.gone == gone
    kept = {u.campaign_id for u in (*found.false_campaigns, *found.fragments)}
    assert kept == {name for name in "PQR" if name not in right}


def discoveries(*pairs: tuple[float | None, Outcome], nominal: float | None = None) -> Discoveries:
    return Discoveries(tuple(Discovery(str(n), *pair) for n, pair in enumerate(pairs)), nominal)


def test_calibration_computed_by_hand():
    good, bad, part = Outcome.FOUND, Outcome.FALSE, Outcome.FRAGMENT
    runs = [
        discoveries((0.001, good), (0.008, bad), (0.01, part), nominal=0.01),
        discoveries((0.04, bad), nominal=0.05),
        discoveries(nominal=0.05),
        discoveries((None, bad), nominal=0.05),  # tells no rate: cannot be judged
    ]
    rows = {row.level: row for row in calibrate(runs)}
    assert rows[0.01].runs == 3
    assert rows[0.01].false == Rate(1, 3)
    assert rows[0.01].realised == pytest.approx((1 / 3 + 0 + 0) / 3)
    assert rows[0.01].runs_with_false == Rate(1, 3)
    assert rows[0.05].runs == 2  # the first run cannot report up to there
    assert (rows[0.05].false, rows[0.05].realised) == (Rate(1, 1), 0.5)
    assert max(rows) == 0.05
    assert calibrate([discoveries((None, good))]) == ()


def test_realised_false_discovery_of_a_detector_that_keeps_its_word():
    """By simulation: at every level, a share `level` of what is reported there is false."""
    chance = np.random.default_rng(5)
    runs = []
    for _ in range(400):
        rates = chance.uniform(0, 0.2, 50)
        # Density of false ones at rate q such that the share below q is q: its derivative, 2q.
        runs.append(
            discoveries(
                *[(float(q), Outcome.FALSE if chance.random() < 2 * q else Outcome.FOUND) for q in rates]
            )
        )
    rows = {row.level: row for row in calibrate(runs)}
    for level in (0.05, 0.1, 0.2):
        low, high = rows[level].false.low, rows[level].false.high
        assert low is not None
        assert high is not None
        assert low < level < high


def at(dose: float, money: float, hits: int, total: int = 1000, family: str = "f") -> tuple[Scenario, Rate]:
    return Scenario(family, dose, total, 10.0 * money, money, dose), Rate(hits, total)


def test_the_price_is_interpolated_between_doses_by_cost():
    # Given out of order: cost decides. 80 % at EUR 2, 30 % at EUR 4: 50 % three fifths of the way.
    (price,) = prices([at(6, 4, 300), at(2, 1, 900), at(4, 2, 800)])
    assert price.reached == Reached.BETWEEN
    assert [price.money_eur, price.dose] == pytest.approx([3.2, 5.2])
    assert price.accounts == pytest.approx(32)
    assert price.delay_hours == pytest.approx(5.2)
    assert [dose.dose for dose in price.doses] == [2, 4, 6]


def test_exactly_half_is_reached_and_more_is_not():
    (price,) = prices([at(1, 1, 900), at(2, 2, 500)])
    assert (price.reached, price.money_eur) == (Reached.BETWEEN, 2)
    (price,) = prices([at(1, 1, 900), at(2, 2, 501)])
    assert (price.reached, price.money_eur) == (Reached.NOT, None)
    (price,) = prices([at(1, 1, 0)])
    assert (price.reached, price.money_eur) == (Reached.CHEAPEST, 1)


def test_seeds_of_one_dose_are_added_and_unpriced_scenarios_left_out():
    found = prices([at(1, 1, 1000), at(1, 3, 600), at(1, 1, 1, family="g"), (Scenario("h"), Rate(1, 2))])
    assert [price.family for price in found] == ["f", "g"]
    assert found[0].doses[0].recall == Rate(1600, 2000)
    assert found[0].doses[0].money_eur == 2  # EUR 4 for 2,000 exchanges


@given(st.integers(1, 100_000))
def test_a_size_is_in_the_class_that_its_bounds_say(accounts):
    near = min(SIZES, key=lambda size: max(size / accounts, accounts / size))
    assert size_class(accounts) == near


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12), min_size=1, max_size=4)
)
def test_pooled_grouping_is_that_of_the_disjoint_union(worlds):
    parts = []
    said: dict[str, tuple[int, int]] = {}
    true: dict[str, tuple[int, int]] = {}
    for w, groups in enumerate(worlds):
        parts.append(
            compare(
                {str(n): g for n, (g, _) in enumerate(groups)}, {str(n): t for n, (_, t) in enumerate(groups)}
            )
        )
        said |= {f"{w}.{n}": (w, g) for n, (g, _) in enumerate(groups)}
        true |= {f"{w}.{n}": (w, t) for n, (_, t) in enumerate(groups)}
    pooled, whole = pool_groupings(parts), compare(said, true)
    for name in (
        "b_cubed_precision",
        "b_cubed_recall",
        "b_cubed_f1",
        "pair_precision",
        "pair_recall",
        "items",
    ):
        assert getattr(pooled, name) == pytest.approx(getattr(whole, name))


def test_classes_of_size_without_a_campaign_are_left_out():
    assert by_size([]) == ()
