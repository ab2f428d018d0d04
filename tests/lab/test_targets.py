"""The table of targets: its intervals against oracles, its figures against worlds computed by hand."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, poisson
from tests.lab.score_worlds import minute, write, write_labels, write_rich_world

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.lab.score import Score, score
from stillwatch.lab.scoring.grouping import Part, compare, parts
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.scenarios import Scenario
from stillwatch.lab.suites.records import kept_score
from stillwatch.lab.targets.adaptivity import Side, adaptive_from, side
from stillwatch.lab.targets.aims import TARGETS, Aim, Standing
from stillwatch.lab.targets.compute import targets
from stillwatch.lab.targets.figures import event_rate, paired_difference, quantile, resampled, share
from stillwatch.lab.targets.render import to_markdown, told
from stillwatch.lab.worldfile import read_world, shipped_worlds

# Which campaigns are adaptive.


def test_every_family_of_the_shipped_worlds_is_judged_and_no_other():
    worlds = [read_world(name) for name in shipped_worlds()]
    families = {
        str(actor.values["family"]) or actor.module.__name__.rpartition(".")[2]
        for world in worlds
        for actor in world.campaigns
    }
    assert families == set(adaptive_from())


@pytest.mark.parametrize(
    ("family", "dose", "expected"),
    [
        ("wording", 0.0, Side.STATIC),
        ("wording", 1.0, Side.ADAPTIVE),
        ("translated", 1.0, Side.STATIC),
        ("translated", 5.0, Side.ADAPTIVE),
        ("jitter", 0.003, Side.ADAPTIVE),
        ("clean", None, Side.ADAPTIVE),
        ("dirty", 0.0, Side.STATIC),
        ("never heard of", 9.0, Side.STATIC),
    ],
)
def test_the_column_of_a_campaign(family: str, dose: float | None, expected: Side):
    assert side(Scenario(family, dose)) is expected


# Intervals.


@given(st.integers(0, 60), st.integers(1, 60))
def test_shares_have_the_exact_interval(hits: int, more: int):
    figure = share(Rate(hits, hits + more))
    exact = binomtest(hits, hits + more).proportion_ci(0.95, method="exact")
    assert (figure.low, figure.high) == pytest.approx((exact.low, exact.high))


@given(st.integers(0, 200), st.floats(0.1, 1e6))
def test_event_rates_have_the_exact_interval(events: int, exposure: float):
    """At its ends the observed number is just as far out as 2.5 % allow."""
    figure = event_rate(events, exposure, 1.0)
    assert figure.value == pytest.approx(events / exposure)
    assert figure.low is not None and figure.high is not None
    assert poisson.cdf(events, figure.high * exposure) == pytest.approx(0.025, rel=1e-6)
    if events:
        assert poisson.sf(events - 1, figure.low * exposure) == pytest.approx(0.025, rel=1e-6)
    else:
        assert figure.low == 0


@given(st.integers(1, 300), st.sampled_from([0.5, 0.95]))
def test_quantiles_are_between_their_order_statistics_in_95_of_100_samples(n: int, level: float):
    """The values are their own ranks, so the ends are the places whose coverage the binomial tells exactly."""
    figure = quantile(list(np.arange(1, n + 1, dtype=float)), level)
    below = 0 if figure.low is None else int(figure.low)
    above = n + 1 if figure.high is None else int(figure.high)
    # P(X_(below) <= q < X_(above)) = P(below <= Bin < above).
    coverage = binom.cdf(above - 1, n, level) - binom.cdf(below - 1, n, level)
    assert coverage >= 0.95 - 1e-9
    assert figure.value is not None
    assert below <= figure.value <= above
    # One place further in would not do: on neither side is more than 2.5 % given away.
    assert binom.cdf(below, n, level) > 0.025 or below == 0
    assert binom.sf(above - 2, n, level) > 0.025 or above == n + 1


def test_a_quantile_may_be_never():
    assert quantile([1.0, 2.0, np.inf], 0.5).value == 2
    late = quantile([1.0, np.inf, np.inf], 0.5)
    assert late.to_dict()["value"] == "never"
    assert Aim(10, at_least=False).standing(late) is Standing.MISSED


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 60))
def test_a_paired_difference_lies_in_an_interval_that_is_wider_than_the_sign_test_s(
    lost: int, won: int, same: int
):
    total = lost + won + same
    figure = paired_difference(lost, won, total)
    assert figure.low is not None and figure.high is not None
    assert figure.low <= (won - lost) / total <= figure.high
    if binomtest(won, lost + won).pvalue > 0.05 if lost + won else True:
        assert figure.low <= 0 <= figure.high


def test_resampling_draws_whole_units():
    figure = resampled([0.0, 1.0] * 50, lambda drawn: sum(drawn) / len(drawn), "100 units")
    assert figure.value == 0.5
    assert figure.low == pytest.approx(0.4, abs=0.03)
    assert figure.high == pytest.approx(0.6, abs=0.03)
    alone = resampled([1.0], sum, "1 unit")
    assert (alone.value, alone.low, alone.high) == (1.0, None, None)


def test_an_aim_is_met_for_sure_only_if_the_whole_interval_meets_it():
    at_least, at_most = Aim(0.9), Aim(10, at_least=False)
    assert at_least.standing(share(Rate(100, 100))) is Standing.MET
    assert at_least.standing(share(Rate(9, 10))) is Standing.MET_SO_FAR
    assert at_least.standing(share(Rate(8, 10))) is Standing.MISSED
    assert at_least.standing(share(Rate(0, 0))) is Standing.NOT_MEASURED
    assert at_most.standing(quantile([5.0] * 20, 0.5)) is Standing.MET
    assert at_most.standing(quantile([5.0], 0.5)) is Standing.MET_SO_FAR
    assert at_most.standing(quantile([15.0], 0.5)) is Standing.MISSED


# The grouping by campaign.


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=40)
)
def test_parts_of_the_grouping_add_up_to_the_whole(items: list[tuple[int, int, str]]):
    said = {str(n): item[0] for n, item in enumerate(items)}
    true = {str(n): item[1] for n, item in enumerate(items)}
    by_class = parts(said, true, {str(n): item[2] for n, item in enumerate(items)})
    whole, added = compare(said, true), Part.add(by_class.values())
    assert added.items == whole.items
    assert added.b_cubed_f1 == pytest.approx(whole.b_cubed_f1)
    assert (added.both, added.reported) == (2 * whole.pairs_both, 2 * whole.pairs_reported)
    assert added.pair_precision == (
        None if whole.pair_precision is None else pytest.approx(whole.pair_precision)
    )


# Figures of whole worlds.


def as_run(found: Score, detector: str = "stillwatch", **named: Any) -> dict[str, Any]:
    return {
        "world": "w",
        "seed": 1,
        "null": False,
        "days": 14,
        "detector": detector,
        "score": kept_score(found),
    } | named


def row(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [one for one in rows if one["name"].startswith(name)]
    return found


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    results, labels = write_rich_world(tmp_path_factory.mktemp("rich"))
    return score(results, labels)


def test_figures_of_a_world_computed_by_hand(rich: Score):
    rows = targets([as_run(rich), as_run(rich, seed=2)])
    assert [one["name"] for one in rows] == [target.name for target in TARGETS]
    # Jitter is adaptive (20, 50 and 20 accounts), mixtures are static (4 and 4; one is missed).
    small = row(rows, "campaigns of about 20 accounts")
    assert (small["static"]["value"], small["static"]["counts"]) == (0.5, "2 of 4")
    assert small["adaptive"]["counts"].endswith("of 4")
    middle = row(rows, "campaigns of 32 to 99 accounts")
    assert (middle["adaptive"]["counts"], middle["static"]["standing"]) == ("2 of 2", "not measured")
    accused = row(rows, "benign accounts")
    assert accused["static"]["counts"] == f"{2 * rich.benign.hits} of {2 * rich.benign.total}"
    assert accused["static"]["standing"] == "missed"
    false = row(rows, "false campaigns")["static"]
    months = 2 * rich.benign.total * 14 / 30.4375
    assert false["value"] == pytest.approx(2 * len(rich.false_campaigns) / months * 1e6, rel=1e-5)
    assert row(rows, "text dropped: difference in campaigns")["static"]["standing"] == "not measured"
    assert row(rows, "exchanges gone before the verdict, median of")["static"]["value"] is None
    assert (
        "| campaigns of about 20 accounts (up to 31) that are found | >= 95.0 % | **missed**: 50.0 % (6.8 % to"
        in (to_markdown(rows))
    )


def test_variants_are_compared_with_the_scan_of_the_same_simulation(rich: Score):
    blind = Score.from_dict(
        kept_score(rich)
        | {"campaigns": [c | {"found": False} for c in kept_score(rich)["campaigns"]], "false_campaigns": []}
    )
    runs = [
        as_run(rich),
        as_run(blind, "stillwatch_hash_only"),
        as_run(blind, "stillwatch_hash_only", seed=9),
    ]
    lost = row(targets(runs), "text dropped: difference in campaigns")["static"]
    assert lost["counts"] == "1 lost, 0 won of 2"
    assert lost["value"] == -0.5
    exchanges = row(targets(runs), "text dropped: difference in exchanges")["static"]
    assert exchanges["value"] == 0


def joined_world(folder: Path) -> Score:
    """One pool of three accounts; the verdict is at minute 10, `b` and `c` replace `a` later, `x` is an innocent."""
    order = [*["a"] * 12, *["b"] * 3, *["c"] * 4, *["x"] * 3, *["b"] * 3]
    labels = write_labels(
        folder,
        [
            (f"e{n}", who, None if who == "x" else "pool", "chat" if who == "x" else "pool")
            for n, who in enumerate(order)
        ],
    )
    pairs = [("pool", "b", "a"), ("pool", "c", "a")]
    names = ("campaign_id", "account_id", "replaces")
    schema = pa.schema([(name, pa.string()) for name in names])
    write(folder / "replacements.parquet", schema, [dict(zip(names, pair, strict=True)) for pair in pairs])
    results = folder / "results"
    flagged = {"campaign_id": "r", "rung": "one_task_pool", "fdr": 0.001, "flagged_at": minute(10)}
    write(results / "campaigns.parquet", CAMPAIGNS, [flagged])
    schema = MEMBERS.arrow.append(pa.field("joined_at", TIMESTAMP))
    moments = {"a": 10, "b": 13, "x": 21}
    members = [
        {"campaign_id": "r", "account_id": a, "probability": 1.0, "joined_at": minute(m)}
        for a, m in moments.items()
    ]
    write(results / "members.parquet", schema, members)
    rows = [{"exchange_id": f"e{n}", "campaign_id": "r"} for n, who in enumerate(order) if who in moments]
    write(results / "flagged.parquet", FLAGGED, rows)
    return score(results, labels)


def test_how_soon_replaced_accounts_are_joined(tmp_path: Path):
    found = joined_world(tmp_path)
    (campaign,) = found.campaigns
    joining = campaign.joining
    assert joining is not None
    # b's exchanges are at minutes 12, 13, 14, 22 ...; it is joined at 13. c never is. x was joined and is none.
    assert (joining.waits, joining.never, joining.joined) == ((2,), (4,), Rate(1, 2))
    assert Score.from_dict(found.to_dict()).campaigns == found.campaigns
    rows = targets([as_run(found, "stillwatch_replay_1h"), as_run(found, "stillwatch_replay_6h")])
    waits = row(rows, "exchanges of a replaced account")["static"]
    # c ended before the tenth exchange: it says nothing of the aim.
    assert (waits["value"], waits["counts"]) == (2, "1 accounts, 0 of them never; 1 ended before 10")
    assert row(rows, "accounts joined after the verdict")["static"]["value"] == 0.5
    gone = row(rows, "exchanges gone before the verdict, median; ")["static"]
    assert (gone["value"], gone["counts"]) == (11, "1 campaigns; slices of 1h")


def test_a_scan_tells_nobody_when_accounts_joined(rich: Score):
    assert all(campaign.joining is None for campaign in rich.campaigns)


def test_the_rate_of_false_discovery_counts_a_simulation_once(rich: Score):
    nominal = kept_score(rich) | {"nominal_fdr": 0.01}
    wide = kept_score(rich) | {"nominal_fdr": 0.05}
    runs = [
        as_run(Score.from_dict(nominal)),
        as_run(Score.from_dict(wide), "stillwatch_fdr_05"),
        as_run(Score.from_dict(wide), "stillwatch_fdr_05", seed=2),
    ]
    rows = targets(runs)
    counts = [
        row(rows, f"simulations in which false discovery stays within {x} %") for x in ("0.1", "1", "5")
    ]
    assert [one["static"]["counts"].split(" of ")[1] for one in counts] == ["2 simulations"] * 3


def test_figures_are_told_in_their_units():
    cell = {"low": 0.01, "high": 0.02, "counts": "3 of 200"}
    assert told({"value": 0.015, **cell}, "share") == "1.5 % (1.0 % to 2.0 %), 3 of 200"
    assert (
        told({"value": 1e-5, "low": 0.0, "high": 6e-5, "counts": ""}, "share") == "1.0e-05 (0 % to 6.0e-05)"
    )
    assert told({"value": -0.02, "low": None, "high": None, "counts": ""}, "points") == "-2.0 points"
    assert told({"value": "never", "low": 3.0, "high": None, "counts": ""}, "count") == "never (3 to unknown)"
    assert told({"value": None}, "count") == ""


def test_moments_are_read_from_any_timestamp(tmp_path: Path):
    """A foreign detector may write joined_at without a zone."""
    joined_world(tmp_path)
    path = tmp_path / "results" / "members.parquet"
    table = pq.read_table(path)
    naive = [moment.replace(tzinfo=None) for moment in table["joined_at"].to_pylist()]
    assert isinstance(naive[0], dt.datetime)
    place = table.schema.get_field_index("joined_at")
    pq.write_table(table.set_column(place, "joined_at", pa.array(naive, pa.timestamp("ms"))), path)
    found = score(tmp_path / "results", tmp_path / "labels.parquet")
    assert found.campaigns[0].joining is not None
    assert found.campaigns[0].joining.waits == (2,)
